"""A trained Keras network as an ONNX file that TensorRT 8.2, DeepStream and ONNX Runtime take as it is.

The network computes in NHWC; the file is NCHW from input to outputs. Batch normalisation is folded into
the convolutions (depthwise ones are convolutions in groups), zero padding is an attribute of what it stands
before, and no transpose is left. Names follow the Keras layers,
so that a line of an engine's profile can be traced back, and equal weights give equal bytes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import ModelProto, NodeProto, TensorProto

from detectnet.contract import Contract
from detectnet.deploy.bundle import CONTRACT_FILE, METADATA_KEY, labels_text
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, sha256, write_json, write_text
from detectnet.logs import log
from detectnet.network.graph import sources
from detectnet.network.model import load_model

IR_VERSION = 7
"""The version that came with opset 13; TensorRT 8.2's parser reads up to 8."""
OPSETS = range(11, 19)
"""What the converter writes with padding and clipping as this module reads them."""
DEVICE_OPSET = 13
"""The highest that TensorRT 8.2, the Jetson Nano's last, reads."""
EXPECTED_OPERATORS = frozenset(
    {"Conv", "Relu", "Clip", "Add", "Concat", "Sigmoid", "MaxPool", "AveragePool", "Pad"}
)
"""All that the back-bones and heads need; TensorRT 8.2 has them."""
RESHAPING_OPERATORS = ("Reshape", "Transpose")
_ARGUMENT_NAMES = {
    "Conv": ("input", "kernel", "bias"),
    "Clip": ("input", "lowest", "highest"),
    "Pad": ("input", "zeros", "value"),
}


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
    """The network as an ONNX model, float32, batch 1.

    Args:
        model: input (B, H, W, channels) 0..1; outputs [bbox (B, h, w, 4C), cov (B, h, w, C)].
        contract: gives sizes, tensor names and the opset.
        where: named in errors.

    Returns:
        A checked model: input (1, channels, H, W), outputs coverage (1, C, h, w) then boxes (1, 4C, h, w).

    Raises:
        UserError: sizes differ from the contract's, the operator set cannot be written, or an unexpected
            operator remains.
    """
    check_opset(contract.opset)
    _check_sizes(model, contract, where)
    proto = _converted(folded(model), contract)
    _drop_idle_reshapes(proto)
    _fold_padding(proto.graph)
    _canonicalise(proto, contract, [layer.name for layer in model.layers])
    _check_operators(proto, where)
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
    shape = contract.shapes[contract.input_name]
    signature = [tf.TensorSpec(shape, tf.float32, name=contract.input_name)]

    @tf.function(input_signature=signature)
    def nchw(picture: tf.Tensor) -> dict[str, tf.Tensor]:
        bbox, cov = model(tf.transpose(picture, (0, 2, 3, 1)), training=False)
        return {"bbox": tf.transpose(bbox, (0, 3, 1, 2)), "cov": tf.transpose(cov, (0, 3, 1, 2))}

    return tf2onnx.convert.from_function(nchw, input_signature=signature, opset=contract.opset)[0]


def _drop_idle_reshapes(proto: ModelProto) -> None:
    """Take out reshapes that change nothing; the converter leaves them where a transpose had one channel."""
    inferred = onnx.shape_inference.infer_shapes(proto).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    shapes = {value.name: value.type.tensor_type.shape for value in values}
    graph = proto.graph
    for node in [node for node in graph.node if node.op_type == "Reshape"]:
        before, after = node.input[0], node.output[0]
        if shapes[before] != shapes[after]:
            continue
        graph.node.remove(node)
        # An output keeps its name, so the tensor before it takes it over; elsewhere readers move up.
        old, new = (before, after) if after in (value.name for value in graph.output) else (after, before)
        for other in graph.node:
            for names in (other.input, other.output):
                names[:] = [new if name == old else name for name in names]


