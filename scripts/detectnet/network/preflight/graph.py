"""A loaded network that does not go with the spec, or not with NVIDIA's padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras

from detectnet.network.preflight.finding import Finding, error, warning
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message


def graph_findings(experiment: Message, model: keras.Model, where: str) -> Iterator[Finding]:
    """Input, classes, stride and padding of a model of the outputs (bbox, cov), from the file ``where``."""
    contract = contract_of(experiment)
    wanted, found = (contract.height, contract.width, contract.channels), tuple(model.input_shape[1:])
    classes = model.output_shape[1][-1]
    if found != wanted or classes != len(contract.classes):
        text = (
            f"the loaded network takes {found} and finds {classes} classes, "
            f"the spec says {wanted} (height, width, channels) and {len(contract.classes)} classes"
        )
        yield error("graph-shape", text, where, "Take the spec that the network was trained with.")
    elif model.output_shape[1][1:3] != (contract.grid_height, contract.grid_width):
        text = (
            f"the loaded network's grid has {model.output_shape[1][1:3]} rows and columns, targets and "
            f"decoding {(contract.grid_height, contract.grid_width)}: its stride is not {contract.stride}"
        )
        yield error("graph-stride", text, where, f"Load a network of stride {contract.stride}.")
    shifted = [layer.name for layer in model.layers if _is_shifted(layer)]
    if shifted:
        text = (
            f"{len(shifted)} layers with stride 2 pad as TensorFlow does, more at the right and the bottom "
            f"(first '{shifted[0]}'); NVIDIA pads all sides alike, and its weights would see shifted pictures"
        )
        remedy = "Harmless for a network that was trained like this; NVIDIA's weights need explicit padding."
        yield warning("graph-padding", text, where, remedy)


def _is_shifted(layer: keras.Layer) -> bool:
    """Whether TensorFlow's SAME is lopsided here: on an even size, an odd window at stride 2."""
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if not window or getattr(layer, "padding", None) != "same":
        return False
    sides = zip(layer.input.shape[1:3], window, layer.strides, strict=True)
    return any(
        stride > 1 and max(reach - stride, 0) % 2 and not size % stride for size, reach, stride in sides
    )
