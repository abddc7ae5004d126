"""A half-precision copy of an exported network: what an FP16 engine computes, with float32 at its borders."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from detectnet.errors import UserError
from detectnet.logs import log

_LARGEST = float(np.finfo(np.float16).max)


def to_float16(proto: ModelProto) -> ModelProto:
    """A copy whose weights and layers are float16 and whose inputs and outputs stay float32.

    A cast follows each input and precedes each output, so callers need not know the precision. A strongly
    typed TensorRT network takes its precision from these types alone.

    Raises:
        UserError: a weight is beyond float16's range (65504).
    """
    copy = ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    lost = 0
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor)
            half = _half(values, tensor.name)
            lost += int(np.count_nonzero((half == 0) & (values != 0)))
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    if lost:
        log.info("%d weights are too small for float16, now 0", lost)
    inside = {value.name: f"{value.name}/half" for value in (*graph.input, *graph.output)}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [inside.get(name, name) for name in names]
    entering = [_cast(value.name, inside[value.name], TensorProto.FLOAT16) for value in graph.input]
    leaving = [_cast(inside[value.name], value.name, TensorProto.FLOAT) for value in graph.output]
    nodes = [*entering, *graph.node, *leaving]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(copy, full_check=True)
    return copy


def _half(values: np.ndarray, name: str) -> np.ndarray:
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= _LARGEST:
        raise UserError(
            f"a weight is {largest:g}, float16 ends at {_LARGEST:g}",
            where=name,
            remedy="Build with precision fp32, or train with more weight decay.",
        )
    return values.astype(np.float16)


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast {target}", to=to)
