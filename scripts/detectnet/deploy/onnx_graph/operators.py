"""Whether an ONNX graph holds only what TensorRT 8.2 reads, and in the way it reads it.

The limits are those of the operator table that came with TensorRT 8.2's parser. What is allowed here is far
less than the table: what the back-bones and heads of this package need, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from detectnet.errors import UserError

EXPECTED_OPERATORS = frozenset(
    {"Conv", "Relu", "Clip", "Add", "Concat", "Sigmoid", "MaxPool", "AveragePool", "Pad"}
)
"""All that the back-bones and heads need; TensorRT 8.2 has them."""
RESHAPING_OPERATORS = frozenset({"Reshape", "Transpose"})
"""At most one of them may stand between the input and each output."""
_WHOLE_NUMBERS = {"Pad": (1,), "Reshape": (1,)}
"""Operator -> its inputs that are int64; every other tensor of the file is float32."""


@dataclass(frozen=True)
class _Node:
    """A node with its attributes and constant inputs at hand."""

    proto: NodeProto
    attributes: Mapping[str, Any]
    constants: Mapping[str, TensorProto]

    def constant(self, index: int) -> TensorProto | None:
        """The constant input of this number; None where it is computed or absent."""
        names = self.proto.input
        return self.constants.get(names[index]) if index < len(names) else None

    def computed(self, start: int) -> bool:
        """Whether one of the inputs from this number on is there, but no constant."""
        return any(name and name not in self.constants for name in self.proto.input[start:])


def check_operators(proto: ModelProto, where: object = None) -> None:
    """Refuse a graph that the device might not read.

    Raises:
        UserError: names the first node that is not allowed, and why.
    """
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        for reason in _objections(_Node(node, attributes, constants)):
            raise _refusal(node, reason, where)
    makers = {output: node for node in proto.graph.node for output in node.output}
    for output in proto.graph.output:
        reshaping = [one for one in _before(output.name, makers) if one.op_type in RESHAPING_OPERATORS]
        if len(reshaping) > 1:
            reason = f"is one of {len(reshaping)} that reshape on the way to {output.name}, one may"
            raise _refusal(reshaping[0], reason, where)


def _refusal(node: NodeProto, reason: str, where: object) -> UserError:
    return UserError(
        f"the node '{node.name}' ({node.op_type}) of the exported network {reason}",
        where=where,
        allowed=sorted(EXPECTED_OPERATORS | RESHAPING_OPERATORS),
        remedy="Use a backbone of this package without custom layers.",
    )


def _objections(node: _Node) -> Iterator[str]:
    proto = node.proto
    if proto.domain or proto.op_type not in EXPECTED_OPERATORS | RESHAPING_OPERATORS:
        yield "was not tried on the device"
        return
    if len(proto.output) != 1:
        yield f"has {len(proto.output)} outputs, and TensorRT 8.2 gives the first only"
    for index, name in enumerate(proto.input):
        tensor = node.constants.get(name)
        wanted = TensorProto.INT64 if index in _WHOLE_NUMBERS.get(proto.op_type, ()) else TensorProto.FLOAT
        if tensor is not None and tensor.data_type != wanted:
            kinds = TensorProto.DataType.Name
            yield f"reads '{name}' as {kinds(tensor.data_type)}, {kinds(wanted)} is expected"
    check = _CHECKS.get(proto.op_type)
    if check is not None:
        yield from check(node)


def _convolution(node: _Node) -> Iterator[str]:
    if node.computed(1):
        yield "has weights that are computed, and TensorRT 8.2 wants constants"
    elif len(node.constant(1).dims) != 4:
        yield f"convolves {len(node.constant(1).dims) - 2} axes, 2 are expected"
    yield from _window(node)


def _pooling(node: _Node) -> Iterator[str]:
    if len(node.attributes["kernel_shape"]) != 2:
        yield f"pools {len(node.attributes['kernel_shape'])} axes, 2 are expected"
    if any(one != 1 for one in node.attributes.get("dilations", ())):
        yield "is dilated, which TensorRT 8.2's pooling is not"
    if node.attributes.get("storage_order"):
        yield "counts column by column, which TensorRT 8.2 does not"
    yield from _window(node)


def _window(node: _Node) -> Iterator[str]:
    automatic = node.attributes.get("auto_pad", b"NOTSET")
    if automatic not in (b"NOTSET", b"VALID"):
        yield f"leaves its padding to the reader ({automatic.decode()}), it is to be given in numbers"
    if min(node.attributes.get("pads", [0])) < 0:
        yield "has a negative padding"


def _limits(node: _Node) -> Iterator[str]:
    if node.computed(1):
        yield "has limits that are computed, and TensorRT 8.2 wants constants"


def _padding(node: _Node) -> Iterator[str]:
    if node.attributes.get("mode", b"constant") != b"constant":
        yield f"pads by {node.attributes['mode'].decode()}, constants are expected"
    if node.computed(1):
        yield "has a padding that is computed, and TensorRT 8.2 wants constants"


def _joining(node: _Node) -> Iterator[str]:
    if node.attributes.get("axis") != 1:
        yield f"joins along axis {node.attributes.get('axis')}, channels are axis 1"


def _new_shape(node: _Node) -> Iterator[str]:
    if node.computed(1):
        yield "has a shape that is computed, and TensorRT 8.2 wants constants"


_CHECKS: dict[str, Callable[[_Node], Iterator[str]]] = {
    "Conv": _convolution,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "Clip": _limits,
    "Pad": _padding,
    "Concat": _joining,
    "Reshape": _new_shape,
}


def _before(name: str, makers: Mapping[str, NodeProto]) -> list[NodeProto]:
    """All nodes that a tensor depends on, the last one first."""
    found: dict[str, NodeProto] = {}
    waiting = [name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.output[0] not in found:
            found[node.output[0]] = node
            waiting.extend(node.input)
    return list(found.values())
