"""The command line that training and retraining share; TensorFlow is not needed to show its help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.logs import parser
from detectnet.spec import overlay

if TYPE_CHECKING:
    from detectnet.spec import Message


def training_parser(description: str, *, retrain: bool = False) -> argparse.ArgumentParser:
    """The options of a training; with ``retrain`` the initial model is required."""
    made = parser(description)
    more = " with load_graph: true" if retrain else ""
    made.add_argument("--spec", type=Path, required=True, help=f"experiment spec{more}")
    overlay.add_option(made)
    made.add_argument("--training", type=Path, nargs="+", required=True, help="record shards to train on")
    made.add_argument("--validation", type=Path, nargs="*", default=[], help="record shards to validate on")
    made.add_argument("--out", type=Path, required=True, help="folder for model, history and checkpoints")
    made.add_argument(
        "--initial-model",
        type=Path,
        required=retrain,
        help="model.keras of the pruned network"
        if retrain
        else "instead of the spec's pretrained_model_file",
    )
    made.add_argument(
        "--teacher",
        type=Path,
        help="model.keras to learn from, instead of the spec's teacher_model_file (distillation)",
    )
    made.add_argument("--threads", type=int, default=2, help="threads of network and input pipeline")
    made.add_argument(
        "--afresh", action="store_true", help="drop this training's checkpoints and finished result"
    )
    return made


def train_as_asked(experiment: Message, args: argparse.Namespace) -> None:
    """Train with the options of ``training_parser``; raises as ``train``."""
    from detectnet.network.training import train

    train(
        experiment,
        args.training,
        args.validation,
        args.out,
        initial_model=args.initial_model,
        teacher=args.teacher,
        threads=args.threads,
        resume=not args.afresh,
    )
