"""How an ONNX graph takes its pictures: scale, order of channels, and how many at once."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import GraphProto, ModelProto

from detectnet.contract import DYNAMIC, Contract
from detectnet.deploy.onnx_graph.operators import RESHAPING_OPERATORS
from detectnet.errors import UserError

BATCH_NAME = "batch"
_ORDERS = {1: ("GRAY",), 3: ("RGB", "BGR")}


def fit_input(graph: GraphProto, contract: Contract, where: object = None) -> None:
    """Let the first convolutions take pictures as the contract feeds them, and compute what they did.

    A network is trained on ``pixel / 255`` in the order RGB. A file that is fed ``s * pixel`` has its first
    kernels multiplied by ``1 / (255 s)``, and one that is fed BGR has their channels reversed; a contract
    with the scale and order of the training leaves the graph as it is. The zeros that these convolutions pad
    with stay zeros, as no offset is subtracted.

    Args:
        graph: float32, NCHW; changed in place.
        contract: its ``scale``, ``channel_order`` and ``offsets``.
        where: named in errors.

    Raises:
        UserError: the contract subtracts an offset or has another order of channels, or something else than
            a convolution reads the input.
    """
    _check_feeding(contract, where)
    factor, reverse = Contract.scale / contract.scale, contract.channel_order == "BGR"
    if factor == 1 and not reverse:
        return
    name = graph.input[0].name
    readers = [node for node in graph.node if name in node.input]
    other = next((node for node in readers if node.op_type != "Conv"), None)
    if other is not None:
        raise UserError(
            f"a {other.op_type} reads the input before a convolution, so no scale can be folded in",
            where=where,
            remedy="Export with preprocess: outside.",
        )
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for kernel in {node.input[1] for node in readers}:
        values = onnx.numpy_helper.to_array(constants[kernel])
        values = (values[:, ::-1] if reverse else values) * np.float64(factor)
        constants[kernel].CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), kernel))


def _check_feeding(contract: Contract, where: object) -> None:
    allowed = _ORDERS.get(contract.channels, ())
    if contract.channel_order not in allowed:
        raise UserError(
            f"channel_order is {contract.channel_order} with {contract.channels} channels",
            where=where,
            allowed=allowed,
        )
    if not contract.scale > 0:
        raise UserError(f"scale is {contract.scale}", where=where, allowed="above 0")
    if any(contract.offsets):
        raise UserError(
            f"the offsets are {contract.offsets}",
            where=where,
            allowed="0, as in training: the convolutions pad with zeros, which an offset would move",
        )


def set_batch(proto: ModelProto, contract: Contract, where: object = None) -> None:
    """Declare how many pictures a graph of one takes: a fixed number, or any.

    Args:
        proto: of batch 1, whose nodes treat every picture alike; changed in place.
        contract: its ``batch``.
        where: named in errors.

    Raises:
        UserError: the batch is below 1, or a reshape holds a shape for one picture.
    """
    batch = contract.batch
    if batch < 1 and batch != DYNAMIC:
        raise UserError(f"the batch is {batch}", where=where, allowed=f"1 and above, or {DYNAMIC} for any")
    if batch == 1:
        return
    for node in proto.graph.node:
        if node.op_type in RESHAPING_OPERATORS:
            raise UserError(
                f"the node '{node.name}' ({node.op_type}) is for a batch of 1",
                where=where,
                remedy="Export with batch: 1.",
            )
    for value in (*proto.graph.input, *proto.graph.output):
        _set_first(value.type.tensor_type, batch)


def _set_first(tensor: onnx.TypeProto.Tensor, batch: int) -> None:
    if batch == DYNAMIC:
        tensor.shape.dim[0].dim_param = BATCH_NAME
    else:
        tensor.shape.dim[0].dim_value = batch
