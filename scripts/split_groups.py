"""Put pictures into training and validation so that look-alikes and frames of one video stay together."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.data.duplicates import THRESHOLD
from detectnet.data.split import FOLDS, MODES, freeze, split
from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument(
        "--manifest",
        type=_pair,
        action="append",
        required=True,
        metavar="SOURCE=PATH",
        help="manifest.csv of a resized source; repeat",
    )
    made.add_argument("--out", type=Path, required=True, help="the split.csv to write")
    made.add_argument("--share", type=float, default=14.0, help="percent of each source for validation")
    made.add_argument("--mode", default="grouped", choices=MODES, help="as partition_mode of the spec")
    made.add_argument(
        "--fixed",
        type=_pair,
        action="append",
        default=[],
        metavar="SOURCE=FOLD",
        help=f"put a whole source into {FOLDS[0]} or {FOLDS[1]}; repeat",
    )
    made.add_argument(
        "--original",
        type=_pair,
        action="append",
        default=[],
        metavar="SOURCE=PATH",
        help="manifest.csv of the source before resizing, by which --previous knows a picture; repeat",
    )
    made.add_argument("--previous", type=Path, help="list of an earlier split whose pictures keep their fold")
    made.add_argument("--threshold", type=int, default=THRESHOLD, help="bits that near-duplicates differ in")
    made.add_argument("--freeze", type=Path, help="also write the list to commit, for --previous next time")
    return made


def main(args: argparse.Namespace) -> None:
    """Split as the command line says."""
    manifests = _paths(args.manifest)
    split(
        manifests,
        args.out,
        share=args.share,
        mode=args.mode,
        fixed=dict(args.fixed),
        previous=args.previous,
        originals=_paths(args.original),
        threshold=args.threshold,
    )
    if args.freeze:
        freeze(args.out, manifests, args.freeze, _paths(args.original))


def _paths(pairs: list[tuple[str, str]]) -> dict[str, Path]:
    return {source: Path(path) for source, path in pairs}


def _pair(text: str) -> tuple[str, str]:
    source, equals, value = text.partition("=")
    if not (source and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not SOURCE=...")
    return source, value


if __name__ == "__main__":
    run(main, arguments().parse_args())
