"""Model files as NVIDIA's commands name them, and what stands for them here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.errors import UserError, nearest
from detectnet.files import atomic_path
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message

KERAS = (".hdf5", ".h5", ".keras")
STAND_INS = {
    ".tlt": (".hdf5", ".keras"),
    ".etlt": (".onnx",),
    ".uff": (".onnx",),
    ".engine": (".onnx",),
    ".trt": (".onnx",),
}
"""What these commands write where NVIDIA's write a file of the key's suffix."""
ENCRYPTED = (".tlt", ".etlt")
SPECS = ("spec.cfg", "experiment_spec.txt")


def located(path: Path, allowed: Sequence[str] = (*KERAS, ".onnx")) -> Path:
    """The model file that a flag or a spec means.

    ``weights/name.tlt`` of a TLT command is ``weights/name.hdf5`` here, ``name.etlt`` and an engine are
    ``name.onnx``: where the named file does not exist and its stand-in does, that is taken and said.

    Args:
        path: as the user wrote it.
        allowed: suffixes that the command can read.

    Raises:
        UserError: there is no such file, it is one of NVIDIA's closed formats, or of a kind that the
            command does not read.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        found = [one for one in map(path.with_suffix, STAND_INS.get(suffix, ())) if one.is_file()]
        if not found:
            raise UserError("the model file does not exist", where=path, remedy=_near(path, allowed))
        log.info("%s: taken is %s, which these commands write in its place.", path, found[0])
        path, suffix = found[0], found[0].suffix
    _refuse_closed(path)
    if suffix not in allowed:
        raise UserError("the command cannot read this kind of file", where=path, allowed=allowed)
    return path


def renamed(path: Path, suffix: str) -> Path:
    """An output file under the suffix that is written here, appended where there is none; a change is said.

    Raises:
        UserError: the suffix is that of another kind of model file.
    """
    replaced = [one for one, stand_ins in STAND_INS.items() if suffix in stand_ins]
    if path.suffix == suffix:
        return path
    if path.suffix in replaced:
        made = path.with_suffix(suffix)
        log.info("%s: written is %s, a plain file without a key.", path, made)
        return made
    if path.suffix in (*STAND_INS, *KERAS, ".onnx"):
        raise UserError(
            f"{path.suffix} is not what the command writes", where=path, allowed=(suffix, *replaced)
        )
    return path.with_name(path.name + suffix)  # a name may hold dots of its own


def lay(source: Path, target: Path) -> None:
    """Copy a file to its place; only a whole one ever stands there."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def experiment_of(model: Path, given: Path | None) -> Message:
    """The experiment spec that says a model's classes: the given one, else that of its training folder.

    Args:
        model: ``DIR/model.hdf5`` or ``DIR/weights/NAME.hdf5``.
        given: the spec that the user names, or None.

    Raises:
        UserError: there is none, or it cannot be used.
    """
    from detectnet import spec

    if given is not None:
        return spec.load(given, "experiment")
    for place in (folder / name for folder in (model.parent, model.parent.parent) for name in SPECS):
        if place.is_file():
            log.info("%s: its classes are those of %s.", model, place)
            return spec.load(place, "experiment")
    raise UserError(
        f"a {model.suffix} file does not say its classes, and no {SPECS[0]} of a training lies beside it",
        where=model,
        remedy="Add -e with the experiment spec that it was trained with.",
    )


def _refuse_closed(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in ENCRYPTED:
        from detectnet.network.weights import refuse_encrypted

        refuse_encrypted(path)
    if suffix in STAND_INS:
        raise UserError(
            f"{suffix} is built for one device and one version of TensorRT"
            if suffix != ".uff"
            else "an UFF graph",
            where=path,
            remedy="Give the .onnx that it was built from; ONNX Runtime runs that anywhere.",
        )


def _near(path: Path, allowed: Sequence[str]) -> str:
    beside = [one.name for one in path.parent.glob("*") if one.suffix in allowed]
    close = nearest(path.name, beside) or next(iter(sorted(beside)), None)
    if close:
        return f"In its folder lies {close}."
    return "A training writes weights/NAME.hdf5 (-n NAME), the best epoch; its checkpoints are no models."
