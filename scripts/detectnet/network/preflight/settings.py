"""Numbers of the spec with which a network cannot learn, or hardly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from detectnet.contract import BBOX_OFFSET, BBOX_SCALE
from detectnet.network.preflight.finding import Finding, error, warning
from detectnet.network.schedule import steps_of_epoch

if TYPE_CHECKING:
    from detectnet.spec import Message

# With Adam a rate is about the largest step of a weight. Kernels here are of the order of 0.01 to 0.1.
HIGHEST_RATE = 0.1
HIGHEST_COLD_RATE = 0.005  # at the first step, before the statistics of batch normalisation settle
LEAST_WAY = 1e-3  # what all steps together can move a weight
EXTREME_FOREGROUND = 1e-3
NEGLIGIBLE_SHARE = 1e-3
FARTHEST = 0.5  # of the input's width or height that a picture may be moved
ZOOMS = 0.25, 4.0
HEAVIEST_PENALTY = 1e-2  # usual are 3e-9 for L1 and 1e-5 for L2
HOPELESS_PENALTY = 1.0  # as much as the loss itself for every single weight
STRICTEST_OVERLAP = 0.95


def settings_findings(experiment: Message, pictures: int) -> Iterator[Finding]:
    """Learning rate, weights of the cost, network and box coding, for a training on so many pictures."""
    yield from _rates(experiment.training_config, pictures)
    yield from _cost(experiment.cost_function_config)
    yield from _moves(experiment.augmentation_config)
    yield from _penalty(experiment.training_config.regularizer)
    yield from _overlaps(experiment.evaluation_config)
    model = experiment.model_config
    if not model.use_batch_norm and not model.load_graph and model.arch != "squeezenet":
        text = "use_batch_norm is false (its default): networks of this depth hardly learn without"
        yield warning("no-batch-norm", text, model.where("use_batch_norm"), "Set use_batch_norm: true.")
    bbox = model.objective_set.bbox
    if (bbox.scale, bbox.offset) != (BBOX_SCALE, BBOX_OFFSET):
        text = f"boxes are coded with scale {bbox.scale:g} and offset {bbox.offset:g}"
        remedy = "DeepStream decodes with 35 and 0.5 only: leave both out."
        yield warning("box-coding", text, bbox.where(), remedy)


def _rates(training: Message, pictures: int) -> Iterator[Finding]:
    rate = training.learning_rate
    plain = rate.soft_start_annealing_schedule
    early = rate.has("early_stopping_annealing_schedule")
    schedule = rate.early_stopping_annealing_schedule if early else plain
    low, high = schedule.min_learning_rate, schedule.max_learning_rate
    where = schedule.where("max_learning_rate")
    usual = "Usual values are 5e-6 to 5e-4."
    cold = not (schedule.soft_start_epochs if early else schedule.soft_start)
    steps = training.num_epochs * steps_of_epoch(training, pictures)
    if high > HIGHEST_RATE:
        yield warning("learning-rate", f"max_learning_rate {high:g} makes training diverge", where, usual)
    elif cold and high > HIGHEST_COLD_RATE:
        text = f"training starts at max_learning_rate {high:g} without a soft start"
        yield warning("learning-rate", text, where, "Set soft_start to 0.1, or lower max_learning_rate.")
    elif steps * high < LEAST_WAY:
        text = (
            f"{steps} steps at max_learning_rate {high:g} together move a weight by {steps * high:g} at most"
        )
        yield warning("learning-rate", text, where, f"Raise it, or train longer. {usual}")
    if low == high:
        text = f"min_learning_rate and max_learning_rate are both {high:g}: the rate never changes"
        yield warning("learning-rate", text, where, usual)


def _moves(augmentation: Message) -> Iterator[Finding]:
    """Changes after which hardly anything of a picture is left, or hardly to be seen."""
    spatial, size = augmentation.spatial_augmentation, augmentation.preprocessing
    sides = ("translate_max_x", size.output_image_width), ("translate_max_y", size.output_image_height)
    for field, side in sides:
        most = getattr(spatial, field)
        if most > FARTHEST * side:
            text = f"pictures are moved by up to {most:g} of {side} pixels: much of what is trained is empty"
            yield warning("augmentation", text, spatial.where(field), "Usual is 8.")
    for field in ("zoom_min", "zoom_max"):
        zoom = getattr(spatial, field)
        if not ZOOMS[0] <= zoom <= ZOOMS[1]:
            text = f"pictures are scaled by {zoom:g}: their objects are of other sizes than those to be found"
            yield warning("augmentation", text, spatial.where(field), "Usual are 0.8 to 1.3.")
    if spatial.rotate_rad_max > math.pi:
        text = f"rotate_rad_max {spatial.rotate_rad_max:g} is in radians: more than half a turn"
        remedy = f"{math.radians(spatial.rotate_rad_max):.3g} is {spatial.rotate_rad_max:g} degrees."
        yield warning("augmentation", text, spatial.where("rotate_rad_max"), remedy)


def _penalty(regularizer: Message) -> Iterator[Finding]:
    weight = regularizer.weight
    if regularizer.type == "NO_REG" or weight <= HEAVIEST_PENALTY:
        return
    make = error if weight >= HOPELESS_PENALTY else warning
    text = f"the regularizer's weight {weight:g} outweighs the cost: all weights are pulled to 0"
    yield make("regularizer", text, regularizer.where("weight"), "Usual are 3e-9 for L1 and 1e-5 for L2.")


def _overlaps(evaluation: Message) -> Iterator[Finding]:
    field = "minimum_detection_ground_truth_overlap"
    for name, least in getattr(evaluation, field).items():
        if least > STRICTEST_OVERLAP:
            text = f"a detection of '{name}' counts from an IoU of {least:g} on: hardly one has it"
            where = evaluation.where(f"{field}[{name}]")
            yield warning("overlap", text, where, "TAO's AP is near 0 then; usual are 0.5 to 0.7.")


def _cost(cost: Message) -> Iterator[Finding]:
    total = sum(target.class_weight for target in cost.target_classes)
    for target in cost.target_classes:
        if target.class_weight < NEGLIGIBLE_SHARE * total:
            text = (
                f"'{target.name}' has class_weight {target.class_weight:g} of {total:g}: it is hardly learned"
            )
            yield warning("dead-class", text, target.where("class_weight"), "Raise class_weight.")
        foreground = target.coverage_foreground_weight
        if not EXTREME_FOREGROUND <= foreground <= 1 - EXTREME_FOREGROUND:
            kind = "objects" if foreground < 0.5 else "background"
            text = (
                f"coverage_foreground_weight {foreground:g} of '{target.name}' makes {kind} count for nothing"
            )
            where = target.where("coverage_foreground_weight")
            yield warning("dead-class", text, where, "Usual is 0.05.")
    yield from _objectives(cost)
    least, most = cost.min_objective_weight, cost.max_objective_weight
    if cost.enable_autoweighting and least >= most:
        text = f"autoweighting keeps weights between {least:g} and {most:g}: all objectives weigh {most:g}"
        make = warning if most else error
        remedy = "Usual are min_objective_weight: 0.0001 and max_objective_weight: 0.9999."
        yield make("dead-objective", text, cost.where("max_objective_weight"), remedy)


def _objectives(cost: Message) -> Iterator[Finding]:
    """Objectives of weight 0, at the start or from the second epoch on; an error if every class has one."""
    field = "weight_target" if cost.enable_autoweighting else "initial_weight"
    kept = cost.min_objective_weight if cost.enable_autoweighting else 0.0
    silent = {
        target.name: [one for one in target.objectives if getattr(one, field) <= 0]
        for target in cost.target_classes
    }
    make = error if all(silent.values()) and not kept else warning
    for name, objectives in silent.items():
        for objective in objectives:
            text = f"the objective '{objective.name}' of '{name}' has {field} 0: it weighs {kept:g}"
            yield make("dead-objective", text, objective.where(field), "Usual are 1 for cov, 10 for bbox.")
