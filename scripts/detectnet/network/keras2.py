"""Keras 2.2 model descriptions (NCHW), as NVIDIA's files hold them, to and from Keras 3 models (NHWC).

NVIDIA's Keras pads "same" by the same number of zeros on both sides. Keras 3 does not at a stride above 1,
so there one layer of theirs is two of ours: ``<name>_padding`` and a "valid" layer. Writing folds them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import KerasTensor, layers

from detectnet.errors import UserError
from detectnet.network.blocks import FixedStatisticsNormalization
from detectnet.network.graph import sources

Config = dict[str, Any]
_WINDOWS = {"Conv2D": "kernel_size", "DepthwiseConv2D": "kernel_size"}
_WINDOWS |= {"MaxPooling2D": "pool_size", "AveragePooling2D": "pool_size"}
# The fields that a class has in Keras 2.2 and in Keras 3, with the same meaning. Others keep their defaults,
# except data_format and axis, which stand for the layout.
_SHARED = {
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias"),
    "DepthwiseConv2D": (
        "kernel_size",
        "strides",
        "padding",
        "dilation_rate",
        "depth_multiplier",
        "activation",
        "use_bias",
    ),
    "BatchNormalization": ("momentum", "epsilon", "center", "scale"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "ZeroPadding2D": ("padding",),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Dropout": ("rate",),
    "Add": (),
    "Concatenate": (),
}


def describe(model: keras.Model) -> Config:
    """The Keras 2.2 description of a model: channels first, NVIDIA's layers only.

    Raises:
        UserError: a layer is of a class that Keras 2.2 files of this network family do not have.
    """
    inputs = sources(model)
    folded = {
        name: parents[0]
        for name, parents in inputs.items()
        if parents and _foldable(model.get_layer(parents[0]), model.get_layer(name))
    }
    described = []
    for name, parents in inputs.items():
        if name in folded.values():
            continue
        real = inputs[folded[name]] if name in folded else parents
        described.append(_described(model.get_layer(name), real, same=name in folded))
    return {
        "class_name": "Model",
        "config": {
            "name": model.name,
            "layers": described,
            "input_layers": [[name, 0, 0] for name, parents in inputs.items() if not parents],
            "output_layers": [[name, 0, 0] for name in model.output_names],
        },
    }


def rebuild(description: Config, where: object) -> keras.Model:
    """The Keras 3 model of a Keras 2.2 description, with fresh weights.

    Args:
        description: as ``describe`` makes it, or from a file of Keras 2.2 (``channels_first`` or not).
        where: the file, for messages.

    Raises:
        UserError: a layer of a class or with a structure that is not known here, or a damaged description;
            it names the layer.
    """
    config = description.get("config", {}) if isinstance(description, dict) else {}
    if not {"layers", "input_layers", "output_layers"} <= config.keys():
        raise UserError("the model in the file is not a functional Keras model", where=where)
    tensors: dict[str, KerasTensor] = {}
    for number, layer in enumerate(config["layers"]):
        name = layer.get("name", number) if isinstance(layer, dict) else number
        with _blaming(f"{where}, layer {name}"):
            tensors[layer["name"]] = _rebuilt(layer, tensors, where)
    with _blaming(f"{where}, input_layers and output_layers"):
        inputs = [tensors[name] for name, *_ in config["input_layers"]]
        outputs = [tensors[name] for name, *_ in config["output_layers"]]
        return keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs, name=config.get("name"))


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """What goes wrong with a description, that of a layer for instance, is the description's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        missing = isinstance(error, KeyError)
        what = f"{error} is missing" if missing else str(error).splitlines()[0]
        raise UserError(f"the description of the graph is damaged ({what})", where=where) from error


def _foldable(padding: layers.Layer, layer: layers.Layer) -> bool:
    """Whether ``padding`` and then ``layer`` are one "same" layer of NVIDIA's Keras."""
    window = getattr(layer, _WINDOWS.get(type(layer).__name__, ""), None)
    if window is None or not isinstance(padding, layers.ZeroPadding2D) or layer.padding != "valid":
        return False
    dilation = getattr(layer, "dilation_rate", (1, 1))
    return padding.name == f"{layer.name}_padding" and padding.padding == tuple(
        (one, one) for one in _same(type(layer).__name__, window, dilation)
    )


