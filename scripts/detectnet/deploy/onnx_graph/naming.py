"""Order, names and header of an ONNX graph, so that equal networks give equal bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat

import onnx
from onnx import ModelProto, NodeProto

from detectnet.contract import FIRST_OUTPUT, Contract

IR_VERSION = 7
"""The version that came with opset 13; TensorRT 8.2's parser reads up to 8."""
_ARGUMENT_NAMES = {
    "Conv": ("input", "kernel", "bias"),
    "Clip": ("input", "lowest", "highest"),
    "Pad": ("input", "zeros", "value"),
}


def canonicalise(proto: ModelProto, contract: Contract, layers: list[str]) -> None:
    """Order, names and header that depend on the network only, not on the converter's counters.

    Args:
        proto: with one input and the outputs ``cov`` and ``bbox``; changed in place.
        contract: names of input and outputs.
        layers: of the Keras network, which nodes and weights are named after.
    """
    graph = proto.graph
    ordered = list(_from_outputs(graph, ("cov", "bbox")))
    renamed = {graph.input[0].name: contract.input_name, "cov": contract.cov_name, "bbox": contract.bbox_name}
    unique = _unique_names(renamed.values())
    constants = {tensor.name for tensor in graph.initializer}
    for node in ordered:
        layer = _layer_of(node, constants, layers)
        tensor = renamed.get(node.output[0]) or unique(f"{layer}/{node.op_type}")
        renamed[node.output[0]] = tensor
        node.name = tensor.removesuffix(FIRST_OUTPUT)
        arguments = chain(_ARGUMENT_NAMES.get(node.op_type, ()), repeat("constant"))
        for name, argument in zip(node.input, arguments):
            if name in constants and name not in renamed:
                renamed[name] = unique(f"{layer}/{argument}")
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        refill(node.attribute, attributes)
        refill(node.input, [renamed[name] for name in node.input])
        refill(node.output, [renamed[name] for name in node.output])
    kept = [tensor for tensor in graph.initializer if tensor.name in renamed]
    for named in (*kept, *graph.input, *graph.output):
        named.name = renamed[named.name]
    refill(graph.node, ordered)
    refill(graph.initializer, sorted(kept, key=lambda tensor: tensor.name))
    refill(graph.output, sorted(graph.output, key=lambda value: value.name != contract.cov_name))
    graph.ClearField("value_info")
    graph.ClearField("doc_string")
    graph.name = "detectnet_v2"
    proto.ir_version, proto.producer_name, proto.producer_version = IR_VERSION, "detectnet-nano", ""
    refill(proto.opset_import, [entry for entry in proto.opset_import if not entry.domain])


def refill(field: Iterable, items: Iterable) -> None:
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
