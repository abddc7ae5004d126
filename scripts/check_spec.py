"""Check TLT and TAO spec files and say what in them has no effect here."""

from __future__ import annotations

import argparse

from detectnet.logs import parser, run
from detectnet.spec.report import check_files


def arguments() -> argparse.ArgumentParser:
    """Command line of this script."""
    made = parser(
        "Check spec files of TLT 1.0 to TAO 5: experiment (train, retrain, evaluate), dataset conversion, "
        "inference, and cluster_params.json. Says for each its kind, then OK or every problem with line, "
        "field, allowed values and nearest name, then the fields that have no effect here or that the rules "
        "replace. Exit status 0: all can be used; 1: one cannot, or is missing; 2: one is a file of another "
        "kind, which is named, and no spec is wrong."
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="spec file; its kind is found out")
    return made


def main(args: argparse.Namespace) -> int:
    """Report on every file; the exit status of the command."""
    return check_files(args.files)


if __name__ == "__main__":
    run(main, arguments().parse_args())
