"""Retrain a pruned detector: its graph and weights are loaded, the rest is as in training."""

from __future__ import annotations

import argparse

from detectnet.logs import run
from detectnet.network.arguments import train_as_asked, training_parser


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser(__doc__, retrain=True)


def main(args: argparse.Namespace) -> None:
    """Retrain as the command line says.

    Raises:
        UserError: the spec would build a new network instead of loading the pruned one.
    """
    from detectnet.errors import UserError
    from detectnet.spec.overlay import load_overlaid

    experiment = load_overlaid(args.spec, "experiment", args)
    if not experiment.model_config.load_graph:
        raise UserError(
            "the spec would build a new network, and pruning would be lost",
            where=experiment.model_config.where("load_graph"),
            remedy="Set load_graph: true.",
        )
    train_as_asked(experiment, args)


if __name__ == "__main__":
    run(main, arguments().parse_args())
