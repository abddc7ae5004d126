"""Which boxes of a picture overlap: pairs instead of a full matrix, because few do."""

from __future__ import annotations

import numpy as np


def all_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of ``count`` points once, each point with itself too: two int64 index arrays."""
    return np.triu_indices(count)


def overlapping_pairs(boxes: np.ndarray, border: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of boxes that share some area, each once, and each box of some area with itself.

    A sweep along x: the partners of a box are those that start between its left and its right edge.

    Args:
        boxes: float64 (N, 4), x1 y1 x2 y2.
        border: added to widths and heights, 1 where coordinates name inclusive pixels.

    Returns:
        Two int64 index arrays of equal length, in no particular order.
    """
    order = np.argsort(boxes[:, 0], kind="stable")
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    here = np.arange(len(boxes))
    partners = np.maximum(np.searchsorted(x1, x2 + border) - here, 0)
    first = np.repeat(here, partners)
    second = np.arange(len(first)) + np.repeat(here - (np.cumsum(partners) - partners), partners)
    wide = np.minimum(x2[first], x2[second]) - x1[second] + border > 0
    high = np.minimum(y2[first], y2[second]) - np.maximum(y1[first], y1[second]) + border > 0
    share = wide & high
    return order[first[share]], order[second[share]]


def pair_iou(
    boxes: np.ndarray, first: np.ndarray, second: np.ndarray, *, border: float = 0.0, floor: float = 0.0
) -> np.ndarray:
    """intersection / (union + floor) of pairs of boxes that overlap, float64 (P,), 0..1.

    Args:
        boxes: float64 (N, 4), x1 y1 x2 y2.
        first, second: indices of the pairs.
        border: added to widths and heights, 1 where coordinates name inclusive pixels.
        floor: added to the union.
    """
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T)
    width = np.minimum(x2[first], x2[second]) - np.maximum(x1[first], x1[second]) + border
    height = np.minimum(y2[first], y2[second]) - np.maximum(y1[first], y1[second]) + border
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    area = (x2 - x1 + border) * (y2 - y1 + border)
    return inter / (area[first] + area[second] - inter + floor)
