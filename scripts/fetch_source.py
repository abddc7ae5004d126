"""Fetch the raw files of a source from its folder, archive or public repository."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run
from detectnet.sources.declaration import add_arguments, declared
from detectnet.sources.fetch import fetch


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    add_arguments(made)
    made.add_argument("--mirror", default="", help="folder or URL where archives are looked for")
    made.add_argument(
        "--archives", type=Path, default=Path("data/archives"), help="folder of archives kept here"
    )
    made.add_argument("--out", type=Path, help="folder to write; data/raw/SOURCE where absent")
    return made


def main(args: argparse.Namespace) -> None:
    fetch(declared(args), args.out or Path("data/raw") / args.source, args.mirror, args.archives)


if __name__ == "__main__":
    run(main, arguments().parse_args())
