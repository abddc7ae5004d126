"""One optimisation step, and one forward pass with its cost, as compiled TensorFlow functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import keras
import tensorflow as tf

from detectnet.network.inputs import to_network
from detectnet.network.loss import LossSettings, costs, weighted
from detectnet.network.model import regularization_loss
from detectnet.network.targets import Targets

if TYPE_CHECKING:
    from detectnet.spec import Message

LOSSES = ("loss", "task_loss", "regularization_loss")


class StepResult(NamedTuple):
    """What a step says of itself.

    Attributes:
        losses: (3,) float32 in the order of ``LOSSES``.
        costs: (C, 2) float32, mean cost per class and objective, not weighed.
    """

    losses: tf.Tensor
    costs: tf.Tensor


class Prediction(NamedTuple):
    """Outputs of a batch and their cost: cov (B, h, w, C), bbox (B, h, w, 4C), costs (C, 2); float32."""

    cov: tf.Tensor
    bbox: tf.Tensor
    costs: tf.Tensor


def adam(experiment: Message) -> keras.optimizers.Adam:
    """The spec's optimizer. Keras' Adam is TensorFlow 1's: epsilon is added to sqrt(v) before correction."""
    given = experiment.training_config.optimizer.adam
    return keras.optimizers.Adam(beta_1=given.beta1, beta_2=given.beta2, epsilon=given.epsilon)


class TrainingStep:
    """Forward, backward and update. Pictures are uint8 (B, H, W, C), as the input pipeline makes them."""

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, loss: LossSettings) -> None:
        self.model, self.optimizer, self._loss = model, optimizer, loss
        optimizer.build(model.trainable_variables)
        self._run = tf.function(self._step)

    def __call__(
        self, pictures: tf.Tensor, targets: Targets, learning_rate: float, objective_weights: tf.Tensor
    ) -> StepResult:
        """Run one step with this learning rate and these (C, 2) objective weights."""
        return self._run(pictures, targets, tf.constant(learning_rate, tf.float32), objective_weights)

    def _step(
        self, pictures: tf.Tensor, targets: Targets, learning_rate: tf.Tensor, objective_weights: tf.Tensor
    ) -> StepResult:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            bbox, cov = self.model(to_network(pictures), training=True)
            cost = costs(cov, bbox, targets, self._loss)
            task = weighted(cost, objective_weights, self._loss)
            penalty = tf.cast(
                regularization_loss(self.model, self._loss.regularization, self._loss.regularization_weight),
                tf.float32,
            )
            total = task + penalty
        gradients = tape.gradient(total, [variable.value for variable in variables])
        self.optimizer.learning_rate.assign(learning_rate)
        self.optimizer.apply(gradients, variables)
        return StepResult(tf.stack([total, task, penalty]), cost)


class EvaluationStep:
    """Forward with the statistics of training; nothing is updated."""

    def __init__(self, model: keras.Model, loss: LossSettings) -> None:
        self._model, self._loss = model, loss
        self._run = tf.function(self._step, reduce_retracing=True)

    def __call__(self, pictures: tf.Tensor, targets: Targets) -> Prediction:
        """Outputs and cost of a batch of any size."""
        return self._run(pictures, targets)

    def _step(self, pictures: tf.Tensor, targets: Targets) -> Prediction:
        bbox, cov = self._model(to_network(pictures), training=False)
        return Prediction(cov, bbox, costs(cov, bbox, targets, self._loss))
