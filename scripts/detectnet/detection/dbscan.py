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
    other = first != second
    point, near = np.concatenate([first, second[other]]), np.concatenate([second, first[other]])
    core = _is_core(point, near, weight, least)
    to_core = core[near]
    point, near = point[to_core], near[to_core]
    between = core[point]
    root = _components(point[between], near[between], len(weight))
    first_root = np.full(len(weight), len(weight))
    np.minimum.at(first_root, point, root[near])
    first_root[core] = root[core]
    labels = np.full(len(weight), NOISE)
    reached = first_root < len(weight)
    labels[reached] = np.unique(first_root[reached], return_inverse=True)[1]
    return labels


def _is_core(point: np.ndarray, near: np.ndarray, weight: np.ndarray, least: float) -> np.ndarray:
    """Mask of the core points.

    Rounding depends on the order of addition; where that could decide, the sum is made as scikit-learn
    makes it, over the neighbours in ascending order.
    """
    sums = np.bincount(point, weight[near], minlength=len(weight))
    for close in np.flatnonzero(np.abs(sums - least) < 1e-9 * max(least, 1.0)):
        sums[close] = weight[np.sort(near[point == close])].sum()
    return sums >= least


def _components(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """For each of ``count`` points the lowest point that it is connected with; both directions are given.

    Every point points at the lowest one that it knows of. Roots learn of lower roots from the neighbours
    of all their points, and pointers are shortened, until nothing changes.
    """
    root = np.arange(count)
    while True:
        before = root.copy()
        np.minimum.at(root, before[first], before[second])
        if np.array_equal(root, before):
            return root
        root = _shortened(root)


def _shortened(root: np.ndarray) -> np.ndarray:
    while True:
        further = root[root]
        if np.array_equal(further, root):
            return root
        root = further
