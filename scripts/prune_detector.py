"""Prune a trained detector: by the norms of its filters, or to a budget where it costs least accuracy."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet import spec
from detectnet.errors import UserError
from detectnet.logs import parser, positive, run
from detectnet.network.budget import budget_stage
from detectnet.network.pruning import EQUALIZATIONS, NORMALIZERS, Criterion, prune_stage
from detectnet.network.training import use_threads
from detectnet.network.width_search import Budget


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument(
        "--model", type=Path, required=True, help="model.keras, or a Keras 2.2 .hdf5 with its graph"
    )
    made.add_argument("--out", type=Path, required=True, help="folder for the pruned model and its table")
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
    norms = made.add_argument_group("by norms")
    target = norms.add_mutually_exclusive_group()
    target.add_argument("--ratio", type=float, help="parameters that may be left, e.g. 0.15")
    target.add_argument(
        "--threshold", type=float, help="normalised norm that a filter must exceed (NVIDIA: 0.1)"
    )
    norms.add_argument("--normalizer", choices=NORMALIZERS, default="max", help="norms in a layer")
    norms.add_argument(
        "--equalization", choices=EQUALIZATIONS, default="union", help="layers that share their channels"
    )
    _add_budget(made.add_argument_group("to a budget; all given limits are met"))
    return made


def _add_budget(group: argparse._ArgumentGroup) -> None:
    limits = {"type": float, "metavar": "X"}
    group.add_argument("--max-parameters", help="share of the parameters, e.g. 0.15", **limits)
    group.add_argument("--max-gflop", help="1e9 operations a picture, two a multiply-add", **limits)
    group.add_argument("--max-milliseconds", help="a picture, as predicted for a Jetson Nano", **limits)
    group.add_argument("--spec", type=Path, help="experiment spec of the training")
    group.add_argument("--training", type=Path, nargs="+", help="record shards of the training fold")
    group.add_argument(
        "--calibration-pictures", type=positive, default=64, help="of them, to measure sensitivity with"
    )
    group.add_argument(
        "--recalibrate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="new statistics for batch normalisation",
    )
    group.add_argument("--threads", type=positive, default=2, help="of network and input pipeline")


def main(args: argparse.Namespace) -> None:
    """Prune as the command line says."""
    criterion = Criterion(
        args.normalizer, args.equalization, args.granularity, args.minimum, tuple(args.exclude)
    )
    limits = (args.max_parameters, args.max_gflop, args.max_milliseconds)
    if limits == (None, None, None):
        prune_stage(args.model, args.out, criterion, threshold=args.threshold, ratio=args.ratio)
        return
    if (args.ratio, args.threshold) != (None, None):
        raise UserError(
            "a budget and a ratio or a threshold", where="the command line", allowed="one of them"
        )
    if not (args.spec and args.training):
        raise UserError("a budget needs pictures to measure with", remedy="Give --spec and --training.")
    use_threads(args.threads)
    budget_stage(
        args.model,
        args.out,
        criterion,
        Budget(*limits),
        spec.load(args.spec, "experiment"),
        args.training,
        pictures=args.calibration_pictures,
        recalibrated=args.recalibrate,
        threads=args.threads,
    )


if __name__ == "__main__":
    run(main, arguments().parse_args())
