"""What a network costs for given widths: parameters, operations, and the time that a device needs at least.

The time is that of a fused FP16 engine: a convolution, its batch normalisation, its activation and the
element-wise layer after it are one kernel, and so are the two heads. Every tensor is written once and read
once by each kernel that needs it, weights are read once. Concatenation and padding are free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import layers

from detectnet.devices import Device
from detectnet.network.channels import Node, graph, origins

_BYTES = 2  # of a number in FP16
_INPUT = -1  # the kernel that makes the input
_RESAMPLING = (layers.MaxPooling2D, layers.AveragePooling2D, layers.UpSampling2D)


class Cost(NamedTuple):
    """Of one picture at the network's input size; arrays where many widths were asked for.

    Attributes:
        parameters: numbers in all variables, as ``model.count_parameters``.
        flop: two for each multiply-add of a direct convolution, as ``model.flops``.
        milliseconds: lower bound on the device, summed over the kernels.
    """

    parameters: np.ndarray
    flop: np.ndarray
    milliseconds: np.ndarray


class CostModel:
    """The cost of a network as a function of the widths of its prunable groups.

    The channels of a layer are a sum of widths and a constant, and every cost is a sum of products of two of
    them, so that thousands of widths are evaluated by a few matrix products.

    Attributes:
        widths: (G,) int64, channels of every group before pruning.
    """

    def __init__(
        self, model: keras.Model, nodes: dict[str, Node], groups: Sequence[list[str]], device: Device
    ) -> None:
        """``nodes`` is the ``graph`` of a model of a fixed input size, ``groups`` its ``prunable_groups``."""
        self.widths = np.array([nodes[group[0]].channels for group in groups], np.int64)
        self._device, self._nodes = device, nodes
        self._layers = {name: model.get_layer(name) for name in nodes}
        # how often each layer has the channels of each group; last how many always stay
        owner = np.append(np.repeat(np.arange(len(groups)), self.widths), len(groups))
        self._channels = {
            name: np.bincount(owner[found], minlength=len(groups) + 1) // _with_one(self.widths)
            for name, found in origins(nodes, groups).items()
        }
        self._kernels: list[str] = []
        self._traffic: list[np.ndarray] = []
        self._find_kernels(frozenset(model.output_names))
        self._vectors = sum(
            weight.ndim == 1 and self._channels[name]
            for name, node in nodes.items()
            for weight in node.weights
        )

    def __call__(self, widths: np.ndarray) -> Cost:
        """The cost of widths (..., G)."""
        weights, flop, milliseconds = self._kernel_costs(widths)
        parameters = weights.sum(axis=-1) + _with_one(widths) @ self._vectors
        return Cost(parameters, flop.sum(axis=-1), milliseconds.sum(axis=-1))

    def table(self, widths: np.ndarray) -> pd.DataFrame:
        """``kernel`` (its convolutions), ``gflop`` and ``milliseconds`` of each kernel; widths (G,)."""
        _, flop, milliseconds = self._kernel_costs(widths)
        return pd.DataFrame({"kernel": self._kernels, "gflop": flop / 1e9, "milliseconds": milliseconds})

    def _kernel_costs(self, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, operations and milliseconds, (..., K) each."""
        channels = _with_one(widths)
        weights = (channels @ self._inward.T) * (channels @ self._outward.T) * self._taps
        flop = 2 * (weights * self._area) @ self._member
        weights = weights @ self._member
        moved = _BYTES * (channels @ np.stack(self._traffic, axis=-1) + weights)
        return weights, flop, 1e3 * self._device.seconds(flop, moved)

    def _find_kernels(self, outputs: frozenset[str]) -> None:
        """Group the layers into kernels; note each convolution's channels, taps and area."""
        made_by: dict[str, int] = {}
        found: list[tuple[str, int]] = []
        readers = Counter(source for node in self._nodes.values() for source in node.sources)
        for name, node in self._nodes.items():
            if node.makes_channels or node.depthwise:
                made_by[name] = self._convolution(name, outputs, dict(found))
                found.append((name, made_by[name]))
            elif node.elementwise:
                made_by[name] = self._fused(node, made_by, readers)
            elif isinstance(self._layers[name], _RESAMPLING):
                made_by[name] = self._start(name, self._size(name) + self._size(node.sources[0]))
            else:
                made_by[name] = max((made_by[source] for source in node.sources), default=_INPUT)
        self._lay(found)

    def _convolution(self, name: str, outputs: frozenset[str], before: dict[str, int]) -> int:
        """The kernel of a convolution: its own, or that of another head on the same tensor."""
        source = self._nodes[name].sources
        twins = [one for one in before if one in outputs and self._nodes[one].sources == source]
        if name in outputs and twins and self._kernel_size(twins[0]) == self._kernel_size(name):
            kernel = before[twins[0]]
            self._kernels[kernel] += f" + {name}"
            self._traffic[kernel] += self._size(name)
            return kernel
        # a kernel smaller than its stride does not read every pixel
        stored = self._pixels(self._unpadded(source[0]))
        pixels = min(stored, self._pixels(name) * np.prod(self._kernel_size(name)))
        return self._start(name, pixels * self._channels[source[0]] + self._size(name))

    def _start(self, name: str, traffic: np.ndarray) -> int:
        self._kernels.append(name)
        self._traffic.append(traffic)
        return len(self._kernels) - 1

    def _fused(self, node: Node, made_by: dict[str, int], readers: Counter[str]) -> int:
        """The kernel that also combines its result with the other operands of an element-wise layer.

        Like TensorRT, it is the cheapest one that nothing else waits for: the projection of a residual block.
        """
        free = [one for one in node.sources if readers[one] == 1 and made_by[one] != _INPUT]
        own = min(free, key=lambda one: self._work(made_by[one]), default=node.sources[0])
        others = sum(self._size(one) for one in node.sources if one != own)
        if made_by[own] == _INPUT:
            return self._start(node.name, others + self._size(own) + self._size(node.name))
        self._traffic[made_by[own]] += others
        return made_by[own]

    def _work(self, kernel: int) -> int:
        """Multiply-adds for one channel in and one out."""
        layer = self._layers[self._kernels[kernel]]
        return self._pixels(layer.name) * int(np.prod(getattr(layer, "kernel_size", 1)))

    def _lay(self, found: list[tuple[str, int]]) -> None:
        nodes, constant = self._nodes, np.eye(1, len(self.widths) + 1, len(self.widths), dtype=np.int64)[0]
        names = [name for name, _ in found]
        inward = [
            constant if nodes[name].depthwise else self._channels[nodes[name].sources[0]] for name in names
        ]
        self._inward, self._outward = np.stack(inward), np.stack([self._channels[name] for name in names])
        self._taps = np.array([np.prod(self._kernel_size(name)) for name in names])
        self._area = np.array([self._pixels(name) for name in names])
        self._member = np.zeros((len(found), len(self._kernels)), np.int64)
        self._member[np.arange(len(found)), [kernel for _, kernel in found]] = 1

    def _kernel_size(self, name: str) -> tuple[int, int]:
        return self._layers[name].kernel_size

    def _unpadded(self, name: str) -> str:
        """The layer that writes what a padding layer hands on."""
        while isinstance(self._layers[name], layers.ZeroPadding2D):
            name = self._nodes[name].sources[0]
        return name

    def _pixels(self, name: str) -> int:
        _, rows, columns, _ = self._layers[name].output.shape
        return rows * columns

    def _size(self, name: str) -> np.ndarray:
        """Numbers in a layer's output, (G + 1,) by group."""
        return self._pixels(name) * self._channels[name]


def cost_model(model: keras.Model, device: Device) -> CostModel:
    """The cost of a network as it is: its ``widths`` are empty.

    Raises:
        UserError: a layer whose channels cannot be followed.
    """
    return CostModel(model, graph(model), [], device)


def _with_one(widths: np.ndarray) -> np.ndarray:
    """Widths (..., G) and the constant 1, (..., G + 1)."""
    widths = np.asarray(widths, np.int64)
    return np.concatenate([widths, np.ones((*widths.shape[:-1], 1), np.int64)], axis=-1)
