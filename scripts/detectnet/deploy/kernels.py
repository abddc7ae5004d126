"""The kernels of an exported network: what each one computes and moves through memory in FP16.

An engine fuses a convolution with the batch normalisation, the activation and the addition after it, and
runs convolutions of one shape on one tensor as one. Every tensor is written once and read once by each kernel
that needs it, weights are read once. Concatenation, padding and views are free.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import prod

import onnx
import pandas as pd
from google.protobuf.message import DecodeError
from onnx import shape_inference

from detectnet.errors import UserError
from detectnet.files import PathLike

BYTES = 2
"""Of a number in FP16."""
COLUMNS = ["layer", "flop", "moved"]
_INPUT = -1  # the kernel that makes the input, and what no kernel may be fused with
_VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast"}
_PARTS = {"Concat", "Split", "Slice"}
_ELEMENTWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Mish"),
    *("Softplus", "Exp", "Erf", "Sqrt", "Neg", "Abs", "BatchNormalization"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum"),
}


@dataclass
class _Kernel:
    layer: str
    flop: int
    moved: int


def kernels(path: PathLike) -> pd.DataFrame:
    """The kernels of an ONNX file for one picture, in the order of the graph.

    Returns:
        ``layer`` (outputs of its convolutions, joined by `` + ``), ``flop`` (int, two operations for each
        multiply-add of a direct convolution), ``moved`` (int, bytes read and written).

    Raises:
        UserError: the file is not there or no ONNX, or the shape of a tensor cannot be inferred.
    """
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise UserError("the file does not exist", where=path) from error
    except DecodeError as error:
        raise UserError("this is not an ONNX file", where=path) from error
    if not model.graph.node:
        raise UserError("this is not an ONNX file, or it has no layers", where=path)
    return _Walk(model, path).table()


class _Walk:
    """One pass over the graph, whose nodes ONNX keeps in topological order."""

    def __init__(self, model: onnx.ModelProto, path: PathLike) -> None:
        self._path = path
        self._graph = model.graph
        self._sizes = {one.name: list(one.dims) for one in model.graph.initializer}
        self._constant = {"", *self._sizes}
        self._sizes |= _shapes(model)
        self._outputs = {one.name for one in model.graph.output}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in set(node.input):
                self._readers[name].append(node)
        self._made_by: dict[str, int] = {}
        self._stored: dict[str, str] = {}  # what lies in memory behind a padded tensor
        self._twins: dict[tuple, int] = {}
        self._kernels: list[_Kernel] = []

    def table(self) -> pd.DataFrame:
        for node in self._graph.node:
            if node.op_type == "Shape" or self._constant.issuperset(node.input):
                self._constant.update(node.output)
            else:
                self._made_by |= dict.fromkeys(node.output, self._kernel(node))
        rows = [(one.layer, one.flop, one.moved) for one in self._kernels]
        return pd.DataFrame(rows, columns=COLUMNS)

    def _kernel(self, node: onnx.NodeProto) -> int:
        """The kernel that makes a node's outputs."""
        if node.op_type in ("Conv", "ConvTranspose"):
            return self._convolution(node)
        if node.op_type in _ELEMENTWISE:
            return self._fused(node)
        if node.op_type == "Pad":
            self._stored[node.output[0]] = self._stored.get(node.input[0], node.input[0])
            return _INPUT
        if node.op_type in _PARTS:
            return _INPUT
        if node.op_type in _VIEWS:
            return self._made_by.get(node.input[0], _INPUT)
        return self._start(node, self._product(node) if node.op_type in ("Gemm", "MatMul") else 0)

    def _convolution(self, node: onnx.NodeProto) -> int:
        source, weights = node.input[0], self._shape(node.input[1])
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        made, stored = self._shape(node.output[0]), self._shape(self._stored.get(source, source))
        # A transposed convolution does for every number of its input what another does for its output.
        over = made if node.op_type == "Conv" else self._shape(source)
        flop = 2 * prod(over) * prod(weights[1:])
        written = BYTES * (prod(made) + prod(weights))
        key = node.op_type, source, *weights[2:], *(repr(attributes[one]) for one in sorted(attributes))
        if attributes.get("group", 1) == 1 and key in self._twins:
            twin = self._kernels[self._twins[key]]
            twin.layer += f" + {node.output[0]}"
            twin.flop += flop
            twin.moved += written
            return self._twins[key]
        # A kernel smaller than its stride does not read every pixel.
        pixels = min(prod(stored[2:]), prod(made[2:]) * prod(weights[2:]))
        self._kernels.append(_Kernel(node.output[0], flop, BYTES * prod(stored[:2]) * pixels + written))
        self._twins[key] = len(self._kernels) - 1
        return self._twins[key]

    def _fused(self, node: onnx.NodeProto) -> int:
        """The kernel that also combines its result with the other operands of an element-wise layer.

        Like TensorRT, it is the cheapest one that nothing else waits for: the projection of a residual block.
        """
        operands = self._operands(node)
        made = {name: self._made_by.get(name, _INPUT) for name in operands}
        free = [name for name in operands if made[name] != _INPUT and self._ends_in(name, node)]
        if not free:
            return self._start(node, 0)
        own = made[min(free, key=lambda name: self._kernels[made[name]].flop)]
        self._kernels[own].moved += sum(self._bytes(name) for name in operands if made[name] != own)
        return own

    def _ends_in(self, name: str, node: onnx.NodeProto) -> bool:
        """Whether only ``node`` reads a tensor, or with it who reads its result too, as in x * sigmoid(x)."""
        others = [one for one in self._readers[name] if one is not node]
        return name not in self._outputs and all(node.output[0] in other.input for other in others)

    def _start(self, node: onnx.NodeProto, flop: int) -> int:
        touched = {*node.input, *node.output} - {""}
        # Constants of other layers are a few numbers: scales, limits, shapes.
        held = self._constant if node.op_type not in ("Gemm", "MatMul") else set()
        moved = sum(self._bytes(name) for name in sorted(touched - held))
        self._kernels.append(_Kernel(node.output[0], flop, moved))
        return len(self._kernels) - 1

    def _product(self, node: onnx.NodeProto) -> int:
        transposed = any(one.name == "transA" and one.i for one in node.attribute)
        inner = self._shape(node.input[0])[0 if transposed else -1]
        return 2 * prod(self._shape(node.output[0])) * inner

    def _operands(self, node: onnx.NodeProto) -> list[str]:
        return sorted(set(node.input) - self._constant)

    def _bytes(self, name: str) -> int:
        return BYTES * prod(self._shape(self._stored.get(name, name)))

    def _shape(self, name: str) -> list[int]:
        if name not in self._sizes:
            raise UserError(
                f"the shape of tensor '{name}' cannot be inferred",
                where=self._path,
                remedy="Export the network with a fixed height and width.",
            )
        return self._sizes[name]


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Shapes of all tensors whose sizes are known, for a batch of one."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    held = {one.name for one in fixed.graph.initializer}
    for one in fixed.graph.input:
        sizes = one.type.tensor_type.shape.dim
        if one.name not in held and sizes:
            sizes[0].dim_value = 1
    # What the file itself says of other tensors holds for its own batch.
    del fixed.graph.value_info[:]
    for one in fixed.graph.output:
        one.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(fixed, data_prop=True).graph
    found = {}
    for one in [*inferred.input, *inferred.value_info, *inferred.output]:
        sizes = one.type.tensor_type.shape.dim
        if one.type.tensor_type.HasField("shape") and all(size.HasField("dim_value") for size in sizes):
            found[one.name] = [size.dim_value for size in sizes]
    return found
