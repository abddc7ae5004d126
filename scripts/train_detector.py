"""Train a detector from record shards; the same command goes on after any kind of stop."""

from __future__ import annotations

import argparse

from detectnet.logs import run
from detectnet.network.arguments import train_as_asked, training_parser


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    return training_parser(__doc__)


def main(args: argparse.Namespace) -> None:
    """Train as the command line says."""
    from detectnet.spec.overlay import load_overlaid

    train_as_asked(load_overlaid(args.spec, "experiment", args), args)


if __name__ == "__main__":
    run(main, arguments().parse_args())
