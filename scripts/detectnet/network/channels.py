"""Following channels through a Keras graph: who writes them, which survive, and a copy without the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from detectnet.errors import UserError
from detectnet.network.graph import sources

Indices = np.ndarray

_ELEMENTWISE = (
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
)
_PASSING = (
    layers.InputLayer,
    layers.BatchNormalization,
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.ZeroPadding2D,
    layers.UpSampling2D,
    layers.Dropout,
)


@dataclass(frozen=True)
class Node:
    """A layer, as far as channels (the last axis) matter.

    Attributes:
        name: of the layer.
        sources: layers that its inputs come from.
        channels: of its output.
        makes_channels: a convolution whose filters are its channels.
        depthwise: a depthwise convolution: one filter per channel.
        elementwise: its inputs are combined channel by channel.
        concatenates: its inputs are put one after the other.
        weights: as the layer holds them; a convolution's kernel is the first.
    """

    name: str
    sources: tuple[str, ...]
    channels: int
    makes_channels: bool
    depthwise: bool
    elementwise: bool
    concatenates: bool
    weights: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Writers:
    """The convolutions nearest before some layers; ``whole`` if their channels are exactly those layers'."""

    layers: set[str]
    whole: bool


def graph(model: keras.Model) -> dict[str, Node]:
    """The layers of a functional model in an order where sources come first.

    Raises:
        UserError: a layer whose channels cannot be followed.
    """
    inputs = sources(model)
    nodes: dict[str, Node] = {}
    while len(nodes) < len(inputs):
        ready = [
            name for name, parents in inputs.items() if name not in nodes and nodes.keys() >= set(parents)
        ]
        nodes |= {name: _node(model.get_layer(name), inputs[name]) for name in ready}
    return nodes


def writers(nodes: dict[str, Node], names: Iterable[str]) -> Writers:
    """Who writes the channels that layers ``names`` put out.

    ``whole`` is False where a path ends at the model's input, or goes through a concatenation, after which a
    channel of the output is not the channel of the same number in its convolution.
    """
    found: set[str] = set()
    seen: set[str] = set()
    whole = True
    left = list(names)
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        node = nodes[name]
        if node.makes_channels or node.depthwise:
            found.add(name)
            continue
        whole = whole and bool(node.sources) and not node.concatenates
        left.extend(node.sources)
    return Writers(found, whole)


def prunable_groups(nodes: dict[str, Node], protected: Iterable[str]) -> list[list[str]]:
    """Convolutions that must keep the same channels, in the order of the graph; only what may be pruned.

    Groups that overlap are one group; a protected member protects all.
    """
    order = [name for name, node in nodes.items() if node.makes_channels or node.depthwise]
    sets = [{name} for name in order]
    fixed = set(protected)
    for name, node in nodes.items():
        if not (node.elementwise or node.depthwise):
            continue
        found = writers(nodes, node.sources)
        wide = {one for one in found.layers if nodes[one].channels == node.channels}
        together = wide | {name} if node.depthwise else wide
        fixed |= found.layers - wide
        if not found.whole:
            fixed |= together
        merged = set().union(together, *(one for one in sets if one & together))
        sets = [one for one in sets if not one & together] + [merged]
    free = [sorted(one, key=order.index) for one in sets if not one & fixed]
    return sorted(free, key=lambda one: order.index(one[0]))


def origins(nodes: dict[str, Node], groups: list[list[str]]) -> dict[str, Indices]:
    """For every layer, where each channel of its output comes from.

    Returns:
        (channels,) int64 by layer: the number of the prunable channel, counted through the groups one after
        the other; -1 for a channel that always stays.
    """
    sizes = [nodes[group[0]].channels for group in groups]
    starts = np.cumsum([0, *sizes])
    written = {
        name: np.arange(start, start + size)
        for group, start, size in zip(groups, starts, sizes)
        for name in group
    }
    found: dict[str, Indices] = {}
    for name, node in nodes.items():
        if node.makes_channels or not node.sources:
            found[name] = written.get(name, np.full(node.channels, -1))
        elif node.concatenates:
            found[name] = np.concatenate([found[source] for source in node.sources])
        else:
            found[name] = found[_widest(nodes, node)]
    return found


