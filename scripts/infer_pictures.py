"""Run a network of any stage over a folder of pictures, one picture, a video or a camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--model", type=Path, required=True, help="model.keras, model.hdf5 or model.onnx")
    made.add_argument("--spec", type=Path, help="experiment spec of the training; a Keras model needs it")
    made.add_argument(
        "--cluster-params", type=Path, help="cluster_params.json or inference spec; else the network's own"
    )
    made.add_argument("--source", required=True, help="folder, picture, video, rtsp://... or camera number")
    made.add_argument("--out", type=Path, required=True, help="folder for labels and annotated pictures")
    made.add_argument("--threads", type=int, help="threads of an ONNX network; all cores by default")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy.cluster_params import ClusterParams, load_settings
    from detectnet.deploy.inference.inferring import infer
    from detectnet.deploy.inference.opening import open_detector

    detector = open_detector(args.model, args.spec, args.threads)
    params = args.cluster_params and ClusterParams.from_message(load_settings(args.cluster_params))
    infer(detector, args.source, args.out, params)


if __name__ == "__main__":
    run(main, arguments().parse_args())
