"""DetectNet_v2's cost: weighted cross-entropy of the coverage and L1 of the boxes, and its balancing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from detectnet.errors import UserError, did_you_mean
from detectnet.network.targets import Targets

if TYPE_CHECKING:
    from detectnet.spec import Message

OBJECTIVES = ("cov", "bbox")
EPSILON = 1e-5
THINNEST = 1e-3  # width and height of a box without any, in units of the network: 0.035 pixels


@dataclass(frozen=True)
class LossSettings:
    """Weights of the cost.

    Attributes:
        class_weight: (C,) normalised to sum 1.
        foreground_weight: (C,) weight of cells with coverage > 0.5; the others weigh 1 minus it.
        initial_weight: (C, 2) of ``OBJECTIVES``, normalised to sum 1 per class.
        weight_target: (C, 2) shares that the objectives should contribute to the cost.
        autoweighting: whether objective weights are renewed after every epoch.
        weight_range: smallest and largest objective weight.
        regularization: ``NO_REG``, ``L1`` or ``L2``.
        regularization_weight: factor of the norm.
        focal_gamma: exponent of a cell's error as a factor of its cross-entropy, >= 0; 0 for no factor.
        giou_weight: of 1 - GIoU in the bbox cost, >= 0; 0 for L1 alone.
    """

    classes: tuple[str, ...]
    class_weight: tuple[float, ...]
    foreground_weight: tuple[float, ...]
    initial_weight: tuple[tuple[float, float], ...]
    weight_target: tuple[tuple[float, float], ...]
    autoweighting: bool
    weight_range: tuple[float, float]
    regularization: str = "NO_REG"
    regularization_weight: float = 0.0
    focal_gamma: float = 0.0
    giou_weight: float = 0.0

    @classmethod
    def from_spec(cls, experiment: Message) -> LossSettings:
        """Read ``cost_function_config`` and ``training_config.regularizer``.

        Raises:
            UserError: a class without both objectives, an unknown objective, or weights that sum to 0.
        """
        cost = experiment.cost_function_config
        targets = cost.target_classes
        if not targets:
            raise UserError("no target_classes", where=experiment.where("cost_function_config"))
        weights = np.array([target.class_weight for target in targets], np.float64)
        regularizer = experiment.training_config.regularizer
        return cls(
            classes=tuple(target.name for target in targets),
            class_weight=tuple(weights / weights.sum()),
            foreground_weight=tuple(target.coverage_foreground_weight for target in targets),
            initial_weight=tuple(_normalised(target, "initial_weight") for target in targets),
            weight_target=tuple(_weights(target, "weight_target") for target in targets),
            autoweighting=cost.enable_autoweighting,
            weight_range=(cost.min_objective_weight, cost.max_objective_weight),
            regularization=str(regularizer.type),
            regularization_weight=regularizer.weight,
            focal_gamma=cost.cov_focal_gamma,
            giou_weight=cost.bbox_giou_weight,
        )


def _weights(target: Message, field: str) -> tuple[float, float]:
    given = {objective.name: objective for objective in target.objectives}
    for name in given:
        if name not in OBJECTIVES:
            raise UserError(
                f"unknown objective '{name}'",
                where=target.where("objectives"),
                allowed=OBJECTIVES,
                remedy=did_you_mean(name, OBJECTIVES),
            )
    missing = [name for name in OBJECTIVES if name not in given]
    if missing:
        raise UserError(f"the objective '{missing[0]}' is missing", where=target.where("objectives"))
    return tuple(getattr(given[name], field) for name in OBJECTIVES)


def _normalised(target: Message, field: str) -> tuple[float, float]:
    weights = _weights(target, field)
    if min(weights) < 0 or sum(weights) <= 0:
        raise UserError(
            f"the objectives' {field} are {weights}",
            where=target.where("objectives"),
            allowed="numbers >= 0, not all of them 0",
        )
    return tuple(weight / sum(weights) for weight in weights)


def costs(cov: tf.Tensor, bbox: tf.Tensor, targets: Targets, settings: LossSettings) -> tf.Tensor:
    """Mean cost per class and objective, (C, 2) float32, before any weight but the foreground's.

    Args:
        cov: (B, h, w, C) predicted coverage, 0..1.
        bbox: (B, h, w, 4C) predicted distances, class-major.
        targets: as made by ``rasterize``.

    The mean is over all cells, empty and masked ones too, as in DetectNet_v2. With ``focal_gamma`` a cell's
    cross-entropy is multiplied by |truth - cov| to that power (quality focal loss: Li et al. 2020), with
    ``giou_weight`` that many times the mean of 1 - GIoU (Rezatofighi et al. 2019), weighed by cell as
    the distances are, is added to their cost.
    """
    cov, bbox = tf.cast(cov, tf.float32), tf.cast(bbox, tf.float32)
    truth = targets.cov
    foreground = tf.constant(settings.foreground_weight, tf.float32)
    weight = tf.where(truth > 0.5, foreground, 1 - foreground)
    entropy = -(truth * tf.math.log(cov + EPSILON) + (1 - truth) * tf.math.log(1 - cov + EPSILON))
    if settings.focal_gamma:
        # the floor keeps the gradient of exponents below 1 finite where a cell is exactly right
        entropy *= tf.maximum(tf.abs(truth - cov), EPSILON) ** settings.focal_gamma
    box_weight = targets.cov_norm
    if targets.mask is not None:
        weight, box_weight = weight * targets.mask[..., 0], box_weight * targets.mask[..., 1]
    cov_cost = tf.reduce_mean(weight * entropy, axis=(0, 1, 2))
    shape = tf.concat([tf.shape(truth), [4]], axis=0)
    distance = tf.reshape(tf.abs(bbox - targets.bbox), shape)
    bbox_cost = tf.reduce_mean(box_weight[..., tf.newaxis] * distance, axis=(0, 1, 2, 4))
    if settings.giou_weight:
        overlap = giou(tf.reshape(bbox, shape), tf.reshape(targets.bbox, shape))
        bbox_cost += settings.giou_weight * tf.reduce_mean(box_weight * (1 - overlap), axis=(0, 1, 2))
    return tf.stack([cov_cost, bbox_cost], axis=1)


def giou(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Generalised IoU (...,), -1..1, of boxes (..., 4) given as left, top, right, bottom from one point.

    GIoU = IoU - (hull - union) / hull (Rezatofighi et al. 2019). A box whose right side is left of its left
    one, or whose bottom is above its top, counts as ``THINNEST``; values and gradients are finite for it.
    """

    def area(sides: tf.Tensor) -> tf.Tensor:
        width, height = sides[..., 0] + sides[..., 2], sides[..., 1] + sides[..., 3]
        return tf.maximum(width, THINNEST) * tf.maximum(height, THINNEST)

    nearer, farther = tf.minimum(one, other), tf.maximum(one, other)
    width = tf.maximum(nearer[..., 0] + nearer[..., 2], 0.0)
    height = tf.maximum(nearer[..., 1] + nearer[..., 3], 0.0)
    intersection, hull = width * height, area(farther)
    union = area(one) + area(other) - intersection
    return intersection / union - (hull - union) / hull


