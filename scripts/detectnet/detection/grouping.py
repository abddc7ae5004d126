"""OpenCV's groupRectangles, which OpenCV 5 no longer has."""

from __future__ import annotations

import numpy as np

from detectnet.detection.dbscan import components
from detectnet.detection.neighbours import Pairs, near_starts

NO_GROUP = -1
ALWAYS_ENOUGH = 3


def group_rectangles(rectangles: np.ndarray, threshold: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean rectangles of the groups of similar ones, by the first member of each.

    Two rectangles are similar when all four edges are within ``eps`` times half the sum of the smaller width
    and the smaller height; similarity is passed on, so a chain is one group. A group lying within another
    (and ``eps`` of its size around it) is dropped when it has fewer than 3 members, or when the other has
    more members and more than 3.

    Args:
        rectangles: int64 (N, 4), x y width height.
        threshold: groups of this many members or fewer are dropped; 0 leaves everything as it is.
        eps: tolerance, relative.

    Returns:
        int64 (M, 4), and int64 (N,), for each rectangle the index of its mean or -1.
    """
    count = len(rectangles)
    if threshold <= 0 or not count:
        return rectangles, np.arange(count)
    group = np.unique(components(*_similar(rectangles, eps), count), return_inverse=True)[1]
    members = np.bincount(group)
    means = _means(rectangles, group, members)
    keep = members > threshold
    keep[keep] = ~_within_a_greater(means[keep], members[keep], eps)
    number = np.where(keep, np.cumsum(keep) - 1, NO_GROUP)
    return means[keep], number[group]


def _similar(rectangles: np.ndarray, eps: float) -> Pairs:
    """Pairs of similar rectangles, each once."""
    x, y, width, height = rectangles.T
    # No partner is further away than by the rectangle's own tolerance.
    first, second = near_starts(x, x + eps * (width + height) * 0.5)
    smaller = np.minimum(width[first], width[second]) + np.minimum(height[first], height[second])
    reach = eps * smaller * 0.5
    similar = np.ones(len(first), dtype=bool)
    for edge in (x, y, x + width, y + height):
        similar &= np.abs(edge[first] - edge[second]) <= reach
    return first[similar], second[similar]


def _means(rectangles: np.ndarray, group: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mean of each group in single precision, as OpenCV calculates it, to the nearest even whole number."""
    share = np.float32(1) / members.astype(np.float32)
    sums = np.stack([np.bincount(group, column) for column in rectangles.T], axis=1).astype(np.float32)
    return np.rint(sums * share[:, None]).astype(np.int64)


def _within_a_greater(means: np.ndarray, members: np.ndarray, eps: float) -> np.ndarray:
    """Mask of the groups that lie within a group which outvotes them."""
    near, far = means[:, :2], means[:, :2] + means[:, 2:]
    slack = np.rint(means[:, 2:] * eps).astype(np.int64)
    inside = (near[:, None] >= (near - slack)[None]).all(axis=2)
    inside &= (far[:, None] <= (far + slack)[None]).all(axis=2)
    outvoted = (members[None] > np.maximum(ALWAYS_ENOUGH, members)[:, None]) | (members < ALWAYS_ENOUGH)[
        :, None
    ]
    np.fill_diagonal(inside, False)
    return (inside & outvoted).any(axis=1)
