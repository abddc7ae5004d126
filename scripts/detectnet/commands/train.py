"""Train or retrain a detector, as NVIDIA's `train` does; the same command goes on after a stop."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.commands.flags import CommandLine, add_common, threads
from detectnet.commands.models import KERAS, lay, named, renamed
from detectnet.errors import UserError
from detectnet.files import check_writable
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message


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
    line.path("--log_file", "FILE", "as --log", dest="log")
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Train as the command line says."""
    from detectnet import spec
    from detectnet.data.record_files import chosen_files

    weights = args.results_dir / "weights" / _file_name(args.model_name)
    experiment = spec.load(args.spec, "experiment", for_rules=False)
    training, validation = chosen_files(experiment.dataset_config)
    if not training:
        raise UserError("there are no records to train on", where=experiment.dataset_config.where())
    initial = _initial(experiment.model_config)
    check_writable(weights.parent)
    from detectnet.network.training import train

    train(experiment, training, validation, args.results_dir, initial_model=initial, threads=threads())
    lay(args.results_dir / "model.hdf5", weights)
    log.info("Written %s: the best validated epoch, the last one where nothing is validated.", weights)


def _file_name(name: str) -> str:
    """The weights' file; refused before the training, which takes hours."""
    if name in ("", "..") or Path(name).name != name:
        raise UserError(f"'{name}' is no name of a file", where="-n", allowed="a name without folders")
    return renamed(Path(name), ".hdf5").name


def _initial(config: Message) -> Path | None:
    if not config.pretrained_model_file:
        return None
    remedy = (
        "load_graph takes a pruned network: tlt-prune -o NAME writes NAME.hdf5."
        if config.load_graph
        else "Mend the path, or leave the field out to start at random."
    )
    return named(config, "pretrained_model_file", KERAS, remedy)
