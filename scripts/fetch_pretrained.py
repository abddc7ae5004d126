"""Fetch the weights that the first training starts from."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run
from detectnet.sources.pretrained import fetch_pretrained


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    given = made.add_mutually_exclusive_group(required=True)
    given.add_argument("--file", help="weights file on this machine")
    given.add_argument("--url", help="where to download it when the mirror lacks it; needs --sha256")
    made.add_argument("--sha256", help="hash of the file, 64 hex digits")
    made.add_argument("--mirror", default="", help="folder or URL where the file is looked for first")
    made.add_argument("--out", type=Path, required=True, help="file to write, with its name at the mirror")
    return made


def main(args: argparse.Namespace) -> None:
    """Fetch as the command line says."""
    given = {"file": args.file, "url": args.url, "sha256": args.sha256}
    fetch_pretrained({key: value for key, value in given.items() if value}, args.out, args.mirror)


if __name__ == "__main__":
    made = arguments()
    given = made.parse_args()
    if given.url and not given.sha256:
        made.error("--url needs --sha256")
    run(main, given)