def weighted(cost: tf.Tensor, objective_weights: tf.Tensor, settings: LossSettings) -> tf.Tensor:
    """The task cost, a scalar: costs (C, 2) weighed by objective (C, 2) and by class."""
    per_class = tf.reduce_sum(cost * tf.cast(objective_weights, tf.float32), axis=1)
    return tf.reduce_sum(per_class * tf.constant(settings.class_weight, tf.float32))


def renewed_weights(current: np.ndarray, cost_sums: np.ndarray, settings: LossSettings) -> np.ndarray:
    """Objective weights of the next epoch, from the sums of the epoch's mini-batch costs.

    Args:
        current: (C, 2) weights of the epoch that ended.
        cost_sums: (C, 2) sums over its steps.

    Each objective shall contribute in proportion to its ``weight_target``. The weights are not
    normalised again after the clamp. An objective without cost gets the smallest weight, and
    a class without any cost keeps its weights.
    """
    if not settings.autoweighting:
        return current
    target = np.asarray(settings.weight_target, np.float64)
    gain = np.divide(target, cost_sums, out=np.zeros_like(target), where=cost_sums > 0)
    total = gain.sum(axis=1, keepdims=True)
    share = np.divide(gain, total, out=np.zeros_like(gain), where=total > 0)
    return np.where(total > 0, np.clip(share, *settings.weight_range), current)
