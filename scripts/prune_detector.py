"""Prune a trained detector: by a threshold on the filters' norms, or to a share of its parameters."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run
from detectnet.network.pruning import EQUALIZATIONS, NORMALIZERS, Criterion, prune_stage


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument(
        "--model", type=Path, required=True, help="model.keras, or a Keras 2.2 .hdf5 with its graph"
    )
    made.add_argument("--out", type=Path, required=True, help="folder for the pruned model and its table")
    target = made.add_mutually_exclusive_group(required=True)
    target.add_argument("--ratio", type=float, help="parameters that may be left, e.g. 0.15")
    target.add_argument(
        "--threshold", type=float, help="normalised norm that a filter must exceed (NVIDIA: 0.1)"
    )
    made.add_argument("--normalizer", choices=NORMALIZERS, default="max", help="norms in a layer")
    made.add_argument(
        "--equalization", choices=EQUALIZATIONS, default="union", help="layers that share their channels"
    )
    made.add_argument("--granularity", type=int, default=8, help="filter counts are multiples of this")
    made.add_argument("--minimum", type=int, default=16, help="filters that each layer keeps")
    made.add_argument(
        "--exclude",
        nargs="+",
        action="extend",
        default=[],
        metavar="LAYER",
        help="layers that keep all filters",
    )
    return made


def main(args: argparse.Namespace) -> None:
    """Prune as the command line says."""
    criterion = Criterion(
        args.normalizer, args.equalization, args.granularity, args.minimum, tuple(args.exclude)
    )
    prune_stage(args.model, args.out, criterion, threshold=args.threshold, ratio=args.ratio)


if __name__ == "__main__":
    run(main, arguments().parse_args())
