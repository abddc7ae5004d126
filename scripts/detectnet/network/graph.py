"""A Keras functional model seen as a graph of named layers, read from its public configuration."""

from __future__ import annotations

from collections.abc import Iterator

import keras
from keras import layers


def sources(model: keras.Model) -> dict[str, list[str]]:
    """For each layer, in the order of the graph, the names of the layers that its inputs come from."""
    return {layer["name"]: list(_tensors(layer["inbound_nodes"])) for layer in model.get_config()["layers"]}


def convolutions(model: keras.Model) -> list[layers.Layer]:
    """Its convolution layers, depthwise ones too, in the order of the graph."""
    return [one for one in model.layers if isinstance(one, layers.Conv2D | layers.DepthwiseConv2D)]


def _tensors(node: object) -> Iterator[str]:
    """Layer names of all tensors inside the nested arguments of a layer's call."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield node["config"]["keras_history"][0]
    elif isinstance(node, dict):
        for value in node.values():
            yield from _tensors(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _tensors(value)