def _fold_padding(graph: onnx.GraphProto) -> None:
    """Make each zero padding an attribute of the one convolution or max pooling that reads it.

    The padding of a max pooling is no zeros but nothing at all, which is the same after a ReLU.
    """
    makers = {output: node for node in graph.node for output in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        pad = makers.get(node.input[0]) if node.op_type in ("Conv", "MaxPool") else None
        if pad is None or pad.op_type != "Pad" or readers[pad.output[0]] > 1:
            continue
        more = _zeros(pad, constants)
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        automatic = attributes.pop("auto_pad", b"NOTSET")
        if more is None or automatic not in (b"NOTSET", b"VALID"):
            continue
        if node.op_type == "MaxPool" and not _never_negative(pad.input[0], makers, constants):
            continue
        attributes["pads"] = [own + one for own, one in zip(attributes.get("pads", [0] * 4), more)]
        _refill(node.attribute, [onnx.helper.make_attribute(*one) for one in attributes.items()])
        node.input[0] = pad.input[0]
        graph.node.remove(pad)


def _zeros(pad: NodeProto, constants: Mapping[str, TensorProto]) -> list[int] | None:
    """[top, left, bottom, right] zeros of a Pad of NCHW maps; None where it is anything else."""
    mode = {one.name: onnx.helper.get_attribute_value(one) for one in pad.attribute}.get("mode", b"constant")
    given = [constants.get(name) for name in pad.input[1:] if name]
    if mode != b"constant" or None in given:
        return None
    pads, *filled = (onnx.numpy_helper.to_array(tensor) for tensor in given)
    sides = pads.reshape(2, -1)
    if sides.shape[1] != 4 or sides[:, :2].any() or any(value.any() for value in filled):
        return None
    return sides[:, 2:].ravel().tolist()


def _never_negative(name: str, makers: Mapping[str, NodeProto], constants: Mapping[str, TensorProto]) -> bool:
    """Whether a ReLU, or a concatenation of such, made the tensor."""
    node = makers.get(name)
    if node is None:
        return False
    if node.op_type == "Concat":
        return all(_never_negative(one, makers, constants) for one in node.input)
    lowest = constants.get(node.input[1]) if node.op_type == "Clip" else None
    return node.op_type == "Relu" or (
        lowest is not None and bool((onnx.numpy_helper.to_array(lowest) >= 0).all())
    )


def _canonicalise(proto: ModelProto, contract: Contract, layers: list[str]) -> None:
    """Order, names and header that depend on the network only, not on the converter's counters."""
    graph = proto.graph
    ordered = list(_from_outputs(graph, ("cov", "bbox")))
    renamed = {graph.input[0].name: contract.input_name, "cov": contract.cov_name, "bbox": contract.bbox_name}
    unique = _unique_names(renamed.values())
    constants = {tensor.name for tensor in graph.initializer}
    for node in ordered:
        layer = _layer_of(node, constants, layers)
        node.name = renamed.get(node.output[0]) or unique(f"{layer}/{node.op_type}")
        renamed[node.output[0]] = node.name
        arguments = chain(_ARGUMENT_NAMES.get(node.op_type, ()), repeat("constant"))
        for name, argument in zip(node.input, arguments):
            if name in constants and name not in renamed:
                renamed[name] = unique(f"{layer}/{argument}")
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        _refill(node.attribute, attributes)
        _refill(node.input, [renamed[name] for name in node.input])
        _refill(node.output, [renamed[name] for name in node.output])
    kept = [tensor for tensor in graph.initializer if tensor.name in renamed]
    for named in (*kept, *graph.input, *graph.output):
        named.name = renamed[named.name]
    _refill(graph.node, ordered)
    _refill(graph.initializer, sorted(kept, key=lambda tensor: tensor.name))
    _refill(graph.output, sorted(graph.output, key=lambda value: value.name != contract.cov_name))
    graph.ClearField("value_info")
    graph.ClearField("doc_string")
    graph.name = "detectnet_v2"
    proto.ir_version, proto.producer_name, proto.producer_version = IR_VERSION, "detectnet-nano", ""
    _refill(proto.opset_import, [entry for entry in proto.opset_import if not entry.domain])


def _refill(field: Iterable, items: Iterable) -> None:
    """Replace the content of a repeated protobuf field."""
    copies = list(items)
    del field[:]
    field.extend(copies)


def _unique_names(taken: Iterable[str]) -> Callable[[str], str]:
    seen = Counter(taken)

    def unique(name: str) -> str:
        seen[name] += 1
        return name if seen[name] == 1 else f"{name}_{seen[name] - 1}"

    return unique


def _from_outputs(graph: onnx.GraphProto, outputs: Iterable[str]) -> Iterator[NodeProto]:
    """Nodes, each after what it reads; ties by the order of outputs and of each node's inputs."""
    maker = {output: node for node in graph.node for output in node.output}
    done: set[str] = set()
    for output in outputs:
        stack = [(maker[output], False)]
        while stack:
            node, inputs_done = stack.pop()
            key = node.output[0]
            if key in done:
                continue
            if inputs_done:
                done.add(key)
                yield node
                continue
            stack.append((node, True))
            stack.extend((maker[name], False) for name in reversed(node.input) if name in maker)


def _layer_of(node: NodeProto, constants: set[str], layers: list[str]) -> str:
    """The Keras layer that a node came from, by its own name or that of its weights; else ``node``.

    The converter keeps TensorFlow's scope ``model/layer_1/op``, where ``_1`` may be appended.
    """
    known = set(layers)
    for name in (node.name, *(name for name in node.input if name in constants)):
        for part in name.split("/")[1:]:
            if part in known:
                return part
            if (plain := re.sub(r"_\d+$", "", part)) in known:
                return plain
    return "node"


def _check_operators(proto: ModelProto, where: object) -> None:
    counts = Counter(node.op_type for node in proto.graph.node)
    unexpected = sorted(counts.keys() - EXPECTED_OPERATORS - set(RESHAPING_OPERATORS))
    if unexpected or sum(counts[name] for name in RESHAPING_OPERATORS) > len(proto.graph.output):
        raise UserError(
            f"the exported network holds operators that were not tried on the device: {describe(proto)}",
            where=where,
            allowed=sorted(EXPECTED_OPERATORS),
            remedy="Use a backbone of this package without custom layers.",
        )
