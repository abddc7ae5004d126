"""Which whole groups go to validation so that every source gets its share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

_BETTER = 1e-9


def deal(names: Sequence[str], counts: np.ndarray, wanted: np.ndarray, seed: int) -> np.ndarray:
    """Choose groups whose counts add up to what is wanted, as nearly as whole groups allow.

    Groups are looked at in an order that a hash of their name and the seed gives, so the choice is spread
    over the names and a group keeps its place when others come or go. First every group that fits is
    taken; then single groups are added, removed or exchanged while that brings the sum nearer.

    Args:
        names: G unique names.
        counts: (G, S) pictures of each group in each source, >= 0.
        wanted: (S,) pictures still wanted in each source; NaN where a source wants no particular number.
        seed: of the order.

    Returns:
        (G,) bool, True for validation.
    """
    taken = np.zeros(len(names), dtype=bool)
    if np.isnan(wanted).all() or not len(names):
        return taken
    order = sorted(range(len(names)), key=lambda group: _rank(names[group], seed))
    cares = ~np.isnan(wanted)
    counts, missing = counts[:, cares].astype(np.float64), wanted[cares].astype(np.float64)
    for group in order:
        if counts[group].any() and (counts[group] <= np.maximum(missing, 0)).all():
            taken[group] = True
            missing = missing - counts[group]
    _improve(taken, counts, missing, order)
    return taken


def _rank(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _improve(taken: np.ndarray, counts: np.ndarray, missing: np.ndarray, order: list[int]) -> None:
    """Add, remove or exchange single groups in ``taken`` while the summed difference falls."""
    while True:
        adds, removes = _representatives(~taken, counts, order), _representatives(taken, counts, order[::-1])
        moves = counts[adds][:, None] * (adds >= 0)[:, None, None]
        moves = moves - (counts[removes] * (removes >= 0)[:, None])[None]
        differences = np.abs(missing - moves).sum(axis=-1)
        if differences.min() > np.abs(missing).sum() - _BETTER:
            return
        a, r = np.unravel_index(np.argmin(differences), differences.shape)
        missing = missing - moves[a, r]
        for group in (adds[a], removes[r]):
            if group >= 0:
                taken[group] = ~taken[group]


def _representatives(chosen: np.ndarray, counts: np.ndarray, order: list[int]) -> np.ndarray:
    """The first group of ``order`` for each distinct row of counts among the ``chosen``, and -1 for none."""
    ranked = np.array([group for group in order if chosen[group]], dtype=np.int64)
    _, first = np.unique(counts[ranked], axis=0, return_index=True)
    return np.concatenate(([-1], ranked[np.sort(first)]))


def prefix_length(percent: float, count: int) -> int:
    """How many of ``count`` pictures NVIDIA's ``random`` validates on: ``int(percent / 100 * count)``.

    The percentage is a float32 in NVIDIA's spec, which at times makes one picture less or more: 1.8 percent
    of 1000 are 17.
    """
    return int(float(np.float32(percent)) / 100.0 * count)
