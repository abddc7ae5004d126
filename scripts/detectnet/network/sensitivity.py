"""What pruning costs in accuracy: the task cost on calibration pictures while channels are taken away.

A channel is taken away by zeroing, in every convolution that reads it, the weights that it meets: nothing has
to be built again, and the outputs are those of the pruned network. Batch normalisation uses the statistics of
the batch, as it would once it was recalibrated or trained again; with those of training a small cut would
already look ruinous, because every later layer is fed out of its range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import progress
from detectnet.network.channels import Indices, Node, origins
from detectnet.network.inputs import InputSettings, plain_feed, to_network
from detectnet.network.loss import LossSettings, costs, weighted
from detectnet.network.model import with_policy
from detectnet.network.predict import index_of
from detectnet.network.targets import Targets

if TYPE_CHECKING:
    from detectnet.spec import Message

BATCH = 4


@dataclass(frozen=True)
class Calibration:
    """Pictures of the training fold, as the network sees them, and their cost.

    Attributes:
        batches: pictures uint8 (B, H, W, C) and their targets.
        loss: the spec's cost.
        policy: Keras dtype policy that the network is measured in.
        digest: sha256 of the records that the pictures are from.
    """

    batches: tuple[tuple[tf.Tensor, Targets], ...]
    loss: LossSettings
    policy: str
    digest: str

    @property
    def pictures(self) -> int:
        """How many there are."""
        return sum(len(pictures) for pictures, _ in self.batches)


def calibration_of(
    experiment: Message, shards: Sequence[PathLike], count: int, *, threads: int = 2
) -> Calibration:
    """``count`` pictures at equal distances in the records, unchanged but for their size.

    All of them where there are fewer.

    Args:
        experiment: the spec of the training: sizes, classes, rasteriser, cost.
        shards: record files of the training fold.
        count: 1 or more.

    Raises:
        UserError: the records cannot be read, or hold no picture.
    """
    records = index_of(experiment, shards)
    chosen = np.unique(np.linspace(0, len(records) - 1, count).round().astype(int))
    records = replace(records, frames=tuple(records.frames[place] for place in chosen))
    feed = plain_feed(records, InputSettings.from_spec(experiment, threads), batch=BATCH)
    policy = "mixed_bfloat16" if experiment.training_config.mixed_bfloat16 else "float32"
    return Calibration(tuple(feed), LossSettings.from_spec(experiment), policy, records.digest)


class Probe:
    """A copy of a network whose channels can be taken away group by group."""

    def __init__(
        self,
        model: keras.Model,
        nodes: dict[str, Node],
        groups: Sequence[list[str]],
        calibration: Calibration,
    ) -> None:
        """``nodes`` is the ``graph`` of the model, ``groups`` its ``prunable_groups``.

        Raises:
            UserError: the pictures are of another size than the model's input.
        """
        check_size(model, calibration)
        self._model, self._nodes, self._calibration = _copy(model, calibration.policy), nodes, calibration
        self._starts = np.cumsum([0, *(nodes[group[0]].channels for group in groups)])
        made = origins(nodes, groups)
        self._read = {name: made[node.sources[0]] for name, node in nodes.items() if node.makes_channels}

    def importance(self) -> list[np.ndarray]:
        """How much the layers behind a group get from each of its channels, (channels,) float64 each, >= 0.

        Each output of a convolution is a sum over the channels that it reads. Channel c adds about the sum of
        its squared weights times the variance of c to the output's variance (times its mean square where no
        batch normalisation follows, which would take the mean out). Importance is its share in that, averaged
        over the outputs and summed over the convolutions.

        Norms are those of weights that batch normalisation scales anyway; and the gradient, as in Taylor
        importance, needs far more pictures than these: it ranks well on the pictures it was measured with and
        badly on others.
        """
        shares = np.zeros(self._starts[-1])
        spreads = self._spreads()
        for name, read in self._read.items():
            prunable = read >= 0
            if prunable.any():
                squares = np.square(self._nodes[name].weights[0].astype(np.float64)).sum(axis=(0, 1))
                added = squares * spreads[name][:, np.newaxis]
                total = added.sum(axis=0)
                share = np.divide(added, total, out=np.zeros_like(added), where=total > 0).mean(axis=1)
                np.add.at(shares, read[prunable], share[prunable])
        return [shares[start:end] for start, end in pairwise(self._starts)]

    def _spreads(self) -> dict[str, np.ndarray]:
        """For every convolution the variance, or mean square, of the channels that it reads."""
        sources = sorted({self._nodes[name].sources[0] for name in self._read})
        network = keras.Model(self._model.inputs, [self._model.get_layer(name).output for name in sources])

        @tf.function(reduce_retracing=True)
        def moments(pictures: tf.Tensor) -> list[tf.Tensor]:
            made = [tf.cast(one, tf.float32) for one in network(to_network(pictures), training=True)]
            return [tf.reduce_mean(tf.stack([one, tf.square(one)]), axis=(1, 2, 3)) for one in made]

        sums = [np.zeros((2, self._nodes[name].channels)) for name in sources]
        for pictures, _ in progress(self._calibration.batches, what="ranking channels", unit="batches"):
            for total, found in zip(sums, moments(pictures), strict=True):
                total += found.numpy() * len(pictures) / self._calibration.pictures
        found = dict(zip(sources, sums, strict=True))
        normalised = {
            source
            for name, node in self._nodes.items()
            if isinstance(self._model.get_layer(name), layers.BatchNormalization)
            for source in node.sources
        }
        spreads = {}
        for name in self._read:
            mean, square = found[self._nodes[name].sources[0]]
            spreads[name] = np.maximum(square - mean**2, 0) if name in normalised else square
        return spreads

    def losses(
        self, stays: Sequence[Indices], cuts: Sequence[Sequence[Indices]]
    ) -> tuple[float, list[np.ndarray]]:
        """The mean task cost of a picture, with some channels of every group, and with one group changed.

        Only the part of the network behind a change is computed again.

        Args:
            stays: for every group the indices of its channels that are left.
            cuts: for every group others, as many times as it shall be changed; empty for no changes at all.

        Returns:
            The cost with ``stays``, and for every group those of its cuts.
        """
        tails = [self._tail(group) for group in range(len(cuts))]
        before = sorted({name for tail in tails for name in tail.inputs})
        outputs = [self._model.get_layer(name).output for name in before]
        whole = keras.Model(self._model.inputs, [*outputs, *self._model.outputs])
        forward = tf.function(partial(_forward, whole), reduce_retracing=True)
        base, sums = 0.0, [np.zeros(len(some)) for some in cuts]
        self._mask(self._read, stays)
        for pictures, targets in progress(self._calibration.batches, what="changing widths", unit="batches"):
            made = forward(pictures)
            base += float(self._cost(made[len(before) :], targets)) * len(pictures)
            at = dict(zip(before, made))
            for group, (tail, some) in enumerate(zip(tails, cuts, strict=True)):
                given = [at[name] for name in tail.inputs]
                for place, changed in enumerate(some):
                    self._mask(tail.readers, [*stays[:group], changed, *stays[group + 1 :]])
                    sums[group][place] += float(tail.run(given, targets)) * len(pictures)
                self._mask(tail.readers, stays)
        count = self._calibration.pictures
        return base / count, [one / count for one in sums]

    def _mask(self, readers: Iterable[str], stays: Sequence[Indices]) -> None:
        """Let these convolutions read only the channels of each group that are left."""
        alive = np.zeros(self._starts[-1] + 1, bool)
        alive[-1] = True  # where a channel that always stays is looked up
        for start, indices in zip(self._starts, stays):
            alive[start + indices] = True
        for name in readers:
            kernel = self._nodes[name].weights[0] * alive[self._read[name]][:, np.newaxis]
            self._model.get_layer(name).kernel.assign(kernel)

    def _cost(self, outputs: Sequence[tf.Tensor], targets: Targets) -> tf.Tensor:
        bbox, cov = outputs
        loss = self._calibration.loss
        return weighted(costs(cov, bbox, targets, loss), np.array(loss.initial_weight), loss)

    def _tail(self, group: int) -> _Tail:
        """The part of the network from where it reads the channels of a group."""
        start, end = self._starts[group : group + 2]
        readers = [name for name, read in self._read.items() if ((read >= start) & (read < end)).any()]
        behind = {*readers, *self._model.output_names}
        for name, node in self._nodes.items():
            if behind.intersection(node.sources):
                behind.add(name)
        inputs = sorted({source for name in behind for source in self._nodes[name].sources} - behind)
        network = keras.Model([self._model.get_layer(name).output for name in inputs], self._model.outputs)
        # not a function of its own: TensorFlow would take all of them for one that is traced too often
        run = tf.function(partial(self._end, network), reduce_retracing=True)
        return _Tail(readers, inputs, run)

    def _end(self, network: keras.Model, given: list[tf.Tensor], targets: Targets) -> tf.Tensor:
        return self._cost(network(given, training=True), targets)


class _Tail(NamedTuple):
    """The part of a network from where it reads the channels of a group.

    Attributes:
        readers: convolutions that read the group.
        inputs: layers before it whose outputs it needs.
        run: outputs of ``inputs`` and targets to the cost.
    """

    readers: list[str]
    inputs: list[str]
    run: Callable[[list[tf.Tensor], Targets], tf.Tensor]


def _forward(network: keras.Model, pictures: tf.Tensor) -> list[tf.Tensor]:
    return network(to_network(pictures), training=True)


def recalibrate(model: keras.Model, calibration: Calibration) -> None:
    """Give a model's batch normalisation the statistics of the calibration pictures, in place.

    Mean and variance are averages over the batches. Every layer sees what the recalibrated layers before it
    put out; nothing is learnt.

    Raises:
        UserError: the pictures are of another size than the model's input.
    """
    check_size(model, calibration)
    copy = _copy(model, "float32")
    norms = [one for one in copy.layers if isinstance(one, layers.BatchNormalization)]
    done = 0
    for pictures, _ in progress(calibration.batches, what="recalibrating", unit="batches"):
        for norm in norms:
            norm.momentum = done / (done + len(pictures))
        done += len(pictures)
        copy(to_network(pictures), training=True)
    model.set_weights(copy.get_weights())


def check_size(model: keras.Model, calibration: Calibration) -> None:
    """Refuse pictures of another size than the model's input.

    Raises:
        UserError: they are.
    """
    pictures, _ = calibration.batches[0]
    if model.input_shape[1:] != tuple(pictures.shape[1:]):
        height, width, channels = model.input_shape[1:]
        raise UserError(
            f"the network takes {width} x {height} x {channels}, the spec gives pictures of "
            f"{pictures.shape[2]} x {pictures.shape[1]} x {pictures.shape[3]}",
            where="augmentation_config.preprocessing",
            remedy="Give the spec that the network was trained with.",
        )


def _copy(model: keras.Model, policy: str) -> keras.Model:
    """With the same weights, for passes in training mode: without dropout, and nothing is frozen."""

    def clone(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config() | {"trainable": True}
        if isinstance(layer, layers.Dropout):
            config["rate"] = 0.0
        return type(layer).from_config(config)

    copy = keras.models.clone_model(with_policy(model, policy), clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy
