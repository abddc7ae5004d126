"""Predict how long a network takes on a device, layer by layer, from published measurements of others."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("model", type=Path, help="any ONNX file")
    made.add_argument("--device", choices=["nano"], default="nano", help="what it will run on")
    made.add_argument("--out", type=Path, help="folder for latency.csv and latency.json")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy import latency

    if args.out:
        latency.write_latency(args.model, args.out, args.device)
    else:
        latency.show(*latency.predict(args.model, args.device))


if __name__ == "__main__":
    run(main, arguments().parse_args())
