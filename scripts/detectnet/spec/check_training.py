"""Checks of training_config, augmentation_config and cost_function_config."""

from __future__ import annotations

import math

from detectnet.spec import findings
from detectnet.spec.findings import Found
from detectnet.spec.message import Message, parts_of
from detectnet.spec.problems import Problem

_SCHEDULES = ("soft_start_annealing_schedule", "early_stopping_annealing_schedule")
_SIDES = (
    ("crop_left", "crop_right"),
    ("crop_top", "crop_bottom"),
    ("output_image_min", "output_image_max"),
)
_SCALING = "cost_scaling"
_HIGH, _LOW = 0.1, 1e-8
"""Learning rates beyond these are hardly meant; Adam works from about 1e-6 to 1e-2."""


def check_training(spec: Message) -> Found:
    """Numbers that must agree with each other."""
    yield from _schedule(spec.training_config, spec.evaluation_config)
    for_tao = not _is_extended(spec)
    if for_tao:
        yield from _cost_scaling(spec.training_config)
    yield from _rotation(spec.augmentation_config.spatial_augmentation, for_tao)
    yield from _augmentation(spec.augmentation_config)
    yield from _objectives(spec.cost_function_config)
    yield from _stages(spec.training_config, spec.augmentation_config.preprocessing)
    yield from _teacher(spec.training_config, spec.model_config)


def _schedule(training: Message, evaluation: Message) -> Found:
    rate = training.learning_rate
    given = [name for name in _SCHEDULES if rate.has(name)]
    if training.has("learning_rate") and not given:
        yield findings.missing(rate, _SCHEDULES[0], " or ".join(_SCHEDULES))
    for name in given:
        yield from _rates(getattr(rate, name))
    soft = rate.soft_start_annealing_schedule
    if soft.soft_start > soft.annealing:
        fractions = "; both are fractions of the training"
        yield findings.disordered(soft, "soft_start", "annealing", (0.1, 0.7), fractions)
    if _SCHEDULES[1] in given:
        yield from _patience(rate.early_stopping_annealing_schedule, training, evaluation)


def _rates(schedule: Message) -> Found:
    low, high = schedule.min_learning_rate, schedule.max_learning_rate
    if not (schedule.has("min_learning_rate") and schedule.has("max_learning_rate")):
        return
    if low > high:
        yield findings.disordered(schedule, "min_learning_rate", "max_learning_rate", (5e-6, 5e-4))
    elif high > _HIGH or high < _LOW:
        text = f"{high:g} is hardly meant; usual are 1e-5 to 1e-3"
        yield findings.note(schedule, "max_learning_rate", text)
    elif low == high:
        text = f"equal to max_learning_rate: the rate stays at {low:g} from beginning to end"
        yield findings.note(schedule, "min_learning_rate", text)


def _patience(schedule: Message, training: Message, evaluation: Message) -> Found:
    """Epochs, despite the name: from one validation to the length of the training."""
    patience = schedule.patience_steps
    period, epochs = evaluation.validation_period_during_training, training.num_epochs
    if not schedule.has("patience_steps") or not training.has("num_epochs"):
        return
    if not period <= patience <= epochs:
        what = f"{patience} epochs of patience are out of range."
        allowed = f"{period} (validation_period_during_training) to {epochs} (num_epochs)"
        yield findings.problem(schedule, "patience_steps", what, allowed)


def _is_extended(message: Message) -> bool:
    """Whether the file has fields that TAO does not know, so that it is not meant for TAO."""
    below = [part for value in message._values.values() for part in parts_of(value)]
    return any(message._type.by_name[name].ours for name in message._values) or any(map(_is_extended, below))


