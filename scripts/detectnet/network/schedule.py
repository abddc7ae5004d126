"""The learning rate of every step, as a pure function of the share of training that is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectnet.errors import UserError

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class SoftStartAnnealing:
    """Log-linear rise to the maximum, a plateau, and a log-linear fall back to the minimum.

    Attributes:
        minimum, maximum: learning rates, > 0.
        soft_start: share of training over which the rate rises; 0 starts at the maximum.
        annealing: share of training after which it falls; 1 never falls.
    """

    minimum: float
    maximum: float
    soft_start: float
    annealing: float

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
                allowed="soft_start_annealing_schedule",
            )
        given = rate.soft_start_annealing_schedule
        made = cls(given.min_learning_rate, given.max_learning_rate, given.soft_start, given.annealing)
        if not (0 < made.minimum <= made.maximum and 0 <= made.soft_start <= made.annealing <= 1):
            raise UserError(
                f"{made} is not a schedule",
                where=rate.where("soft_start_annealing_schedule"),
                allowed="0 < min_learning_rate <= max_learning_rate and 0 <= soft_start <= annealing <= 1",
            )
        return made

    def rate(self, step: int, total_steps: int) -> float:
        """The learning rate of ``step``, counted from 0, of ``total_steps``."""
        progress = step / total_steps
        if progress < self.soft_start:
            level = progress / self.soft_start
        elif progress > self.annealing:
            level = (1 - progress) / (1 - self.annealing)
        else:
            level = 1.0
        return self.minimum * (self.maximum / self.minimum) ** level
