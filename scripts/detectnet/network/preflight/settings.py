"""Numbers of the spec with which a network cannot learn, or hardly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from detectnet.contract import BBOX_OFFSET, BBOX_SCALE
from detectnet.network.preflight.finding import Finding, error, warning

if TYPE_CHECKING:
    from detectnet.spec import Message

# With Adam a rate is about the largest step of a weight. Kernels here are of the order of 0.01 to 0.1.
HIGHEST_RATE = 0.1
HIGHEST_COLD_RATE = 0.005  # at the first step, before the statistics of batch normalisation settle
LEAST_WAY = 1e-3  # what all steps together can move a weight
EXTREME_FOREGROUND = 1e-3
NEGLIGIBLE_SHARE = 1e-3


def settings_findings(experiment: Message, pictures: int) -> Iterator[Finding]:
    """Learning rate, weights of the cost, network and box coding, for a training on so many pictures."""
    yield from _rates(experiment.training_config, pictures)
    yield from _cost(experiment.cost_function_config)
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
    steps = training.num_epochs * math.ceil(pictures / training.batch_size_per_gpu)
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
