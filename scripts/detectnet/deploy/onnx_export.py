"""A trained Keras network as an ONNX file that TensorRT 8.2, DeepStream and ONNX Runtime take as it is.

The network computes in NHWC; the file is NCHW from input to outputs. Batch normalisation is folded into
the convolutions (depthwise ones are convolutions in groups), zero padding is an attribute of what it stands
before, and no transpose is left. Names follow the Keras layers, so that a line of an engine's profile can be
traced back, and equal weights give equal bytes. How the file is fed, its names, its batch and its operator
set are the contract's.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import ModelProto

from detectnet.contract import Contract
from detectnet.deploy.bundle import CONTRACT_FILE, METADATA_KEY, labels_text
from detectnet.deploy.onnx_graph.feeding import fit_input, set_batch
from detectnet.deploy.onnx_graph.naming import canonicalise
from detectnet.deploy.onnx_graph.operators import check_operators
from detectnet.deploy.onnx_graph.tidying import drop_idle_reshapes, fold_padding
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, sha256, write_json, write_text
from detectnet.logs import log
from detectnet.network.graph import sources
from detectnet.network.model import load_model

OPSETS = range(11, 19)
"""What the converter writes with padding and clipping as this module reads them."""
DEVICE_OPSET = 13
"""The highest that TensorRT 8.2, the Jetson Nano's last, reads."""


def export(model_keras_path: PathLike, contract: Contract, out_dir: PathLike) -> Contract:
    """Write ``model.onnx``, ``labels.txt`` and ``contract.json`` into ``out_dir``.

    Args:
        model_keras_path: a ``.keras`` file of this package, any precision policy; exported in float32.
        contract: of the run; its ``model_sha256`` is set from the written file.
        out_dir: made if missing; files of the same names are replaced.

    Returns:
        The contract with the ONNX file's sha256, as in ``contract.json``. The copy inside the file lacks it.

    Raises:
        UserError: the network does not fit the contract, or holds an operator that the device may not know.
    """
    out = Path(out_dir)
    sealed = export_file(model_keras_path, contract, out / "model.onnx", out / CONTRACT_FILE)
    write_text(out / "labels.txt", labels_text(contract))
    return sealed


def export_file(
    model_keras_path: PathLike, contract: Contract, onnx_path: PathLike, contract_path: PathLike
) -> Contract:
    """As ``export``, of the network and its contract alone, under any names."""
    proto = to_onnx(load_model(model_keras_path), contract, where=model_keras_path)
    with atomic_path(onnx_path) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
    sealed = dataclasses.replace(contract, model_sha256=sha256(onnx_path))
    write_json(contract_path, sealed.to_json())
    log.info("wrote %s: %s", onnx_path, describe(proto))
    return sealed


def check_opset(opset: int) -> None:
    """Say where an ONNX operator set is newer than the device's reader.

    Raises:
        UserError: it cannot be written.
    """
    if opset not in OPSETS:
        raise UserError(
            f"the ONNX operator set {opset} cannot be written", allowed=f"{OPSETS[0]} to {OPSETS[-1]}"
        )
    if opset > DEVICE_OPSET:
        log.warning(
            "TensorRT 8.2 on the Jetson Nano reads operator sets up to %d; %d is for other devices",
            DEVICE_OPSET,
            opset,
        )


def describe(proto: ModelProto) -> str:
    """One phrase for the log: operators with their counts, opset, IR version."""
    counts = Counter(node.op_type for node in proto.graph.node)
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{listed}; opset {proto.opset_import[0].version}, IR version {proto.ir_version}"


