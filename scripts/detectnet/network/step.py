"""One optimisation step, and one forward pass with its cost, as compiled TensorFlow functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import keras
import tensorflow as tf

from detectnet.network.averaging import WeightAverage
from detectnet.network.distillation import Teacher
from detectnet.network.graph import convolutions
from detectnet.network.inputs import to_network
from detectnet.network.loss import LossSettings, costs, weighted
from detectnet.network.model import at_size, regularization_loss
from detectnet.network.targets import Targets

if TYPE_CHECKING:
    from detectnet.spec import Message

LOSSES = ("loss", "task_loss", "regularization_loss")
TAUGHT = (*LOSSES, "distillation_loss")


class StepResult(NamedTuple):
    """What a step says of itself.

    Attributes:
        losses: float32 in the order of the step's ``losses``.
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
    return keras.optimizers.Adam(
        beta_1=given.beta1,
        beta_2=given.beta2,
        epsilon=given.epsilon,
        weight_decay=given.weight_decay or None,
        global_clipnorm=given.clip_norm or None,
    )


class TrainingStep:
    """Forward, backward and update. Pictures are uint8 (B, H, W, C), as the input pipeline makes them.

    Pictures of another size than the network's go through the same layers.

    Attributes:
        model, optimizer: they are updated.
        average: of the model's weights, or None.
        losses: names of what a step costs: ``LOSSES``, with a teacher ``TAUGHT``.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        loss: LossSettings,
        *,
        ema_decay: float = 0.0,
        teacher: Teacher | None = None,
    ) -> None:
        """Without ``ema_decay``, in [0, 1), nothing is averaged."""
        self.model, self.optimizer, self._loss, self._teacher = model, optimizer, loss, teacher
        self.losses = TAUGHT if teacher else LOSSES
        self.average = WeightAverage(model, ema_decay) if ema_decay else None
        if optimizer.weight_decay:
            kernels = {id(layer.kernel) for layer in convolutions(model)}
            others = [one for one in model.trainable_variables if id(one) not in kernels]
            optimizer.exclude_from_weight_decay(var_list=others)
        optimizer.build(model.trainable_variables)
        self._sized: dict[tuple[int, ...], list[keras.Model]] = {}
        self._run = tf.function(self._step)

    def __call__(
        self, pictures: tf.Tensor, targets: Targets, learning_rate: float, objective_weights: tf.Tensor
    ) -> StepResult:
        """Run one step with this learning rate and these (C, 2) objective weights."""
        size = tuple(pictures.shape[1:3])
        if size not in self._sized:
            networks = [self.model, self._teacher.model] if self._teacher else [self.model]
            self._sized[size] = [at_size(network, *size) for network in networks]
        return self._run(pictures, targets, tf.constant(learning_rate, tf.float32), objective_weights)

    def _step(
        self, pictures: tf.Tensor, targets: Targets, learning_rate: tf.Tensor, objective_weights: tf.Tensor
    ) -> StepResult:
        variables = self.model.trainable_variables
        student, *teachers = self._sized[tuple(pictures.shape[1:3])]
        lessons = [Teacher.targets(*teacher(to_network(pictures), training=False)) for teacher in teachers]
        with tf.GradientTape() as tape:
            bbox, cov = student(to_network(pictures), training=True)
            cost = costs(cov, bbox, targets, self._loss)
            task = weighted(cost, objective_weights, self._loss)
            taught = [
                weighted(self._teacher.costs(cov, bbox, lesson), objective_weights, self._loss)
                for lesson in lessons
            ]
            penalty = tf.cast(
                regularization_loss(self.model, self._loss.regularization, self._loss.regularization_weight),
                tf.float32,
            )
            total = sum([penalty, *taught], start=task)
        gradients = tape.gradient(total, [variable.value for variable in variables])
        self.optimizer.learning_rate.assign(learning_rate)
        self.optimizer.apply(gradients, variables)
        if self.average:
            self.average.update(self.optimizer.iterations.value)
        return StepResult(tf.stack([total, task, penalty, *taught]), cost)


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
