"""Train or retrain a detector, as NVIDIA's `train` does; the same command goes on after a stop."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.commands.flags import CommandLine, add_common, threads
from detectnet.commands.models import KERAS, lay, located, renamed
from detectnet.errors import UserError
from detectnet.logs import log


def declare(line: CommandLine) -> None:
    """Add the flags."""
    line.path(
        "-e --experiment_spec_file --experiment_spec --spec_file",
        "SPEC",
        "experiment spec; its dataset_config says which records are trained on",
        required=True,
        dest="spec",
    )
    line.path(
        "-r --results_dir",
        "DIR",
        "folder for weights, history, status, checkpoints and TensorBoard events",
        required=True,
    )
    line.flag("-n --model_name", "the weights are DIR/weights/NAME.hdf5", default="model", metavar="NAME")
    line.unneeded("--enable_determinism", "a training is always deterministic", nargs=0)
    line.unneeded(
        "--resume_from --resume_from_checkpoint",
        "a training goes on by itself from the checkpoints in its results folder",
    )
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Train as the command line says."""
    from detectnet import spec
    from detectnet.data.record_files import chosen_files

    experiment = spec.load(args.spec, "experiment")
    training, validation = chosen_files(experiment.dataset_config)
    if not training:
        raise UserError("there are no records to train on", where=experiment.dataset_config.where())
    pretrained = experiment.model_config.pretrained_model_file
    initial = located(Path(pretrained), KERAS) if pretrained else None
    from detectnet.network.training import train

    train(experiment, training, validation, args.results_dir, initial_model=initial, threads=threads())
    weights = renamed(args.results_dir / "weights" / args.model_name, ".hdf5")
    lay(args.results_dir / "model.hdf5", weights)
    log.info("Written %s: the best validated epoch, the last one where nothing is validated.", weights)
