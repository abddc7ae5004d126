"""Tell Snakemake how pulled files were made, so that it makes nothing again; after every `dvc pull`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.errors import UserError
from detectnet.logs import log, parser, run
from detectnet.versioning.lineage import restore_lineage


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__ or "")
    made.add_argument("--run", default="plates", help="name of the run; plates by default")
    made.add_argument("--lineage", type=Path, help="file to read; results/RUN/lineage.json by default")
    return made


def main(args: argparse.Namespace) -> None:
    """Restore, and name what has to be made again."""
    stale = restore_lineage(args.lineage or Path("results") / args.run / "lineage.json")
    for one in stale:
        log.warning("%s: changed since: %s", ", ".join(one.job.outputs), ", ".join(one.changed))
    if stale:
        raise UserError(
            f"what {len(stale)} jobs made does not belong to the files that lie here",
            remedy="snakemake makes it again; or bring the files named above back with git and dvc checkout.",
        )


if __name__ == "__main__":
    run(main, arguments().parse_args())
