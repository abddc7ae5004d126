"""The detector of a model file of any stage, and the one that ships with the repository."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from detectnet.contract import Contract
from detectnet.deploy.runtime import DEEPSTREAM, KERAS_SUFFIXES, MODE, Detector
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log

RELEASED = Path(__file__).parents[4] / "models" / "plates.onnx"
CLUSTERINGS = ("contract", DEEPSTREAM)
"""What may be asked for: the clustering of the contract, or the one chosen for DeepStream."""


def released_model() -> Path:
    """The detector that ships with this repository, wherever the command is started.

    Raises:
        UserError: there is none yet.
    """
    if not RELEASED.is_file():
        raise UserError(
            "there is no released detector yet",
            where=RELEASED,
            remedy="Name one with --model. `snakemake export` makes one: results/<run>/export/model.onnx.",
        )
    return RELEASED


def open_detector(
    model: PathLike,
    spec_path: PathLike | None = None,
    threads: int | None = None,
    classes: tuple[str, ...] = (),
    contract: Contract | None = None,
) -> Detector:
    """The detector of a model file of any stage.

    Args:
        model: ``.onnx``, or ``.keras`` or ``.hdf5``, which do not say their classes.
        spec_path: experiment spec of the training, for a Keras file.
        threads: of an ONNX network; None takes all cores.
        classes: of a Keras file of which nothing else is known, in the order of its channels.
        contract: of a Keras file whose experiment spec is read already; the file's own input size counts.

    Raises:
        UserError: a Keras file without its classes, or another kind of file.
    """
    suffix = Path(model).suffix.lower()
    if suffix == ".onnx":
        return Detector.from_onnx(model, threads=threads)
    if suffix not in KERAS_SUFFIXES:
        allowed = (".onnx", *KERAS_SUFFIXES)
        raise UserError("this kind of model file is unknown", where=model, allowed=allowed)
    if spec_path is None and not classes and contract is None:
        raise UserError(f"a {suffix} file does not say its classes", where=model, remedy="Add --spec.")
    from detectnet.deploy.keras_network import KerasNetwork
    from detectnet.spec import contract_of, load

    network = KerasNetwork(model)
    if spec_path is not None:
        contract = contract_of(load(spec_path, "experiment"))
    own = network.contract(classes if contract is None else contract.classes)
    return Detector(network, own if contract is None else _at_own_size(contract, own))


def mode_of(clustering: str, contract: Contract) -> str:
    """The mode of a ``Detector`` for one of ``CLUSTERINGS``.

    A contract without settings for DeepStream, whose thresholds nothing has chosen yet, is clustered as it
    says itself, with a warning.
    """
    if clustering == DEEPSTREAM and not contract.deepstream:
        log.warning("the model holds no settings for DeepStream; its own clustering is used")
    return DEEPSTREAM if clustering == DEEPSTREAM and contract.deepstream else MODE


def _at_own_size(contract: Contract, own: Contract) -> Contract:
    """Coding of boxes and scaling of pictures are the spec's; the input is what the network has."""
    names = ("width", "height", "channels", "channel_order", "offsets")
    return dataclasses.replace(contract, **{name: getattr(own, name) for name in names})
