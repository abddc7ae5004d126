"""Weighted DBSCAN over pairs of neighbours; labels equal scikit-learn's, border points included."""

from __future__ import annotations

import numpy as np

NOISE = -1


def dbscan_labels(first: np.ndarray, second: np.ndarray, weight: np.ndarray, least: float) -> np.ndarray:
    """Cluster labels 0, 1, ... of N points, -1 for noise.

    A point is a core point when the weights of its neighbours sum to ``least`` or more. Core points that
    are neighbours share a cluster; clusters are numbered by their first core point, and another point
    joins the first cluster that has a core point among its neighbours.

    Args:
        first, second: int64 (P,), the pairs of neighbours, each once. A point counts as its own neighbour
            where it is paired with itself.
        weight: float64 (N,), not negative.
        least: summed weight that makes a core point, above 0.

    Returns:
        int64 (N,).
    """
    core = _is_core(first, second, weight, least)
    one, other = core[first], core[second]
    both = one & other
    root = components(first[both], second[both], len(weight))
    root[~core] = len(weight)
    border = one != other
    first, second, one = first[border], second[border], one[border]
    # A point's own root is only read where it is core, and only written where it is not.
    np.minimum.at(root, np.where(one, second, first), root[np.where(one, first, second)])
    labels = np.full(len(weight), NOISE)
    reached = root < len(weight)
    labels[reached] = np.unique(root[reached], return_inverse=True)[1]
    return labels


def _is_core(first: np.ndarray, second: np.ndarray, weight: np.ndarray, least: float) -> np.ndarray:
    """Mask of the core points.

    Rounding depends on the order of addition; where that could decide, the sum is made as scikit-learn
    makes it, over the neighbours in ascending order.
    """
    other = first != second
    sums = np.bincount(first, weight[second], minlength=len(weight))
    sums += np.bincount(second[other], weight[first[other]], minlength=len(weight))
    for close in np.flatnonzero(np.abs(sums - least) < 1e-9 * max(least, 1.0)):
        near = np.union1d(second[first == close], first[second == close])
        sums[close] = weight[near].sum()
    return sums >= least


def components(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """For each of ``count`` points the lowest point that it is connected with, int64 (count,).

    Every point points at the lowest one that it knows of. Roots learn of lower roots from the pairs of
    their points, and pointers are shortened, until no pair has two roots.

    Args:
        first, second: int64 (P,), the pairs of connected points, each once.
    """
    root = np.arange(count)
    while len(first):
        one, other = root[first], root[second]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        root = _shortened(root)
        apart = root[first] != root[second]
        first, second = first[apart], second[apart]
    return root


def _shortened(root: np.ndarray) -> np.ndarray:
    while True:
        further = root[root]
        if np.array_equal(further, root):
            return root
        root = further
