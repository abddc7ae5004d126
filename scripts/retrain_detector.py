"""Retrain a pruned detector: its graph and weights are loaded, the rest is as in training."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument("--spec", type=Path, required=True, help="experiment spec with load_graph: true")
    made.add_argument("--initial-model", type=Path, required=True, help="model.keras of the pruned network")
    made.add_argument("--training", type=Path, nargs="+", required=True, help="record shards to train on")
    made.add_argument("--validation", type=Path, nargs="*", default=[], help="record shards to validate on")
    made.add_argument("--out", type=Path, required=True, help="folder for model, history and checkpoints")
    made.add_argument("--threads", type=int, default=2, help="threads of network and input pipeline")
    made.add_argument(
        "--afresh", action="store_true", help="drop this training's checkpoints and finished result"
    )
    return made


def main(args: argparse.Namespace) -> None:
    """Retrain as the command line says.

    Raises:
        UserError: the spec would build a new network instead of loading the pruned one.
    """
    from detectnet import spec
    from detectnet.errors import UserError
    from detectnet.network.training import train

    experiment = spec.load(args.spec, "experiment")
    if not experiment.model_config.load_graph:
        raise UserError(
            "the spec would build a new network, and pruning would be lost",
            where=experiment.model_config.where("load_graph"),
            remedy="Set load_graph: true.",
        )
    train(
        experiment,
        args.training,
        args.validation,
        args.out,
        initial_model=args.initial_model,
        threads=args.threads,
        resume=not args.afresh,
    )


if __name__ == "__main__":
    run(main, arguments().parse_args())
