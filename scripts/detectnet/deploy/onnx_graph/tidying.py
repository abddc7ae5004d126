"""Reshapes that change nothing and padding that a convolution can do itself, taken out of an ONNX graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from detectnet.deploy.onnx_graph.naming import refill


def drop_idle_reshapes(proto: ModelProto) -> None:
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


def fold_padding(graph: onnx.GraphProto) -> None:
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
        refill(node.attribute, [onnx.helper.make_attribute(*one) for one in attributes.items()])
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
