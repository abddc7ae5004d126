"""The moving average of a network's weights, which generalises better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf


class WeightAverage:
    """Exponential moving average of all weights of a model, the statistics of batch normalisation too.

    Attributes:
        variables: the averages, float32, in the order of ``model.weights``; they begin as the weights.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        """``decay`` is the share of the old average, in (0, 1)."""
        self._weights, self._decay = model.weights, decay
        # of an array, because Keras takes over a TensorFlow variable and would average it with itself
        self.variables = [
            keras.Variable(weight.numpy(), trainable=False, dtype="float32") for weight in model.weights
        ]

    def update(self, steps: tf.Tensor) -> None:
        """Take in the weights after ``steps`` steps, a scalar from 1 on.

        The decay is min(decay, (1 + steps) / (10 + steps)): early averages forget the random beginning.
        """
        steps = tf.cast(steps, tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + steps) / (10 + steps))
        for average, weight in zip(self.variables, self._weights, strict=True):
            average.assign(average.value + share * (weight.value - average.value))

    def apply(self) -> None:
        """Give the model the averages as its weights."""
        for average, weight in zip(self.variables, self._weights, strict=True):
            weight.assign(average.value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averages as its weights inside the block, and its own again after it."""
        own = [tf.identity(weight.value) for weight in self._weights]
        self.apply()
        try:
            yield
        finally:
            for weight, value in zip(self._weights, own, strict=True):
                weight.assign(value)
