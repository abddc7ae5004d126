"""Build an inference engine from an exported network."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.deploy import hosts
from detectnet.logs import parser, positive, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument(
        "--backend",
        choices=["rtx", "nano", "tensorrt"],
        default="rtx",
        help="rtx: TensorRT-RTX, needs no GPU; nano: on a Jetson Nano; tensorrt: on any host with TensorRT",
    )
    made.add_argument("--model", type=Path, required=True, help="model.onnx")
    made.add_argument("--out", type=Path, required=True, help="folder for the engine and build.json")
    made.add_argument("--precision", choices=["fp16", "fp32"], default="fp16", help="of the layers")
    made.add_argument(
        "--compute-capability",
        nargs="+",
        default=["86"],
        metavar="NUMBER",
        help="of the cards that an rtx engine is for, such as 86 89",
    )
    made.add_argument(
        "--workspace-mb", type=positive, default=1024, help="memory that a kernel may use on the device"
    )
    hosts.add_options(made)
    return made


def main(args: argparse.Namespace) -> None:
    if args.backend == "rtx":
        from detectnet.deploy import rtx

        cards = tuple(f"SM{one.upper().removeprefix('SM')}" for one in args.compute_capability)
        rtx.build(args.model, args.out, rtx.RtxSettings(args.precision, cards))
        return
    from detectnet.deploy import device_engine

    settings = device_engine.DeviceSettings(args.precision, args.workspace_mb)
    device_engine.build(args.model, args.out, hosts.of_arguments(args), args.backend, settings)


if __name__ == "__main__":
    run(main, arguments().parse_args())
