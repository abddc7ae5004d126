"""Convert a raw source to a KITTI folder with manifest.csv and dropped.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, positive, run
from detectnet.sources.convert import convert
from detectnet.sources.declaration import add_arguments, declared


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    add_arguments(made)
    made.add_argument("--raw", type=Path, required=True, help="folder of the fetched source")
    made.add_argument(
        "--out", type=Path, required=True, help="folder to write; its images and labels are replaced"
    )
    made.add_argument("--workers", type=positive, help="processes; every core where absent")
    return made


def main(args: argparse.Namespace) -> None:
    convert(declared(args), args.raw, args.out, args.workers, args.source)


if __name__ == "__main__":
    run(main, arguments().parse_args())
