"""The figures of a run that are compared between versions, in one small file: for `dvc metrics`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.files import write_json
from detectnet.logs import parser, run
from detectnet.report.summary import summary


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__ or "")
    made.add_argument("--metrics", type=Path, nargs="+", required=True, help="metrics.json of the stages")
    made.add_argument("--latency", type=Path, required=True, help="latency.json of the prediction")
    made.add_argument("--out", type=Path, required=True, help="JSON file to write")
    return made


def main(args: argparse.Namespace) -> None:
    """Write the summary."""
    write_json(args.out, summary(args.metrics, args.latency))


if __name__ == "__main__":
    run(main, arguments().parse_args())
