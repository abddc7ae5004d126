"""Compare two evaluations of the same pictures: which average precision is higher, and how sure that is."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("first", type=Path, metavar="A", help="folder of an evaluation, with metrics.json")
    made.add_argument("second", type=Path, metavar="B", help="another one; the difference is B - A")
    made.add_argument(
        "--minimum-width",
        type=float,
        help="narrower labels neither count nor harm, pixels; default: as the evaluations",
    )
    made.add_argument("--out", type=Path, help="CSV file for the table")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.detection.comparison import compare

    compare(args.first, args.second, minimum_width=args.minimum_width, out=args.out)


if __name__ == "__main__":
    run(main, arguments().parse_args())
