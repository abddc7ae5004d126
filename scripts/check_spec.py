"""Check TLT and TAO spec files and say what in them has no effect here."""

from __future__ import annotations

import argparse

from detectnet.logs import parser, run
from detectnet.spec.report import check_files


def arguments() -> argparse.ArgumentParser:
    """Command line of this script."""
    made = parser(
        "Check spec files: experiment_config.cfg, tlt_dataconvert_config.cfg, an inference prototxt or "
        "cluster_params.json. Exit status 0: all can be used; 1: one cannot; 2: one is no spec file."
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="spec file; its kind is found out")
    return made


def main(args: argparse.Namespace) -> int:
    """Report on every file; the exit status of the command."""
    return check_files(args.files)


if __name__ == "__main__":
    run(main, arguments().parse_args())
