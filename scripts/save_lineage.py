"""Write down how the files of a finished run were made, for git; before `dvc commit` and `dvc push`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import log, parser, run
from detectnet.versioning.lineage import save_lineage


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__ or "")
    made.add_argument("--run", default="plates", help="name of the run; plates by default")
    made.add_argument("--out", type=Path, help="file to write; results/RUN/lineage.json by default")
    return made


def main(args: argparse.Namespace) -> None:
    """Write the lineage."""
    out = args.out or Path("results") / args.run / "lineage.json"
    log.info("%s: %d jobs", out, save_lineage(out, args.run))


if __name__ == "__main__":
    run(main, arguments().parse_args())
