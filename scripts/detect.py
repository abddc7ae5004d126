"""Find licence plates in pictures or a video: label files, and pictures with boxes drawn in."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("source", help="folder, picture, video, rtsp://... or camera number")
    made.add_argument(
        "--model", type=Path, help="model.onnx of an export; by default models/plates.onnx, if it is there"
    )
    made.add_argument("--output", type=Path, default=Path("detections"), help="folder to write")
    made.add_argument(
        "--threshold", type=float, help="smallest confidence, else the model's own; 0.01 for scoring"
    )
    made.add_argument("--threads", type=int, help="threads of the network; all cores by default")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy.bundle import with_threshold
    from detectnet.deploy.infer import infer, released_model
    from detectnet.deploy.runtime import Detector

    detector = Detector.from_onnx(args.model or released_model(), threads=args.threads)
    if args.threshold is not None:
        detector.contract = with_threshold(detector.contract, args.threshold)
    infer(detector, args.source, args.output)


if __name__ == "__main__":
    run(main, arguments().parse_args())
