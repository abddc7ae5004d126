"""Weight files with NVIDIA's layer names: plain Keras 2.2 HDF5, as NGC publishes them.

Files written here follow the description of that format. They were compared with files built by hand from it,
and never tried with TLT or TAO itself.
"""

from __future__ import annotations

import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd

from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path
from detectnet.logs import log
from detectnet.network import keras2
from detectnet.network.encrypted import refuse_encrypted

KERAS_VERSION = "2.2.4"
HDF5 = (".hdf5", ".h5")
OUTCOMES = ("loaded", "skipped")
SHORTCUT = "_shortcut"
NO_PROJECTION = "not in the file, which has no projection here (trained with all_projections: false)"
# What Keras 2.2 calls the one weight whose name differs from Keras 3.
_DEPTHWISE = "depthwise_kernel"
Weights = dict[str, dict[str, np.ndarray]]


def write_hdf5(model: keras.Model, path: PathLike) -> None:
    """Write a whole model in the layout of Keras 2.2, atomically; equal models give equal bytes.

    Root attributes ``keras_version``, ``backend`` and ``model_config`` (JSON, channels first), weights as
    ``model_weights/<layer>/<layer>/kernel:0`` and so on. Kernels are (height, width, in, out), float32.

    Raises:
        UserError: the model has a layer that Keras 2.2 files of this family do not have.
    """
    description = keras2.describe(model)
    names = [layer["name"] for layer in description["config"]["layers"]]
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["model_config"] = json.dumps(description, sort_keys=True).encode()
        group = file.create_group("model_weights")
        for place in (file, group):
            place.attrs["keras_version"] = KERAS_VERSION.encode()
            place.attrs["backend"] = b"tensorflow"
        group.attrs["layer_names"] = np.array(names, "S")
        for name in names:
            _write_layer(group.create_group(name), model.get_layer(name))


def read_hdf5(path: PathLike) -> Weights:
    """The weights of a Keras 2.2 HDF5 file, of a whole model or weights only.

    Returns:
        ``{layer: {"kernel": array, ...}}`` in the order of the file; layers without weights are left out.

    Raises:
        UserError: the file is missing, encrypted, or not of this kind.
    """
    with _opened(path) as file:
        root = file.get("model_weights", file)
        names = _texts(root.attrs, "layer_names")
        if not names:
            raise UserError(
                "the HDF5 file has no list of layers",
                where=path,
                allowed="a model or weights file of Keras 2 (attribute layer_names)",
                remedy="A .weights.h5 of Keras 3 does not name its layers: save the whole model as .keras.",
            )
        found: Weights = {}
        for layer in names:
            for owner, weight, array in _layer_weights(root, layer, path):
                found.setdefault(owner, {})[weight] = array
        for layer, weights in found.items():
            _check_finite(weights, f"{path}, layer {layer}")
        return found


def read_model(path: PathLike) -> keras.Model:
    """Graph and weights of a ``.keras`` file, or of an ``.hdf5`` file that holds a whole Keras 2.2 model.

    Raises:
        UserError: the file is missing, encrypted, holds weights only, or no model that is known here.
    """
    refuse_encrypted(path)
    if not Path(path).is_file():
        raise UserError("the model file does not exist", where=path)
    if Path(path).suffix.lower() in HDF5:
        return _read_keras2(path)
    if not zipfile.is_zipfile(path):
        raise UserError(
            "a .keras file is a ZIP archive, and this is none: damaged, cut off or renamed", where=path
        )
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"not a Keras model that can be read ({error})",
            where=path,
            allowed="a .keras file of this product, or an .hdf5 file of Keras 2.2",
        ) from error
    for layer, weights in _weights(model).items():
        _check_finite(weights, f"{path}, layer {layer}")
    return model


def load_by_name(model: keras.Model, path: PathLike) -> pd.DataFrame:
    """Copy weights into the layers of the same names; the heads (the model's outputs) always start fresh.

    A layer that does not fit is left as it is, whatever kind of file it is. The table is logged too.

    Args:
        model: changed in place.
        path: ``.hdf5`` or ``.h5`` of Keras 2.2, or a ``.keras`` file.

    Returns:
        One row for each layer of model or file that has weights: ``layer``, ``outcome`` (``loaded`` or
        ``skipped``) and ``why`` (empty where loaded).

    Raises:
        UserError: the file cannot be read, or not one layer of it fits.
    """
    stored = read_hdf5(path) if Path(path).suffix.lower() in HDF5 else _weights(read_model(path))
    own = {layer.name: layer for layer in model.layers if layer.weights}
    rows = [(name, _transfer(layer, stored.get(name), model.output_names)) for name, layer in own.items()]
    rows += [(name, _surplus(name)) for name in stored if name not in own]
    loaded, skipped = OUTCOMES
    table = pd.DataFrame(
        [(name, skipped if why else loaded, why) for name, why in rows],
        columns=["layer", "outcome", "why"],
    )
    _summarise(table, path)
    return table


def _write_layer(group: h5py.Group, layer: keras.Layer) -> None:
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    renamed = {"kernel": _DEPTHWISE} if depthwise else {}
    names = [f"{layer.name}/{renamed.get(weight.name, weight.name)}:0" for weight in layer.weights]
    group.attrs["weight_names"] = np.array(names, "S") if names else np.zeros(0, "S1")
    for name, weight in zip(names, layer.weights):
        group.create_dataset(name, data=weight.numpy().astype(np.float32), track_times=False)