def to_onnx(model: keras.Model, contract: Contract, where: object = None) -> ModelProto:
    """The network as an ONNX model in float32, fed and named as the contract says.

    Args:
        model: input (B, H, W, channels) 0..1; outputs [bbox (B, h, w, 4C), cov (B, h, w, C)].
        contract: gives sizes, scale and order of the input, batch, tensor names and the opset.
        where: named in errors.

    Returns:
        A checked model: input (B, channels, H, W), outputs coverage (B, C, h, w) then boxes (B, 4C, h, w).

    Raises:
        UserError: sizes differ from the contract's, its operator set, feeding or batch cannot be written, or
            a node remains that the device may not read.
    """
    check_opset(contract.opset)
    _check_sizes(model, contract, where)
    proto = _converted(folded(model), contract)
    drop_idle_reshapes(proto)
    fold_padding(proto.graph)
    fit_input(proto.graph, contract, where)
    canonicalise(proto, contract, [layer.name for layer in model.layers])
    check_operators(proto, where)
    set_batch(proto, contract, where)
    inside = json.dumps(dataclasses.replace(contract, model_sha256=None).to_json(), sort_keys=True)
    onnx.helper.set_model_props(proto, {METADATA_KEY: inside})
    onnx.checker.check_model(proto, full_check=True)
    return proto


def folded(model: keras.Model) -> keras.Model:
    """The same function in float32, with each batch normalisation inside the convolution before it.

    With s = gamma / sqrt(variance + epsilon): kernel' = s * kernel, bias' = s * (bias - mean) + beta.
    """
    before = {name: names for name, names in sources(model).items() if names}
    readers = Counter(name for names in before.values() for name in names)
    pairs = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            source = model.get_layer(before[layer.name][0])
            convolves = isinstance(source, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
            if convolves and source.activation is keras.activations.linear and readers[source.name] == 1:
                pairs[source.name] = layer
    swallowed = {layer.name for layer in pairs.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        more = {"use_bias": True} if layer.name in pairs else {}
        return type(layer).from_config({**layer.get_config(), "dtype": "float32", **more})

    def call(layer: keras.layers.Layer, inputs: Any, *more: Any, **options: Any) -> Any:
        return inputs if layer.name in swallowed else layer(inputs, *more, **options)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in copy.layers:
        source = model.get_layer(layer.name)
        norm = pairs.get(layer.name)
        layer.set_weights(source.get_weights() if norm is None else _merged(source, norm))
    return copy


def _merged(
    convolution: keras.layers.Conv2D | keras.layers.DepthwiseConv2D, norm: keras.layers.BatchNormalization
) -> list[np.ndarray]:
    """[kernel, bias] of the convolution with the batch normalisation after it, computed in float64."""

    def values(variable: keras.Variable | None, default: float) -> np.ndarray:
        return np.float64(default) if variable is None else variable.numpy().astype(np.float64)

    scale = values(norm.gamma, 1) / np.sqrt(values(norm.moving_variance, 1) + norm.epsilon)
    bias = scale * (values(convolution.bias, 0) - values(norm.moving_mean, 0)) + values(norm.beta, 0)
    kernel = values(convolution.kernel, 0)
    # A depthwise kernel is (h, w, channels, multiplier): its output channels are the last two axes.
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    kernel = kernel * (scale.reshape(kernel.shape[2:]) if depthwise else scale)
    return [kernel.astype(np.float32), bias.astype(np.float32)]


def _check_sizes(model: keras.Model, contract: Contract, where: object) -> None:
    grid, classes = (contract.grid_height, contract.grid_width), len(contract.classes)
    wanted = {
        "input": (contract.height, contract.width, contract.channels),
        "output_bbox": (*grid, 4 * classes),
        "output_cov": (*grid, classes),
    }
    found = dict(zip(wanted, (tensor.shape[1:] for tensor in (model.inputs[0], *model.outputs))))
    for name, shape in wanted.items():
        if tuple(found[name]) != shape:
            raise UserError(
                f"{name} is {tuple(found[name])} (height, width, channels), the contract says {shape}",
                where=where,
                remedy="Export with the experiment spec that the model was trained with.",
            )


def _converted(model: keras.Model, contract: Contract) -> ModelProto:
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    shape = (1, contract.channels, contract.height, contract.width)
    signature = [tf.TensorSpec(shape, tf.float32, name="picture")]

    @tf.function(input_signature=signature)
    def nchw(picture: tf.Tensor) -> dict[str, tf.Tensor]:
        bbox, cov = model(tf.transpose(picture, (0, 2, 3, 1)), training=False)
        return {"bbox": tf.transpose(bbox, (0, 3, 1, 2)), "cov": tf.transpose(cov, (0, 3, 1, 2))}

    return tf2onnx.convert.from_function(nchw, input_signature=signature, opset=contract.opset)[0]
