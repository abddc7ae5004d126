"""The rows of metrics.json: all pictures matched under one rule, and the figures that follow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectnet.data.boxes import width
from detectnet.detection.detections import Detections
from detectnet.detection.metrics import (
    FALSE,
    HIT,
    NEUTRAL,
    UNMATCHED,
    Matches,
    average_precision,
    best_f1,
    inside,
    match,
    match_tao,
    pr_curve,
)

WIDTH_EDGES = (8, 16, 24, 32, 48, 64, 96, 128)
EVERY_WIDTH = (-math.inf, math.inf)
Limits = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """One picture's ground truth and detections, boxes in network-input pixels.

    Attributes:
        frame_id, source: which picture.
        truth: class -> float64 (T, 4).
        found: clustering -> class -> detections.
    """

    frame_id: str
    source: str
    truth: Mapping[str, np.ndarray]
    found: Mapping[str, Mapping[str, Detections]]


@dataclass(frozen=True)
class Rule:
    """How detections are held against ground truth.

    Attributes:
        clustering: which detections, ``tlt`` or ``nms``.
        kinds: kinds of average precision that share this matching.
        iou: class -> IoU of a hit.
        minimum_width_neutral: narrower ground truth is neutral, px (``correct`` only).
        limits: class -> (min width, max width, min height, max height), px (TAO's kinds only).
        least: class -> smallest confidence that counts; None counts all (TAO's kinds only).
    """

    clustering: str
    kinds: tuple[str, ...]
    iou: Mapping[str, float]
    minimum_width_neutral: float = 0.0
    limits: Mapping[str, Limits] | None = None
    least: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Scored:
    """All detections of one class under one rule; neutral ones are in ``matches`` only.

    Attributes:
        confidence: float64 (D,), picture by picture.
        hit: bool (D,).
        picture: int64 (D,), index of the picture.
        truths: int64 (P,), ground truths that count, per picture.
        matches: per picture, for every detection of the class.
        neutral: per picture, bool (T,), the ground truths that do not count.
    """

    confidence: np.ndarray
    hit: np.ndarray
    picture: np.ndarray
    truths: np.ndarray
    matches: Sequence[Matches]
    neutral: Sequence[np.ndarray]

    @property
    def total(self) -> int:
        """Ground truths that count in all pictures."""
        return int(self.truths.sum())

    def ranks(self, kind: str) -> np.ndarray:
        """What a kind of average precision sorts by: TAO in single precision, where more are equal."""
        return self.confidence if kind == "correct" else self.confidence.astype(np.float32)

    def only(self, chosen: np.ndarray) -> Scored:
        """The same of some of the pictures, bool (P,)."""
        keep, place = chosen[self.picture], np.cumsum(chosen) - 1
        return Scored(
            self.confidence[keep],
            self.hit[keep],
            place[self.picture[keep]],
            self.truths[chosen],
            [one for one, wanted in zip(self.matches, chosen, strict=True) if wanted],
            [one for one, wanted in zip(self.neutral, chosen, strict=True) if wanted],
        )


def score(
    pictures: Sequence[Picture], name: str, rule: Rule, between: tuple[float, float] = EVERY_WIDTH
) -> Scored:
    """Match one class in all pictures.

    ``between`` (px, the upper end exclusive) makes ground truth of other widths neutral; so are detections
    of other widths that are on nothing, as with COCO's area ranges.
    """
    assess = _assess if rule.limits is None else _assess_tao
    made = [assess(one, name, rule, between) for one in pictures]
    matches, neutral = [one for one, _ in made], [other for _, other in made]
    kept = [one.outcome != NEUTRAL for one in matches]
    confidence = [
        one.found[rule.clustering][name].confidence[keep] for one, keep in zip(pictures, kept, strict=True)
    ]
    hit = [one.outcome[keep] == HIT for one, keep in zip(matches, kept, strict=True)]
    return Scored(
        np.concatenate(confidence),
        np.concatenate(hit),
        np.repeat(np.arange(len(pictures)), [len(one) for one in hit]),
        np.array([int((~one).sum()) for one in neutral]),
        matches,
        neutral,
    )


def rows(
    pictures: Sequence[Picture], classes: Sequence[str], rule: Rule, edges: Sequence[float]
) -> list[dict[str, Any]]:
    """One row of metrics.json for each kind of average precision of a rule; NaN becomes None.

    ``iou`` is a number, or class -> number where the classes differ. ``threshold`` is that of the best F1 of
    all classes together; precision, recall, f1 and ``false_alarms_per_image`` belong to it. The last is the
    number of detections, of any class, per picture that has no ground truth of any class; None without such
    pictures.
    """
    scored = {name: score(pictures, name, rule) for name in classes}
    by_width = [
        {name: score(pictures, name, rule, between) for name in classes} for between in width_bins(edges)
    ]
    ious = set(rule.iou.values())
    shared = {
        "clustering": rule.clustering,
        "iou": ious.pop() if len(ious) == 1 else dict(rule.iou),
        **_operating_point(pictures, list(scored.values())),
    }
    return [
        {
            **shared,
            "ap": kind,
            "mAP": mean_ap(scored, kind),
            "AP": {name: _ap(one, kind) for name, one in scored.items()},
            "AP_by_width": {
                label: mean_ap({name: one for name, one in at_width.items() if one.total}, kind)
                for label, at_width in zip(width_labels(edges), by_width, strict=True)
            },
        }
        for kind in rule.kinds
    ]


def mean_ap(scored: Mapping[str, Scored], kind: str = "correct") -> float | None:
    """mAP of the classes; ``correct`` over those with ground truth (None without), TAO's kinds over all."""
    values = [value for value in (_ap(one, kind) for one in scored.values()) if value is not None]
    return float(np.mean(values)) if values else None


def without_objects(pictures: Sequence[Picture]) -> np.ndarray:
    """Which pictures have no ground truth of any class: bool (P,)."""
    return np.array([not any(map(len, one.truth.values())) for one in pictures], dtype=bool)


def width_bins(edges: Sequence[float]) -> list[tuple[float, float]]:
    """(from, to) of the width bins, px: below the first edge, between edges, from the last edge on."""
    return list(itertools.pairwise([0.0, *edges, math.inf]))


def width_labels(edges: Sequence[float]) -> list[str]:
    """Names of the width bins: ``0-8``, ``8-16``, ..., ``128+``."""
    return [f"{low:g}+" if math.isinf(high) else f"{low:g}-{high:g}" for low, high in width_bins(edges)]


def objects_by_width(
    pictures: Sequence[Picture], classes: Sequence[str], edges: Sequence[float]
) -> dict[str, int]:
    """Number of ground truths, neutral ones too, in each width bin."""
    every = np.concatenate([width(one.truth[name]) for one in pictures for name in classes])
    return {
        label: int(_between(every, bounds).sum())
        for label, bounds in zip(width_labels(edges), width_bins(edges), strict=True)
    }


def _assess(
    picture: Picture, name: str, rule: Rule, between: tuple[float, float]
) -> tuple[Matches, np.ndarray]:
    truth, found = picture.truth[name], picture.found[rule.clustering][name]
    wide = width(truth)
    counts = (wide >= rule.minimum_width_neutral) & _between(wide, between)
    shown = _between(width(found.boxes), between)
    if not counts.any() and not shown.any():
        return _all_neutral(len(found)), ~counts
    matches = match(truth, ~counts, found.boxes, found.confidence, rule.iou[name])
    matches.outcome[(matches.outcome == FALSE) & ~shown] = NEUTRAL
    return matches, ~counts


def _assess_tao(
    picture: Picture, name: str, rule: Rule, between: tuple[float, float]
) -> tuple[Matches, np.ndarray]:
    truth, found = picture.truth[name], picture.found[rule.clustering][name]
    counts, shown = (
        inside(boxes, rule.limits[name]) & _between(width(boxes), between) for boxes in (truth, found.boxes)
    )
    if rule.least is not None:
        shown &= found.confidence >= rule.least[name]
    matches = _all_neutral(len(found))
    if shown.any():
        made = match_tao(truth[counts], found.boxes[shown], found.confidence[shown], rule.iou[name])
        matches.outcome[shown], matches.iou[shown] = made.outcome, made.iou
        matches.truth[shown] = np.append(np.flatnonzero(counts), UNMATCHED)[made.truth]
    return matches, ~counts


def _all_neutral(count: int) -> Matches:
    return Matches(np.full(count, NEUTRAL, dtype=np.int8), np.full(count, UNMATCHED), np.zeros(count))


def _between(wide: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (wide >= bounds[0]) & (wide < bounds[1])


def _operating_point(pictures: Sequence[Picture], scored: Sequence[Scored]) -> dict[str, float | None]:
    confidence = np.concatenate([one.confidence for one in scored])
    point = best_f1(confidence, np.concatenate([one.hit for one in scored]), sum(one.total for one in scored))
    names = ("threshold", "precision", "recall", "f1")
    if point is None:
        return dict.fromkeys((*names, "false_alarms_per_image"))
    without = without_objects(pictures)
    alarms = without[np.concatenate([one.picture for one in scored])] & (confidence >= point.threshold)
    return {
        **{name: getattr(point, name) for name in names},
        "false_alarms_per_image": float(alarms.sum() / without.sum()) if without.any() else None,
    }


def _ap(scored: Scored, kind: str) -> float | None:
    value = average_precision(pr_curve(scored.ranks(kind), scored.hit, scored.total), kind)
    return None if math.isnan(value) else value
