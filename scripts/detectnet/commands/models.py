"""Model files as NVIDIA's commands name them, and what stands for them here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.data.data_root import weight_places
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


def located(path: Path, allowed: Sequence[str] = (*KERAS, ".onnx"), absent: str = "") -> Path:
    """The model file that a flag or a spec means.

    ``weights/name.tlt`` of a TLT command is ``weights/name.hdf5`` here, ``name.etlt`` and an engine are
    ``name.onnx``: where the named file does not exist and its stand-in does, that is taken and said.

    Args:
        path: as the user wrote it.
        allowed: suffixes that the command can read.
        absent: what to do where there is no such file; by default what lies near, or who writes it.

    Raises:
        UserError: there is no such file, it is one of NVIDIA's closed formats, or of a kind that the
            command does not read.
    """
    if path.is_dir():
        raise UserError(
            "a folder is no model file", where=path, allowed=allowed, remedy=_inside(path, allowed)
        )
    taken = _stand_in(path)
    if taken is None:
        raise UserError("the model file does not exist", where=path, remedy=absent or _near(path, allowed))
    if taken != path:
        log.info("%s: taken is %s, which these commands write in its place.", path, taken)
    _refuse_closed(taken)
    if taken.suffix.lower() not in allowed:
        raise UserError("the command cannot read this kind of file", where=path, allowed=allowed)
    return taken


def named(message: Message, field: str, allowed: Sequence[str] = (*KERAS, ".onnx"), absent: str = "") -> Path:
    """The model file that a field of a spec means: as `located`, and below the data folder as well.

    Raises:
        UserError: as `located`; it names the line.
    """
    tried = weight_places(getattr(message, field))
    try:
        return located(next(filter(_stand_in, tried), tried[0]), allowed, absent)
    except UserError as error:
        looked = f" (looked for: {', '.join(map(str, tried))})" if len(tried) > 1 else ""
        raise UserError(
            f"{error.what}{looked}",
            where=f"{message.where(field)}: {error.where}",
            allowed=error.allowed,
            remedy=error.remedy,
        ) from error


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


def output_file(text: str, suffix: str, stem: str) -> Path:
    """The output file that a flag means; ``STEM.suffix`` in a folder, which exists or ends in a slash.

    Raises:
        UserError: as `renamed`.
    """
    if text.endswith(os.sep) or Path(text).is_dir():
        return Path(text) / f"{stem}{suffix}"
    return renamed(Path(text), suffix)


def lay(source: Path, target: Path) -> None:
    """Copy a file to its place; only a whole one ever stands there."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def training_spec(model: Path) -> Path | None:
    """The experiment spec that a training left in DIR, of ``DIR/model.hdf5`` or ``DIR/weights/NAME.hdf5``."""
    places = (folder / name for folder in (model.parent, model.parent.parent) for name in SPECS)
    return next(filter(Path.is_file, places), None)


def experiment_of(model: Path, given: Path | None) -> Message:
    """The experiment spec that says a model's classes: the given one, else that of its training folder.

    Args:
        model: ``DIR/model.hdf5`` or ``DIR/weights/NAME.hdf5``.
        given: the spec that the user names, or None.

    Raises:
        UserError: there is none, or it cannot be used.
    """
    from detectnet import spec
    from detectnet.spec.load import text_at

    found = given or training_spec(model)
    if found is None:
        raise UserError(
            f"a {model.suffix} file does not say its classes, and no {SPECS[0]} of a training lies beside it",
            where=model,
            remedy="Add -e with the experiment spec that it was trained with.",
        )
    if given is None:
        # what in it has no effect was said when it was trained with
        log.info("%s: its classes are those of %s.", model, found)
        return spec.parse(text_at(found), "experiment", str(found))
    return spec.load(found, "experiment", for_rules=False)


def _stand_in(path: Path) -> Path | None:
    """The file itself, else what these commands write in its place; None where neither is there."""
    places = (path, *map(path.with_suffix, STAND_INS.get(path.suffix.lower(), ())))
    return next(filter(Path.is_file, places), None)


def _refuse_closed(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in ENCRYPTED:
        from detectnet.network.encrypted import refuse_encrypted

        refuse_encrypted(path)
    if suffix in STAND_INS:
        raise UserError(
            f"{suffix} is built for one device and one version of TensorRT"
            if suffix != ".uff"
            else "an UFF graph",
            where=path,
            remedy="Give the .onnx that it was built from; ONNX Runtime runs that anywhere.",
        )


def _inside(folder: Path, allowed: Sequence[str]) -> str:
    """The models that a folder, or that of a training, holds."""
    found = sorted(one for one in (*folder.glob("weights/*"), *folder.glob("*")) if one.suffix in allowed)
    if not found:
        return "There is none in it either."
    return f"In it lies {', '.join(map(str, found[:5]))}."


def _near(path: Path, allowed: Sequence[str]) -> str:
    wants_onnx = path.suffix == ".onnx" or ".onnx" in STAND_INS.get(path.suffix.lower(), ())
    kinds = (".onnx",) if wants_onnx else allowed
    beside = {one.stem: one.name for one in sorted(path.parent.glob("*")) if one.suffix in kinds}
    close = nearest(path.stem, beside)
    if close:
        return f"In its folder lies {beside[close]}."
    if wants_onnx:
        return "tlt-export -o NAME writes NAME.onnx."
    return "A training writes weights/NAME.hdf5 (-n NAME), the best epoch; its checkpoints are no models."
