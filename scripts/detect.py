"""Find licence plates in pictures, a video or a camera: label files, and pictures with boxes drawn in."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, positive, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument(
        "source",
        nargs="+",
        help="picture, folder, pattern, several of them; a video, camera number, rtsp:// or http:// address",
    )
    made.add_argument(
        "--model", type=Path, help="model.onnx of an export; by default models/plates.onnx, if it is there"
    )
    made.add_argument("--output", type=Path, default=Path("detections"), help="folder to write")
    made.add_argument(
        "--threshold", type=float, help="smallest confidence, else the model's own; 0.01 for scoring"
    )
    made.add_argument(
        "--clustering",
        choices=("contract", "deepstream"),
        default="contract",
        help="that of the evaluation, or what was chosen for DeepStream, where the model holds it",
    )
    made.add_argument(
        "--format",
        nargs="+",
        choices=("kitti", "coco", "csv"),
        default=["kitti"],
        help="coco adds coco.json, csv detections.csv; KITTI's labels/ are always written. After the source",
    )
    made.add_argument("--every", type=positive, default=1, metavar="N", help="look at every Nth only")
    made.add_argument("--limit", type=positive, metavar="N", help="look at N pictures or frames at most")
    made.add_argument("--threads", type=positive, help="threads of the network; all cores by default")
    made.add_argument("--resume", action="store_true", help="leave out pictures that are done already")
    made.add_argument("--show", action="store_true", help="show it in a window, too; q or Escape ends it")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy.bundle import with_threshold
    from detectnet.deploy.inference.inferring import Wanted, infer
    from detectnet.deploy.inference.opening import mode_of, released_model
    from detectnet.deploy.runtime import Detector
    from detectnet.files import sha256

    model = args.model or released_model()
    detector = Detector.from_onnx(model, threads=args.threads)
    detector.mode = mode_of(args.clustering, detector.contract)
    if args.threshold is not None:
        detector.contract = with_threshold(detector.contract, args.threshold)
    wanted = Wanted(args.every, args.limit, args.format, args.resume, args.show, sha256(model))
    infer(detector, args.source, args.output, wanted=wanted)


if __name__ == "__main__":
    run(main, arguments().parse_args())
