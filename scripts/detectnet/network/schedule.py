"""The learning rate of every step: a pure function of the step, and of when patience ran out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from detectnet.errors import UserError

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class Patience:
    """How validation went so far, as far as a schedule asks.

    Attributes:
        best_cost: smallest validation cost, None before the first; with the annealing it starts afresh.
        best_epoch: when it was reached, 1-based.
        annealing_step: steps done when the annealing began, None before it.
        stopped: the training is over before its last epoch.
    """

    best_cost: float | None = None
    best_epoch: int = 0
    annealing_step: int | None = None
    stopped: bool = False


@dataclass(frozen=True)
class SoftStartAnnealing:
    """Log-linear rise to the maximum, a plateau, and a fall back to the minimum.

    Attributes:
        minimum, maximum: learning rates, > 0.
        soft_start: share of training over which the rate rises; 0 starts at the maximum.
        annealing: share of training after which it falls; 1 never falls.
        cosine: it falls along half a cosine (Loshchilov and Hutter 2017) instead of log-linearly.
    """

    minimum: float
    maximum: float
    soft_start: float
    annealing: float
    cosine: bool = False

    @classmethod
    def from_spec(cls, experiment: Message) -> SoftStartAnnealing:
        """Read ``training_config.learning_rate.soft_start_annealing_schedule``.

        Raises:
            UserError: the schedule is absent, or its numbers make no schedule.
        """
        rate = experiment.training_config.learning_rate
        if not rate.has("soft_start_annealing_schedule"):
            raise UserError(
                "no learning rate schedule that can be followed",
                where=experiment.where("training_config"),
                allowed="soft_start_annealing_schedule, early_stopping_annealing_schedule",
            )
        given = rate.soft_start_annealing_schedule
        made = cls(
            given.min_learning_rate,
            given.max_learning_rate,
            given.soft_start,
            given.annealing,
            given.annealing_shape == "COSINE",
        )
        if not (0 < made.minimum <= made.maximum and 0 <= made.soft_start <= made.annealing <= 1):
            raise UserError(
                f"{made} is not a schedule",
                where=rate.where("soft_start_annealing_schedule"),
                allowed="0 < min_learning_rate <= max_learning_rate and 0 <= soft_start <= annealing <= 1",
            )
        return made

    def rate(self, step: int, total_steps: int, patience: Patience) -> float:
        """The learning rate of ``step``, counted from 0, of ``total_steps``, however validation goes."""
        progress = step / total_steps
        if progress < self.soft_start:
            level = progress / self.soft_start
        elif progress > self.annealing:
            level = (1 - progress) / (1 - self.annealing)
            if self.cosine:
                return self.minimum + (self.maximum - self.minimum) * (1 - math.cos(math.pi * level)) / 2
        else:
            level = 1.0
        return _between(self.minimum, self.maximum, level)

    def validated(self, patience: Patience, step: int, epoch: int, cost: float) -> Patience:
        """What is known after a validation: this schedule asks for nothing."""
        return patience


@dataclass(frozen=True)
class EarlyStopping:
    """Log-linear rise to the maximum until validation gets no better, then the fall, then the end.

    The rule is TAO's: the first time that patience runs out the annealing begins, and the best cost is
    counted from there; when it runs out again and the annealing is done, training stops.

    Attributes:
        minimum, maximum: learning rates, > 0.
        soft_start: epochs over which the rate rises; 0 starts at the maximum.
        annealing: epochs over which it falls.
        patience: epochs without a smaller validation cost.
        steps_per_epoch: of this training.
    """

    minimum: float
    maximum: float
    soft_start: int
    annealing: int
    patience: int
    steps_per_epoch: int

    @classmethod
    def from_spec(cls, experiment: Message, steps_per_epoch: int) -> EarlyStopping:
        """Read ``training_config.learning_rate.early_stopping_annealing_schedule``.

        Raises:
            UserError: its numbers make no schedule.
        """
        rate, config = experiment.training_config.learning_rate, experiment.training_config
        given = rate.early_stopping_annealing_schedule
        period = experiment.evaluation_config.validation_period_during_training
        made = cls(
            given.min_learning_rate,
            given.max_learning_rate,
            given.soft_start_epochs,
            given.annealing_epochs,
            given.patience_steps,
            steps_per_epoch,
        )
        if not (0 < made.minimum <= made.maximum and 1 <= period <= made.patience <= config.num_epochs):
            raise UserError(
                f"{made} is not a schedule for {config.num_epochs} epochs with a validation every {period}",
                where=rate.where("early_stopping_annealing_schedule"),
                allowed="0 < min_learning_rate <= max_learning_rate and "
                "validation_period_during_training <= patience_steps (they are epochs) <= num_epochs",
            )
        return made

    def rate(self, step: int, total_steps: int, patience: Patience) -> float:
        """The learning rate of ``step``, counted from 0; the length of the training does not matter."""
        if patience.annealing_step is not None and step >= patience.annealing_step:
            level = max(1 - (step - patience.annealing_step) / self._steps(self.annealing), 0.0)
        else:
            level = min(step / self._steps(self.soft_start), 1.0) if self.soft_start else 1.0
        return _between(self.minimum, self.maximum, level)

    def validated(self, patience: Patience, step: int, epoch: int, cost: float) -> Patience:
        """What is known after the validation at the end of ``epoch``, with ``step`` steps done."""
        if patience.best_cost is None or cost < patience.best_cost:
            return replace(patience, best_cost=cost, best_epoch=epoch)
        if epoch - patience.best_epoch < self.patience:
            return patience
        if patience.annealing_step is None:
            return Patience(cost, epoch, annealing_step=step)
        return replace(patience, stopped=step - patience.annealing_step >= self._steps(self.annealing))

    def _steps(self, epochs: int) -> int:
        return epochs * self.steps_per_epoch


Schedule = SoftStartAnnealing | EarlyStopping


def steps_of_epoch(training_config: Message, pictures: int) -> int:
    """Steps of an epoch: ``steps_per_epoch``, or as many as draw as many pictures as there are."""
    return training_config.steps_per_epoch or math.ceil(pictures / training_config.batch_size_per_gpu)


def schedule_of(experiment: Message, steps_per_epoch: int) -> Schedule:
    """The schedule that ``training_config.learning_rate`` gives.

    Raises:
        UserError: there is none, or its numbers make no schedule.
    """
    if experiment.training_config.learning_rate.has("early_stopping_annealing_schedule"):
        return EarlyStopping.from_spec(experiment, steps_per_epoch)
    return SoftStartAnnealing.from_spec(experiment)


def _between(minimum: float, maximum: float, level: float) -> float:
    return minimum * (maximum / minimum) ** level
