"""Widths within a budget whose predicted task cost is small: greedy cuts, then exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from detectnet.errors import UserError
from detectnet.network.cost import Cost, CostModel


@dataclass(frozen=True)
class Budget:
    """What the pruned network may cost; None for no limit.

    Attributes:
        parameters: share of all parameters, above 0, up to 1.
        gflop: 1e9 operations for a picture at the network's input size, two for each multiply-add.
        milliseconds: predicted for such a picture on a Jetson Nano (see ``cost.CostModel``).
    """

    parameters: float | None = None
    gflop: float | None = None
    milliseconds: float | None = None

    def __post_init__(self) -> None:
        if not self.limits():
            raise UserError("the budget has no limit", where="budget", allowed=tuple(asdict(self)))
        for name, value in self.limits().items():
            if value <= 0 or (name == "parameters" and value > 1):
                allowed = "above 0, up to 1" if name == "parameters" else "above 0"
                raise UserError(f"{name} is {value}", where=f"budget.{name}", allowed=allowed)

    def limits(self) -> dict[str, float]:
        """Those that are given."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def use(self, cost: Cost, before: Cost) -> np.ndarray:
        """Costs (...) divided by their limits, (..., limits)."""
        parts = {
            "parameters": cost.parameters / before.parameters,
            "gflop": cost.flop / 1e9,
            "milliseconds": cost.milliseconds,
        }
        return np.stack([parts[name] / limit for name, limit in self.limits().items()], axis=-1)


class Curve(NamedTuple):
    """What the width of a group does.

    Attributes:
        widths: (n,) int64, ascending: what the group may have.
        rises: (n,) rise of the task cost over that of some network, falling with the width.
    """

    widths: np.ndarray
    rises: np.ndarray


def require_possible(cost: CostModel, options: Sequence[np.ndarray], budget: Budget) -> None:
    """Refuse a budget that even the narrowest network exceeds.

    Raises:
        UserError: it does.
    """
    least = cost(np.array([widths[0] for widths in options], np.int64))
    for (name, limit), use in zip(budget.limits().items(), budget.use(least, cost(cost.widths)), strict=True):
        if use > 1:
            raise UserError(
                f"at most to {name} {use * limit:.4g} can this network be pruned, not to {limit}",
                where=f"budget.{name}",
                remedy="Lower minimum or granularity, exclude fewer layers, or ask for more.",
            )


def cheapest(cost: CostModel, curves: Sequence[Curve], budget: Budget) -> np.ndarray:
    """Widths (G,) int64 within the budget with a small sum of rises; the same for the same input.

    The narrowest widths of the curves must be within the budget.
    """
    search = _Search(cost, curves, budget)
    return search.widths(search.exchanged(search.cut()))


def bound_by(cost: CostModel, options: Sequence[np.ndarray], budget: Budget, widths: np.ndarray) -> list[str]:
    """Limits that keep one of the groups, of widths (G,), from its next option."""
    wider = [
        np.where(np.arange(len(widths)) == group, one[one > widths[group]][0], widths)
        for group, one in enumerate(options)
        if widths[group] < one[-1]
    ]
    over = (budget.use(cost(np.array(wider)), cost(cost.widths)) > 1).any(axis=0) if wider else []
    return [name for name, exceeded in zip(budget.limits(), over) if exceeded]


class _Search:
    """Choices are (..., G): the place in its curve of every group's width."""

    def __init__(self, cost: CostModel, curves: Sequence[Curve], budget: Budget) -> None:
        self._cost, self._budget, self._curves = cost, budget, curves
        self._before = cost(cost.widths)

    def cut(self) -> np.ndarray:
        """Narrow groups until every limit is met, the smallest rise for what is saved first."""
        chosen = np.array([len(curve.widths) - 1 for curve in self._curves], np.int64)
        while (use := self._use(chosen)).max() > 1:
            tried = self._changed(chosen)
            tried = tried[(tried < chosen).any(axis=-1)]
            worst = use.argmax()
            # what is saved below the limit is of no use
            saved = np.minimum(use[worst] - self._use(tried)[:, worst], use[worst] - 1)
            tried, saved = tried[saved > 0], saved[saved > 0]
            price = (self._rise(tried) - self._rise(chosen)) / saved
            chosen = tried[np.lexsort((-saved, price))[0]]
        return chosen

    def exchanged(self, chosen: np.ndarray) -> np.ndarray:
        """Change one width or two at a time while that lowers the rise and every limit is kept."""
        while True:
            once = self._changed(chosen)
            tried = np.concatenate([once, *(self._changed(one) for one in once)])
            tried = tried[self._rise(tried) < self._rise(chosen)]
            tried = tried[self._use(tried).max(axis=-1) <= 1]
            if not len(tried):
                return chosen
            chosen = tried[self._rise(tried).argmin()]

    def widths(self, chosen: np.ndarray) -> np.ndarray:
        """Channels of every group, (..., G) int64."""
        columns = [curve.widths[chosen[..., group]] for group, curve in enumerate(self._curves)]
        return np.stack(columns, axis=-1) if columns else chosen

    def _rise(self, chosen: np.ndarray) -> np.ndarray:
        """Sum of the groups' rises, (...)."""
        return sum(
            (curve.rises[chosen[..., group]] for group, curve in enumerate(self._curves)),
            np.zeros(chosen.shape[:-1]),
        )

    def _use(self, chosen: np.ndarray) -> np.ndarray:
        """Cost divided by its limit, (..., limits)."""
        return self._budget.use(self._cost(self.widths(chosen)), self._before)

    def _changed(self, chosen: np.ndarray) -> np.ndarray:
        """All choices that differ in one group, (n, G)."""
        made = []
        for group, curve in enumerate(self._curves):
            others = np.delete(np.arange(len(curve.widths)), chosen[group])
            made.append(np.repeat(chosen[np.newaxis], len(others), axis=0))
            made[-1][:, group] = others
        return np.concatenate(made) if made else np.empty((0, 0), np.int64)


def options_of(full: int, granularity: int, minimum: int) -> np.ndarray:
    """Widths that a group may have: multiples of the granularity from the minimum on, and its full one."""
    least = -(-minimum // granularity) * granularity
    return np.append(np.arange(least, full, granularity), full)


def uniform(cost: CostModel, options: Sequence[np.ndarray], budget: Budget) -> np.ndarray:
    """The widest widths (G,) within the budget that are one share of every group, rounded to its options."""
    shares = np.linspace(0, 1, 1001)
    widths = np.stack([nearest_option(one, shares * one[-1]) for one in options], axis=-1)
    fits = budget.use(cost(widths), cost(cost.widths)).max(axis=-1) <= 1
    return widths[np.flatnonzero(fits)[-1]]


def nearest_option(options: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Of ascending options the one nearest to each of the widths; the narrower one of two."""
    return options[np.abs(options - np.asarray(widths)[..., np.newaxis]).argmin(axis=-1)]
