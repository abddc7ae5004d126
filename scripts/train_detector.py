"""Train a detector from record shards; the same command goes on after any kind of stop."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument("--spec", type=Path, required=True, help="experiment spec")
    made.add_argument("--training", type=Path, nargs="+", required=True, help="record shards to train on")
    made.add_argument("--validation", type=Path, nargs="*", default=[], help="record shards to validate on")
    made.add_argument("--out", type=Path, required=True, help="folder for model, history and checkpoints")
    made.add_argument(
        "--initial-model",
        type=Path,
        help="instead of the spec's pretrained_model_file",
    )
    made.add_argument("--threads", type=int, default=2, help="threads of network and input pipeline")
    made.add_argument(
        "--afresh", action="store_true", help="drop this training's checkpoints and finished result"
    )
    return made


def main(args: argparse.Namespace) -> None:
    """Train as the command line says."""
    from detectnet import spec
    from detectnet.network.training import train

    train(
        spec.load(args.spec, "experiment"),
        args.training,
        args.validation,
        args.out,
        initial_model=args.initial_model,
        threads=args.threads,
        resume=not args.afresh,
    )


if __name__ == "__main__":
    run(main, arguments().parse_args())