@contextmanager
def _opened(path: PathLike) -> Iterator[h5py.File]:
    """The file for reading; damage that HDF5 itself finds on the way is an error, too."""
    refuse_encrypted(path)
    if not Path(path).is_file():
        raise UserError("the weights file does not exist", where=path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError("not an HDF5 file (it may be encrypted or cut off)", where=path) from error
    with file:
        try:
            yield file
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise UserError(f"the HDF5 file is damaged ({error})", where=path) from error


def _layer_weights(root: h5py.Group, layer: str, path: PathLike) -> list[tuple[str, str, np.ndarray]]:
    """(owner, weight, array) of a layer's group.

    The owner is the layer, except in a group that holds a whole model: there each weight names its own.
    """
    where = f"{path}, layer {layer}"
    group = root.get(layer)
    if not isinstance(group, h5py.Group):
        raise UserError("the layer is listed but its weights are missing", where=where)
    names = _texts(group.attrs, "weight_names")
    owners = {name.rsplit("/", 2)[-2] for name in names if "/" in name}
    found = []
    for name in names:
        if not isinstance(group.get(name), h5py.Dataset):
            raise UserError(f"the weight '{name}' is listed but missing", where=where)
        owner = name.rsplit("/", 2)[-2] if len(owners) > 1 else layer
        weight = name.rsplit("/", 1)[-1].removesuffix(":0")
        try:
            array = group[name][()]
        except OSError as error:
            raise UserError(
                f"the weight '{name}' cannot be read: the file is damaged", where=where
            ) from error
        found.append((owner, "kernel" if weight == _DEPTHWISE else weight, array))
    return found


def _check_finite(weights: Mapping[str, np.ndarray], where: str) -> None:
    """One number that is none makes every output that it reaches none."""
    for name, array in weights.items():
        bad = int(np.size(array) - np.isfinite(array).sum())
        if bad:
            raise UserError(
                f"{bad} of {np.size(array)} numbers of the {name} are not finite",
                where=where,
                remedy="The training diverged, or the file is damaged: take an earlier model.",
            )


def _texts(attributes: Mapping[str, np.ndarray], name: str) -> list[str]:
    """A list of names; Keras splits one that is too long for an attribute into ``name0``, ``name1``, ..."""
    split = itertools.takewhile(attributes.__contains__, (f"{name}{part}" for part in itertools.count()))
    parts = [name] if name in attributes else list(split)
    values = itertools.chain.from_iterable(attributes[part] for part in parts)
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _read_keras2(path: PathLike) -> keras.Model:
    with _opened(path) as file:
        if "model_config" not in file.attrs:
            raise UserError(
                "the file holds weights but no graph",
                where=path,
                remedy="Set load_graph: false to use its weights by layer name.",
            )
        text = file.attrs["model_config"]
    try:
        description = json.loads(text)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"the graph in the file (model_config) is damaged or cut off: {error}", where=path
        ) from error
    model = keras2.rebuild(description, path)
    stored = read_hdf5(path)
    for layer in model.layers:
        if layer.weights and (why := _transfer(layer, stored.get(layer.name), ())):
            raise UserError(f"weights and graph disagree: {why}", where=f"{path}, layer {layer.name}")
    return model


def _weights(model: keras.Model) -> Weights:
    return {
        layer.name: {weight.name: weight.numpy() for weight in layer.weights}
        for layer in model.layers
        if layer.weights
    }


def _transfer(
    layer: keras.Layer, stored: dict[str, np.ndarray] | None, fresh: tuple[str, ...] | list[str]
) -> str:
    """Set a layer's weights; the reason where that was not done, else an empty text."""
    if layer.name in fresh:
        return "heads start fresh"
    if stored is None:
        return NO_PROJECTION if SHORTCUT in layer.name else "not in the file"
    wanted = {weight.name: tuple(weight.shape) for weight in layer.weights}
    given = {name: array.shape for name, array in stored.items()}
    if wanted != given:
        return f"the file has {_shapes(given)}, the model {_shapes(wanted)}"
    for weight in layer.weights:
        weight.assign(stored[weight.name])
    return ""


def _surplus(name: str) -> str:
    return "not in the model" + (", whose all_projections is false" if SHORTCUT in name else "")


def _shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())


def _summarise(table: pd.DataFrame, path: PathLike) -> None:
    loaded = int((table.outcome == OUTCOMES[0]).sum())
    reasons = Counter(table.why[table.outcome == OUTCOMES[1]])
    log.info("%s: weights of %d layers loaded, %d skipped", path, loaded, len(table) - loaded)
    log.info("%s", table.to_string(index=False, justify="left"))
    if reasons[NO_PROJECTION]:
        log.warning(
            "%s: %d layers of projections start at random, since the file has none; "
            "all_projections: false has the file's own layers",
            path,
            reasons[NO_PROJECTION],
        )
    if not loaded:
        most = reasons.most_common(1)[0][0] if reasons else "the file has no weights"
        raise UserError(
            f"not one layer of the file fits the model (mostly: {most})",
            where=path,
            remedy="Check arch, num_layers and all_projections against the file.",
        )
