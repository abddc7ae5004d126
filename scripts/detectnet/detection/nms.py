"""Greedy suppression: whoever comes first keeps its place and takes it from its neighbours."""

from __future__ import annotations

import numpy as np

from detectnet.detection.neighbours import overlapping_pairs


def suppressed(boxes: np.ndarray, coverage: np.ndarray, threshold: float, border: float) -> np.ndarray:
    """Indices of the boxes that NMS keeps, best first; equal coverage keeps the order given.

    Args:
        boxes: float (N, 4), x1 y1 x2 y2.
        coverage: float (N,), the scores.
        threshold: a box is suppressed when its IoU with a better kept box is above it.
        border: added to widths and heights, 1 where coordinates name inclusive pixels (TLT), 0 in DeepStream.
    """
    order = np.argsort(-coverage, kind="stable")
    ranked = boxes[order]
    first, second, iou = overlapping_pairs(ranked, border=border)
    close = (iou > threshold) & (first != second)
    return order[first_come(len(order), first[close], second[close])]


def first_come(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mask of those of ``count`` points, taken in order, that have no earlier kept neighbour.

    In each round a point that waits for nobody is kept, and its neighbours are out; mostly two or three
    rounds decide all.

    Args:
        count: number of points.
        first, second: int64 (P,), pairs of different neighbours, each once.
    """
    earlier, later = np.minimum(first, second), np.maximum(first, second)
    kept, undecided = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    while len(earlier):
        waits = np.zeros(count, dtype=bool)
        waits[later] = True
        sure = undecided & ~waits
        kept |= sure
        undecided &= waits
        undecided[later[sure[earlier]]] = False
        left = undecided[earlier] & undecided[later]
        earlier, later = earlier[left], later[left]
    return kept | undecided
