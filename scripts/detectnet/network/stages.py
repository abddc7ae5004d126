"""Progressive input: the first steps of a training see small windows, the last ones whole pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from detectnet.errors import UserError

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class Stage:
    """Steps that see pictures of one size.

    Attributes:
        start, end: numbers of its first step, counted from 0, and of the step after its last.
        width, height: of the pictures, pixels.
        work: what one of its steps costs, in steps of the network's full size.
    """

    start: int
    end: int
    width: int
    height: int
    work: float = 1.0


def stages_of(experiment: Message, total_steps: int) -> tuple[Stage, ...]:
    """The stages of ``training_config.input_stages``, and the rest of the training at full size.

    A stage ends after ``until`` of all steps, rounded up; one without a step is left out.

    Raises:
        UserError: a stage does not end after the one before it, or is larger than the network's input.
    """
    picture = experiment.augmentation_config.preprocessing
    width, height = picture.output_image_width, picture.output_image_height
    made = []
    for given in experiment.training_config.input_stages:
        if given.width > width or given.height > height:
            raise UserError(
                f"a stage of {given.width} x {given.height} pixels",
                where=given.where(),
                allowed=f"at most the network's input, {width} x {height}",
            )
        # as written: 0.55 of 100 steps are 55, where the nearest binary number would give 56
        end = math.ceil(Fraction(str(given.until)) * total_steps)
        made.append((end, given.width, given.height, given.where("until")))
    stages, start = [], 0
    for end, wide, high, where in [*made, (total_steps, width, height, None)]:
        if end < start:
            raise UserError("the stage ends before the one before it", where=where)
        if end > start:
            stages.append(Stage(start, end, wide, high, wide * high / (width * height)))
        start = end
    return tuple(stages)


def work_left(stages: Sequence[Stage], step: int) -> float:
    """What is left to do after ``step`` steps, in steps of the network's full size."""
    return sum(max(stage.end - max(step, stage.start), 0) * stage.work for stage in stages)
