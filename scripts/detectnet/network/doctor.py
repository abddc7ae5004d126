"""Everything that can be known of a training before it starts: the machine, and the preflight's findings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import keras
import tensorflow as tf

from detectnet.data.data_root import weight_places
from detectnet.data.record_files import chosen_files
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log
from detectnet.network.model import build_model, load_model, with_heads
from detectnet.network.plan import plan_of
from detectnet.network.preflight import Finding, preflight
from detectnet.network.preflight.finding import ERROR, error
from detectnet.network.training import initial_file, records_for
from detectnet.network.versions import versions
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

PACKAGES = ("onnx", "onnxruntime", "tf2onnx", "opencv-python-headless", "tensorrt-rtx-cu12-bindings")
_GIB = 2**30
_Made = TypeVar("_Made")


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
    initial, refused = _tried(lambda: _initial(experiment))

    def look() -> list[Finding]:
        files = (training, validation) if training else chosen_files(experiment.dataset_config)
        records = records_for(experiment, *files)
        _, refusals = _tried(lambda: plan_of(experiment, *records, initial))
        return [*refusals, *preflight(experiment, *records, loaded=_loaded(experiment, initial))]

    found, unusable = _tried(look)
    _, unbuilt = _tried(lambda: _build(experiment))
    return [*refused, *unusable, *unbuilt, *(found or [])]


def _tried(work: Callable[[], _Made]) -> tuple[_Made | None, list[Finding]]:
    """What ``work`` makes, or what it is refused for."""
    try:
        return work(), []
    except UserError as caught:
        what, remedy = caught.what.rstrip("."), caught.remedy or "Mend it first."
        return None, [error("unusable", what, str(caught.where or "records"), remedy)]


def _build(experiment: Message) -> None:
    """The network of the spec, for what is wrong with it: its grid, a layer that its heads are to sit on."""
    if not experiment.model_config.load_graph:
        contract = contract_of(experiment)
        size = contract.height, contract.width, contract.channels
        build_model(experiment.model_config, contract.classes, *size)


def _initial(experiment: Message) -> Path | None:
    """The file that training would start from; of ``load_graph`` the workflow may have yet to make it."""
    path = experiment.model_config.pretrained_model_file
    if experiment.model_config.load_graph and not any(map(Path.is_file, weight_places(path))):
        log.info("The network that load_graph loads is not there yet; its stride and padding are not checked")
        return None
    return initial_file(experiment)


def _loaded(experiment: Message, initial: Path | None) -> tuple[keras.Model, str] | None:
    """The network that training would go on from."""
    config = experiment.model_config
    if not config.load_graph or not initial:
        return None
    classes = contract_of(experiment).classes
    return with_heads(load_model(initial), config, classes, seed=experiment.random_seed), str(initial)


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
