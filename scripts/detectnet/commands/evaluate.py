"""Evaluate a detector on the validation records and print TAO's table, as NVIDIA's `evaluate` does."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.commands.flags import CommandLine, add_common, threads
from detectnet.commands.models import located
from detectnet.errors import UserError
from detectnet.files import check_writable

if TYPE_CHECKING:
    from detectnet.spec import Message


def declare(line: CommandLine) -> None:
    """Add the flags."""
    line.path(
        "-e --experiment_spec_file --experiment_spec --spec_file",
        "SPEC",
        "experiment spec with the records and the evaluation's settings",
        required=True,
        dest="spec",
    )
    line.path(
        "-m --model --model_path",
        "MODEL",
        ".hdf5 or .keras of a training or a pruning, or .onnx of an export",
        required=True,
    )
    line.path("-r --results_dir", "DIR", "folder for metrics.json, detections, curves and figures")
    line.flag("--use_training_set", "evaluate on the training records instead", action="store_true")
    line.unneeded("-f --framework", "the file's kind decides: .onnx runs in ONNX Runtime, else Keras")
    line.unneeded("-b --batch_size", "the number of pictures at a time does not change the result")
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Evaluate as the command line says."""
    from detectnet import spec
    from detectnet.deploy.evaluating import evaluate_model

    experiment = spec.load(args.spec, "experiment", for_rules=False)
    model, shards = located(args.model), _shards(experiment, args.use_training_set)
    with _folder(args.results_dir) as out:
        evaluate_model(model, shards, experiment, out, stage=model.stem, threads=threads())


def _shards(experiment: Message, training_set: bool) -> list[Path]:
    from detectnet.data.record_files import chosen_files

    training, validation = chosen_files(experiment.dataset_config)
    if training_set:
        return training
    if not validation:
        raise UserError(
            "the spec has no records to validate on",
            where=experiment.dataset_config.where("validation_fold"),
            remedy="Set validation_fold or validation_data_source, or add --use_training_set.",
        )
    return validation


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """The user's folder, or one that goes when the table has been printed."""
    if given is not None:
        check_writable(given)
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)