def _same(kind: str, window: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Zeros on each side, rows and columns, that NVIDIA's Keras takes for "same"."""
    if kind.endswith("Pooling2D"):
        return tuple((size - 1) // 2 for size in window)
    return tuple(((size - 1) * step + 1) // 2 for size, step in zip(window, dilation))


def _same_in_keras3(kind: str, config: Config) -> bool:
    """Whether Keras 3 pads "same" like NVIDIA's Keras: convolutions of stride 1 and odd size.

    Pooling is never among them: theirs pads with zeros, which count in a maximum and in a mean.
    """
    odd = all(size % 2 for size in config[_WINDOWS[kind]])
    return not kind.endswith("Pooling2D") and odd and set(config["strides"]) == {1}


def _described(layer: layers.Layer, parents: list[str], *, same: bool) -> Config:
    fixed = isinstance(layer, FixedStatisticsNormalization)
    kind = "BatchNormalization" if fixed else type(layer).__name__
    ours = layer.get_config()
    config = {"name": layer.name, "trainable": layer.trainable}
    if isinstance(layer, layers.InputLayer):
        _, rows, columns, channels = layer.batch_shape
        shape = [None, channels, rows, columns]
        config = {"name": layer.name, "batch_input_shape": shape, "dtype": "float32", "sparse": False}
    else:
        config |= {name: ours[name] for name in _fields(kind, layer.name)} | _layout(kind)
    if same:
        config["padding"] = "same"
    flags = {"training": False} if fixed else {}
    nodes = [[[name, 0, 0, flags] for name in parents]] if parents else []
    return {"name": layer.name, "class_name": kind, "config": config, "inbound_nodes": nodes}


def _fields(kind: str, where: object) -> tuple[str, ...]:
    if kind not in _SHARED:
        raise UserError(f"a layer of class {kind}", where=where, allowed=sorted([*_SHARED, "InputLayer"]))
    return _SHARED[kind]


def _layout(kind: str) -> Config:
    if kind in ("BatchNormalization", "Concatenate"):
        return {"axis": 1}
    return {"data_format": "channels_first"} if kind in _WINDOWS or kind == "ZeroPadding2D" else {}


def _rebuilt(layer: Config, tensors: dict[str, KerasTensor], where: object) -> KerasTensor:
    kind, config, name = layer["class_name"], layer["config"], layer["name"]
    if kind == "InputLayer":
        return _input(config, name)
    where = f"{where}, layer {name}"
    if len(layer["inbound_nodes"]) != 1:
        raise UserError("the layer is used more than once", where=where)
    node = layer["inbound_nodes"][0]
    ours = {one: config[one] for one in _fields(kind, where) if one in config}
    made: Callable[..., layers.Layer] = getattr(layers, kind)
    if kind == "BatchNormalization" and any(flags.get("training") is False for *_, flags in node):
        made = FixedStatisticsNormalization
    arguments = [tensors[source] for source, *_ in node]
    tensor = arguments[0] if len(arguments) == 1 else arguments
    if ours.get("padding") == "same" and not _same_in_keras3(kind, ours):
        ours["padding"] = "valid"
        zeros = _same(kind, ours[_WINDOWS[kind]], ours.get("dilation_rate", (1, 1)))
        if any(zeros):
            tensor = layers.ZeroPadding2D(zeros, name=f"{name}_padding")(tensor)
    return made(name=name, trainable=config.get("trainable", True), **ours)(tensor)


def _input(config: Config, name: str) -> KerasTensor:
    shape = config["batch_input_shape"][1:]
    # One or three channels: they are where that number is.
    first = shape[0] in (1, 3)
    return keras.Input((shape[1], shape[2], shape[0]) if first else shape, name=name)
