"""Compare the trained variants of an ablation: ablation.csv, ablation.md and ablation.svg."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument(
        "--ablation",
        type=json.loads,
        required=True,
        help='the config\'s ablation as JSON: {"spec": FILE, "seeds": [N, ...], "changes": {NAME: '
        '{"fields": [LINE, ...], "sources": [NAME, ...]}}}',
    )
    made.add_argument("--results", type=Path, required=True, help="folder with {variant}/seed-{seed}/")
    return made


def main(args: argparse.Namespace) -> None:
    """Compare as the command line says."""
    from detectnet.report.ablation import write_ablation

    write_ablation(args.ablation, args.results)


if __name__ == "__main__":
    run(main, arguments().parse_args())
