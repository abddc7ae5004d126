"""Write the folder in which deepstream-app runs the exported network."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run

SHOWN = ("uri", "width", "height", "frame_rate", "sink", "tracker", "interval", "kitti", "display")


def arguments() -> argparse.ArgumentParser:
    from detectnet.deploy.deepstream import SINKS, TRACKERS, StreamSettings

    default = StreamSettings()
    made = parser(__doc__)
    made.add_argument("--onnx", type=Path, required=True, help="model.onnx")
    made.add_argument("--contract", type=Path, required=True, help="contract.json that was written with it")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    made.add_argument(
        "--metrics", type=Path, help="metrics.json in which the thresholds were chosen, to say what they give"
    )
    made.add_argument(
        "--uri", default=default.uri, help="what is played: file:///..., rtsp://..., v4l2:0 or csi:0"
    )
    made.add_argument("--width", type=int, default=default.width, help="of the stream, pixels")
    made.add_argument("--height", type=int, default=default.height, help="of the stream, pixels")
    made.add_argument(
        "--frame-rate", type=int, default=default.frame_rate, help="asked of a camera, frames a second"
    )
    made.add_argument("--sink", choices=SINKS, default=default.sink, help="where the frames go")
    made.add_argument("--tracker", choices=TRACKERS, default=default.tracker, help="numbers the objects")
    made.add_argument("--interval", type=int, default=default.interval, help="frames that are left out")
    made.add_argument("--kitti", action="store_true", help="write detections as KITTI files")
    made.add_argument("--no-display", dest="display", action="store_false", help="draw no boxes")
    made.add_argument("--threshold", type=float, help="smallest confidence; the contract's by default")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy.bundle import read_contract, with_threshold
    from detectnet.deploy.deepstream import StreamSettings, write_folder

    contract = read_contract(args.contract, args.onnx)
    if args.threshold is not None:
        contract = with_threshold(contract, args.threshold)
    settings = StreamSettings(**{name: getattr(args, name) for name in SHOWN})
    write_folder(contract, args.onnx, args.out, settings, metrics=args.metrics)


if __name__ == "__main__":
    run(main, arguments().parse_args())
