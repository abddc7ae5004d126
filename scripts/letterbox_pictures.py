"""Resize a KITTI source to the network's input size, pictures and labels together."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.data.resizing import letterbox_source
from detectnet.logs import parser, positive, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument("--manifest", type=Path, required=True, help="manifest.csv of the KITTI source")
    made.add_argument("--out", type=Path, required=True, help="folder for images, labels, manifest.csv")
    made.add_argument("--width", type=int, required=True, help="width of the network's input, pixels")
    made.add_argument("--height", type=int, required=True, help="height of the network's input, pixels")
    made.add_argument("--workers", type=positive, help="processes; without it, one per core")
    return made


def main(args: argparse.Namespace) -> None:
    """Resize as the command line says."""
    letterbox_source(args.manifest, args.out, args.width, args.height, args.workers)


if __name__ == "__main__":
    run(main, arguments().parse_args())
