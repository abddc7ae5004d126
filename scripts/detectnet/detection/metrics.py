"""Which detections are right, and average precision from it: the usual definition, and TAO's two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectnet.data.boxes import height, iou, width

HIT, FALSE, NEUTRAL = 1, 0, -1
UNMATCHED = -1


@dataclass(frozen=True)
class Matches:
    """What became of the detections of one class in one picture, in the order they were given.

    Attributes:
        outcome: int8 (D,), ``HIT``, ``FALSE`` or ``NEUTRAL``.
        truth: int64 (D,), index of the ground truth that a hit or neutral detection is on, or -1.
        iou: float64 (D,), IoU with that ground truth; for a false one the best with any, 0 without any.
    """

    outcome: np.ndarray
    truth: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Curve:
    """Precision and recall over the k best detections, k = 1..K.

    Attributes:
        threshold: float64 (K,), confidence of the k-th, descending.
        precision, recall: float64 (K,), 0..1; recall is NaN where there is no ground truth.
        truths: number of ground truths that count.
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    truths: int


@dataclass(frozen=True)
class OperatingPoint:
    """Precision, recall and F1 (0..1) of the detections at or above a confidence threshold."""

    threshold: float
    precision: float
    recall: float
    f1: float


def match(
    truth: np.ndarray,
    neutral: np.ndarray,
    boxes: np.ndarray,
    confidence: np.ndarray,
    minimum_iou: float,
) -> Matches:
    """COCO's matching: the most confident first, each takes the best ground truth not yet taken.

    IoU is that of continuous boxes. A detection that finds no free ground truth but overlaps a neutral one
    enough is neutral, and neutral ground truth takes any number of detections. Equal IoU: the later ground
    truth, as COCO has it; equal confidence: the earlier detection first.

    Args:
        truth: float (T, 4), x1 y1 x2 y2.
        neutral: bool (T,), ground truth that is neither hit nor missed.
        boxes: float (D, 4).
        confidence: float (D,).
        minimum_iou: IoU that makes a hit, inclusive.
    """
    overlap = iou(boxes, truth)
    made = _all_false(overlap)
    free = ~neutral
    for one in _near_a_truth(overlap, confidence, minimum_iou):
        for open_now, outcome in ((free, HIT), (neutral, NEUTRAL)):
            able = np.where(open_now, overlap[one], -1.0)
            best = len(able) - 1 - int(np.argmax(able[::-1]))
            if able[best] >= minimum_iou:
                made.outcome[one], made.truth[one], made.iou[one] = outcome, best, able[best]
                free[best] = False
                break
    return made


def match_tao(truth: np.ndarray, boxes: np.ndarray, confidence: np.ndarray, minimum_iou: float) -> Matches:
    """TAO's matching: each detection looks at its best ground truth only, taken or not.

    Coordinates are rounded to whole pixels (half to even), and IoU counts the border pixels. When the best
    is taken the detection is false. Confidences are compared in single precision; TAO leaves the order of
    equal ones open, here it is the order given. The size filter is the caller's, see ``inside``.

    Args: as for ``match``.
    """
    overlap = iou(np.rint(boxes), np.rint(truth), inclusive=True)
    made = _all_false(overlap)
    taken = np.zeros(len(truth), dtype=bool)
    for one in _near_a_truth(overlap, confidence.astype(np.float32), minimum_iou):
        best = int(np.argmax(overlap[one]))
        if not taken[best]:
            made.outcome[one], made.truth[one], made.iou[one] = HIT, best, overlap[one, best]
            taken[best] = True
    return made


def inside(boxes: np.ndarray, limits: tuple[float, float, float, float]) -> np.ndarray:
    """Mask of the boxes whose size is within (min width, max width, min height, max height), inclusive.

    TAO applies it to ground truth and detections, before rounding, in network-input pixels.
    """
    wide, high = width(boxes), height(boxes)
    return (wide >= limits[0]) & (wide <= limits[1]) & (high >= limits[2]) & (high <= limits[3])


def pr_curve(confidence: np.ndarray, hit: np.ndarray, truths: int) -> Curve:
    """The curve of all detections of a class; equal confidences keep the order given.

    Args:
        confidence: float (D,).
        hit: bool (D,); neutral detections are not to be among them.
        truths: number of ground truths that count.
    """
    order = np.argsort(-confidence, kind="stable")
    hits = np.cumsum(hit[order])
    recall = hits / truths if truths else np.full(len(hits), np.nan)
    return Curve(confidence[order], hits / np.arange(1, len(hits) + 1), recall, truths)


def average_precision(curve: Curve, kind: str = "correct") -> float:
    """Average precision, 0..1: ``correct``, ``tao-integrate`` or ``tao-sample``.

    ``correct`` is the area under the curve after precision was made monotone (VOC2010 and later), NaN
    without ground truth. ``tao-integrate`` leaves out the area before the first recall value and the
    precision at the last, so that N perfect detections of N objects give (N-1)/N; ``tao-sample`` is the mean
    at 11 recall values of which three lie a rounding error too high. Both are 0 without ground truth.
    """
    return _AP[kind](curve)


def best_f1(confidence: np.ndarray, hit: np.ndarray, truths: int) -> OperatingPoint | None:
    """The threshold of the highest F1; the highest such threshold, and a cut never parts equal confidences.

    None without detections or without ground truth. Arguments as for ``pr_curve``.
    """
    if not truths or not len(confidence):
        return None
    order = np.argsort(-confidence, kind="stable")
    ranked, hits = confidence[order], np.cumsum(hit[order])
    cut = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    scores = 2 * hits[cut] / (cut + 1 + truths)
    best = cut[int(np.argmax(scores))]
    return OperatingPoint(
        float(ranked[best]), float(hits[best] / (best + 1)), float(hits[best] / truths), float(scores.max())
    )


def _near_a_truth(overlap: np.ndarray, confidence: np.ndarray, minimum_iou: float) -> np.ndarray:
    """Indices of the detections that overlap any ground truth enough, most confident first."""
    able = np.flatnonzero((overlap >= minimum_iou).any(axis=1))
    return able[np.argsort(-confidence[able], kind="stable")]


def _all_false(overlap: np.ndarray) -> Matches:
    count = len(overlap)
    return Matches(
        np.full(count, FALSE, dtype=np.int8),
        np.full(count, UNMATCHED),
        overlap.max(axis=1, initial=0.0),
    )


def _area(curve: Curve) -> float:
    if not curve.truths:
        return float("nan")
    return float(np.diff(curve.recall, prepend=0.0) @ _monotone(curve.precision))


def _tao_integrate(curve: Curve) -> float:
    if not curve.truths or not len(curve.recall):
        return 0.0
    levels, starts = np.unique(curve.recall, return_index=True)
    at_level = np.maximum.reduceat(curve.precision, starts)[:-1]
    return float(_monotone(at_level) @ np.diff(levels))


def _tao_sample(curve: Curve) -> float:
    if not curve.truths:
        return 0.0
    # np.linspace rounds 0.3, 0.6 and 0.7 upwards, as TAO's own spacing does.
    points = np.linspace(0.0, 1.0, 11)
    return float(np.mean([curve.precision[curve.recall >= point].max(initial=0.0) for point in points]))


def _monotone(precision: np.ndarray) -> np.ndarray:
    """Precision at this recall or any higher one."""
    return np.maximum.accumulate(precision[::-1])[::-1]


_AP: dict[str, Callable[[Curve], float]] = {
    "correct": _area,
    "tao-integrate": _tao_integrate,
    "tao-sample": _tao_sample,
}