def _cost_scaling(training: Message) -> Found:
    """What TAO demands of a message that bfloat16 makes needless."""
    scaling = training.cost_scaling
    if training._values and not training.has("cost_scaling"):
        text = f"TAO refuses this file: {_SCALING} is missing; nothing here needs it"
        yield findings.note(training, _SCALING, text)
        return
    for field in ("initial_exponent", "increment", "decrement"):
        if training.has(_SCALING) and getattr(scaling, field) <= 0:
            text = f"TAO refuses this file: {getattr(scaling, field):g} is not above 0; nothing here needs it"
            yield findings.note(scaling, field, text)


def _augmentation(augmentation: Message) -> Found:
    spatial = augmentation.spatial_augmentation
    if augmentation.preprocessing.enable_auto_resize:
        text = (
            "pictures are stretched to the input, aspect not kept, in training, evaluation, inference and "
            "DeepStream; the rules letterbox them instead and refuse it"
        )
        yield findings.note(augmentation.preprocessing, "enable_auto_resize", text)
    if spatial.zoom_min > spatial.zoom_max:
        # 1 is no zoom: the bound that lies on its wrong side is the one that was not meant.
        field = "zoom_max" if spatial.zoom_max < 1 else "zoom_min"
        what = f"zoom_min {spatial.zoom_min:g} is larger than zoom_max {spatial.zoom_max:g}."
        yield findings.problem(spatial, field, what)
    size = augmentation.preprocessing
    for low, high in _SIDES:
        first, last = getattr(size, low), getattr(size, high)
        if first and last and first >= last:
            what = f"{first} is not smaller than {high}."
            yield findings.problem(size, low, what, findings.at_most(size, high))


def _rotation(spatial: Message, for_tao: bool) -> Found:
    angle = spatial.rotate_rad_max
    if not angle or (angle <= math.pi and not for_tao):
        return
    text = (
        f"radians here, as its name says: {math.degrees(angle):.3g} degrees. TAO's loader turns by {angle:g} "
        f"degrees, which is {math.radians(angle):.3g} here"
    )
    if angle > math.pi:
        text = f"more than half a turn is hardly meant; {text}"
    yield findings.note(spatial, "rotate_rad_max", text)


def _objectives(cost: Message) -> Found:
    for target in cost.target_classes:
        yield from _objectives_of(target)
    low, high = "min_objective_weight", "max_objective_weight"
    if cost.has(high) and cost.min_objective_weight > cost.max_objective_weight:
        yield findings.disordered(cost, low, high, (1e-4, 1))


def _objectives_of(target: Message) -> Found:
    names = [one.name for one in target.objectives]
    for name in ("cov", "bbox"):
        if names and name not in names:
            at, path = findings.start_of(target), target._below("objectives")
            remedy = "Every class needs both, cov and bbox."
            yield Problem(at, path, f"objective '{name}' is missing.", remedy=remedy)
    for field in ("initial_weight", "weight_target"):
        if names and sum(getattr(one, field) for one in target.objectives) <= 0:
            what = f"every {field} is 0; at least one objective needs more."
            yield findings.problem(target, "objectives", what)


def _stages(training: Message, picture: Message) -> Found:
    """Each ends later than the one before it, and is no larger than the network's input."""
    before = 0.0
    for stage in training.input_stages:
        if stage.has("until") and stage.until <= before:
            what = f"{stage.until:g} is not after the end of the stage before it."
            yield findings.problem(stage, "until", what, f"above {before:g}, at most 1")
        before = max(before, stage.until)
        for side in ("width", "height"):
            whole = f"output_image_{side}"
            if picture.has(whole) and getattr(stage, side) > getattr(picture, whole):
                what = f"{getattr(stage, side)} is larger than the network's input."
                yield findings.problem(stage, side, what, findings.at_most(picture, whole))


def _teacher(training: Message, model: Message) -> Found:
    if not training.has("distillation"):
        return
    teacher = training.distillation
    if model.load_graph and teacher.teacher_model_file:
        yield findings.replaced(teacher, "teacher_model_file", "the graph's file, the network before pruning")
    if not model.load_graph and not teacher.teacher_model_file:
        yield findings.missing(teacher, "teacher_model_file", "", "Name a trained model.keras.")
