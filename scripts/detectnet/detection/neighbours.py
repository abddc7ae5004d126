"""Which boxes of a picture overlap: pairs instead of a full matrix, because few do."""

from __future__ import annotations

import numpy as np

Pairs = tuple[np.ndarray, np.ndarray]
SMALLEST = float(np.finfo(np.float32).tiny)


def all_pairs(count: int) -> Pairs:
    """Every pair of ``count`` points once, each point with itself too: two int64 index arrays."""
    return np.triu_indices(count)


def overlapping_pairs(
    boxes: np.ndarray, *, border: float = 0.0, floor: float = SMALLEST
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of boxes, each once and each box with itself too, and intersection / (union + floor) of each.

    Pairs that are left out do not overlap.

    Args:
        boxes: float (N, 4), x1 y1 x2 y2.
        border: added to widths and heights, 1 where coordinates name inclusive pixels.
        floor: added to the union; the default only spares boxes without area the division by zero.

    Returns:
        Two int64 index arrays and the values, 0..1, of the boxes' type; all (P,), in no particular order.
    """
    order = np.argsort(boxes[:, 0], kind="stable")
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    first, second = _sweep(x1, x2 + border)
    # With 200 boxes on one object there are 20000 pairs, and new arrays cost more than the arithmetic.
    shared = np.minimum(x2[first], x2[second])
    shared -= x1[second]
    shared += border
    np.maximum(shared, 0, out=shared)
    high = np.minimum(y2[first], y2[second])
    high -= np.maximum(y1[first], y1[second])
    high += border
    shared *= np.maximum(high, 0, out=high)
    area = (x2 - x1 + border) * (y2 - y1 + border)
    union = area[first]
    union += area[second]
    union -= shared
    union += floor
    shared /= union
    return order[first], order[second], shared


def near_starts(start: np.ndarray, stop: np.ndarray) -> Pairs:
    """Pairs of intervals of which one starts within the other, each once, and each with itself.

    Args:
        start, stop: numbers (N,), the ends of the intervals, both belonging to them.

    Returns:
        Two int64 index arrays of equal length; the first starts no later than the second.
    """
    order = np.argsort(start, kind="stable")
    first, second = _sweep(start[order], stop[order])
    return order[first], order[second]


def _sweep(start: np.ndarray, stop: np.ndarray) -> Pairs:
    """``near_starts`` of intervals in ascending order of ``start``."""
    here = np.arange(len(start))
    partners = np.maximum(np.searchsorted(start, stop, side="right") - here, 0)
    first = np.repeat(here, partners)
    second = np.arange(len(first))
    second += np.repeat(here - (np.cumsum(partners) - partners), partners)
    return first, second
