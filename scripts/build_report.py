"""Write the self-contained report of a run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from detectnet.logs import log, parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--config", required=True, help="JSON with run, sources and report of the config")
    made.add_argument("--data", type=Path, default=Path("data"), help="folder with raw/, kitti/ and resized/")
    made.add_argument("--results", type=Path, required=True, help="folder of the run")
    made.add_argument("--out", type=Path, required=True, help="the page")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.report.page import write_report

    write_report(json.loads(args.config), args.data, args.results, args.out)
    log.info("The report is %s", args.out)


if __name__ == "__main__":
    run(main, arguments().parse_args())