def surviving(nodes: dict[str, Node], kept: dict[str, Indices]) -> dict[str, Indices]:
    """For every layer the indices of its output channels that are left, ascending.

    Args:
        kept: of pruned convolutions; the others keep all their filters.
    """
    channels: dict[str, Indices] = {}
    for name, node in nodes.items():
        if node.makes_channels or not node.sources:
            channels[name] = kept.get(name, np.arange(node.channels))
        elif node.concatenates:
            starts = np.cumsum([0, *(nodes[source].channels for source in node.sources[:-1])])
            parts = [start + channels[source] for start, source in zip(starts, node.sources)]
            channels[name] = np.concatenate(parts)
        else:
            channels[name] = channels[_widest(nodes, node)]
    return channels


def parameters(nodes: dict[str, Node], channels: dict[str, Indices]) -> int:
    """Numbers in all variables once only ``channels`` are left."""
    return sum(
        int(np.prod(_sliced_shape(weight.shape, _axes(node, weight, channels))))
        for node in nodes.values()
        for weight in node.weights
    )


def sliced(model: keras.Model, nodes: dict[str, Node], channels: dict[str, Indices]) -> keras.Model:
    """A copy of ``model`` that has only ``channels``; layers are made again from their configurations."""

    def smaller(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if nodes[layer.name].makes_channels:
            config["filters"] = len(channels[layer.name])
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=smaller)
    for name, node in nodes.items():
        copy.get_layer(name).set_weights(
            [_take(weight, _axes(node, weight, channels)) for weight in node.weights]
        )
    return copy


def _widest(nodes: dict[str, Node], node: Node) -> str:
    """The source that says which channels are left; a broadcast one has a single channel."""
    return max(node.sources, key=lambda source: nodes[source].channels)


def _node(layer: layers.Layer, parents: list[str]) -> Node:
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    makes = type(layer) is layers.Conv2D
    elementwise = isinstance(layer, _ELEMENTWISE)
    concatenates = isinstance(layer, layers.Concatenate)
    where = f"layer {layer.name}"
    if not (depthwise or makes or elementwise or concatenates or isinstance(layer, _PASSING)):
        raise UserError(f"pruning does not know layers of class {type(layer).__name__}", where=where)
    if (makes and layer.groups != 1) or (depthwise and layer.depth_multiplier != 1):
        raise UserError(
            "pruning does not know convolutions in groups, or a depth multiplier above 1", where=where
        )
    if concatenates and layer.axis not in (-1, 3):
        raise UserError("pruning follows concatenations of channels only", where=where, allowed="axis 3")
    weights = tuple(np.asarray(weight) for weight in layer.get_weights())
    channels = layer.output.shape[-1]
    return Node(layer.name, tuple(parents), channels, makes, depthwise, elementwise, concatenates, weights)


def _axes(node: Node, weight: np.ndarray, channels: dict[str, Indices]) -> dict[int, Indices]:
    """Which indices of which axes of a layer's weight are left."""
    own = channels[node.name]
    if weight.ndim == 1:
        return {0: own}
    if node.depthwise:
        return {2: own}
    return {2: channels[node.sources[0]], 3: own}


def _sliced_shape(shape: tuple[int, ...], axes: dict[int, Indices]) -> tuple[int, ...]:
    return tuple(len(axes[axis]) if axis in axes else size for axis, size in enumerate(shape))


def _take(weight: np.ndarray, axes: dict[int, Indices]) -> np.ndarray:
    for axis, indices in axes.items():
        weight = np.take(weight, indices, axis=axis)
    return weight
