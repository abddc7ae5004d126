"""Build an inference engine from an exported network."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--backend", choices=["rtx"], default="rtx", help="rtx: TensorRT-RTX, needs no GPU")
    made.add_argument("--model", type=Path, required=True, help="model.onnx")
    made.add_argument("--out", type=Path, required=True, help="folder for the engine and build.json")
    made.add_argument("--precision", choices=["fp16", "fp32"], default="fp16", help="of the layers")
    made.add_argument("--compute-capability", default="SM86", help="of the cards that it is for")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy import rtx

    rtx.build(args.model, args.out, rtx.RtxSettings(args.precision, args.compute_capability))


if __name__ == "__main__":
    run(main, arguments().parse_args())
