"""Everything that can be known of a training before it starts: the machine, and the preflight's findings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from detectnet.data.record_files import chosen_files
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log
from detectnet.network.model import load_model, with_heads
from detectnet.network.preflight import Finding, preflight
from detectnet.network.preflight.finding import ERROR, error
from detectnet.network.training import records_for
from detectnet.network.versions import versions
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

PACKAGES = ("onnx", "onnxruntime", "tf2onnx", "opencv-python-headless", "tensorrt-rtx-cu12-bindings")
_GIB = 2**30


def examine(
    experiment: Message, training: Sequence[PathLike] = (), validation: Sequence[PathLike] = ()
) -> list[Finding]:
    """Say what machine this is and what is wrong with a training, without training.

    Args:
        experiment: a loaded experiment spec.
        training, validation: record files; without any to train on, those that ``dataset_config`` chooses.

    Returns:
        what was found, errors first.
    """
    for line in _machine():
        log.info("%s", line)
    found = _found(experiment, training, validation)
    for one in found:
        log.log(40 if one.severity == ERROR else 30, "%s: %s", one.severity, one.sentence())
    errors = sum(one.severity == ERROR for one in found)
    log.info("%d errors, %d warnings", errors, len(found) - errors)
    return found


def _found(
    experiment: Message, training: Sequence[PathLike], validation: Sequence[PathLike]
) -> list[Finding]:
    try:
        if not training:
            training, validation = chosen_files(experiment.dataset_config)
        records = records_for(experiment, training, validation)
        return preflight(experiment, *records, loaded=_loaded(experiment))
    except UserError as caught:
        what = caught.what.rstrip(".")
        return [error("unusable", what, str(caught.where or "records"), caught.remedy or "Mend it first.")]


def _loaded(experiment: Message) -> tuple[keras.Model, str] | None:
    """The network that training would go on from; in the workflow it is known only when it is there."""
    config = experiment.model_config
    path = config.pretrained_model_file
    if not config.load_graph:
        return None
    if not path or not Path(path).is_file():
        log.info("The network that load_graph loads is not there yet; its stride and padding are not checked")
        return None
    classes = contract_of(experiment).classes
    return with_heads(load_model(path), config, classes, seed=experiment.random_seed), path


def _machine() -> list[str]:
    """Versions, and what there is to compute with."""
    known = {**versions(), **{name: _version(name) for name in PACKAGES}}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    gpus = len(tf.config.list_physical_devices("GPU"))
    free = shutil.disk_usage(Path.cwd()).free / _GIB
    return [
        ", ".join(f"{name} {one}" for name, one in known.items()),
        f"{len(os.sched_getaffinity(0))} cores, {memory:.1f} GiB of memory, {gpus} GPUs, {free:.1f} GiB free "
        f"on the disk of {Path.cwd()}",
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
