"""NVIDIA's encrypted model files, told apart without TensorFlow, which takes seconds to start."""

from __future__ import annotations

from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import PathLike


def refuse_encrypted(path: PathLike) -> None:
    """Say what a ``.tlt`` or ``.etlt`` file is, since nothing but NVIDIA's own tools can open it.

    Raises:
        UserError: ``path`` has one of these suffixes.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".tlt", ".etlt"):
        what = (
            "a Keras model encrypted with its user's key"
            if suffix == ".tlt"
            else f"a model exported for TensorRT{_inside(path)} and encrypted with its user's key"
        )
        raise UserError(
            f"{suffix} is {what}, in a closed format of NVIDIA",
            where=path,
            allowed=".hdf5 or .h5 (Keras 2.2), .keras (a model of this product)",
            remedy="TAO 5 saves the same network as .hdf5. Without it, start from the .hdf5 that NGC has for "
            "this back-bone (pretrained_detectnet_v2, for instance resnet18.hdf5 or resnet_18.hdf5).",
        )


def _inside(path: PathLike) -> str:
    """What the open header of a .etlt says: an int32 length, and the name of the input of a UFF model."""
    if not Path(path).is_file():
        return ""
    with Path(path).open("rb") as file:
        size = int.from_bytes(file.read(4), "little")
        name = file.read(min(size, 64))
    if size == 0:
        return " (ONNX)" if Path(path).stat().st_size > 4 else ""
    return f" (UFF, input '{name.decode()}')" if len(name) == size and name.isascii() else ""
