"""Pruning to a budget of parameters, operations or time, layer by layer where it costs the least accuracy.

1. The channels of every group are ranked by what they add to the layers behind, on calibration pictures.
2. Every group alone is cut to some widths, and the rise of the task cost is measured.
3. From the full network on, the cut with the smallest rise for what it saves is made until all limits are
   met; what it saves is counted in the cost that is over its limit the most. Then one width or two are
   changed at a time, while that lowers the sum of the rises.
4. Batch normalisation gets the statistics of the calibration pictures in the pruned network.

Norms cannot do this: those of two layers say nothing about which of them the detector needs, and a share of
the parameters never reaches the early layers, which hold few of them and take much of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import pandas as pd

from detectnet.devices import NANO
from detectnet.errors import UserError
from detectnet.files import PathLike, write_csv
from detectnet.logs import log
from detectnet.network.channels import graph, prunable_groups, sliced, surviving
from detectnet.network.cost import Cost, CostModel
from detectnet.network.model import load_model
from detectnet.network.pruning import Criterion, Pruned, filters_table, protected, write_pruned
from detectnet.network.sensitivity import Calibration, Probe, calibration_of, recalibrate

if TYPE_CHECKING:
    from detectnet.spec import Message

LEVELS = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4)
"""Shares of a group's channels at which the cost is measured, besides the narrowest and the full width."""


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
    """What cutting a group does.

    Attributes:
        widths: (n,) int64, ascending: what the group may be cut to; last its full width.
        rises: (n,) rise of the task cost over that of the full network, falling to 0.
    """

    widths: np.ndarray
    rises: np.ndarray


class BudgetPruned(NamedTuple):
    """A network pruned to a budget.

    Attributes:
        pruned: the smaller network and its table.
        sensitivity: ``group`` (its layers), ``channels`` (left of it), ``loss`` (task cost of a picture, as
            measured); a row for each cut and for each full width.
        bound_by: limits that keep a group from its next width.
    """

    pruned: Pruned
    sensitivity: pd.DataFrame
    bound_by: list[str]


def prune_to_budget(
    model: keras.Model,
    criterion: Criterion,
    budget: Budget,
    calibration: Calibration,
    *,
    recalibrated: bool = True,
) -> BudgetPruned:
    """A smaller copy of ``model`` within a budget.

    Args:
        model: a functional model of a fixed input size; it is not changed.
        criterion: its granularity, minimum and excluded layers count.
        budget: all its limits are met.
        calibration: pictures and cost that importance and sensitivity are measured with.
        recalibrated: whether batch normalisation gets new statistics.

    Raises:
        UserError: the budget cannot be met; an excluded layer that does not exist; a layer whose channels
            cannot be followed; pictures of another size than the model's input.
    """
    nodes = graph(model)
    groups = prunable_groups(nodes, protected(nodes, model, criterion.excluded))
    cost = CostModel(model, nodes, groups, NANO)
    options = [_options(width, criterion) for width in cost.widths]
    require_possible(cost, options, budget)
    probe = Probe(model, nodes, groups, calibration)
    order = [np.argsort(-one, kind="stable") for one in probe.importance()]
    measured = [_measured(widths) for widths in options]
    cuts = [[one[:width] for width in widths[:-1]] for one, widths in zip(order, measured)]
    base, losses = probe.losses(cuts)
    losses = [np.append(one, base) for one in losses]
    curves = [_curve(*parts) for parts in zip(options, measured, losses, strict=True)]
    widths, bound_by = cheapest(cost, curves, budget)
    stays = [np.sort(one[:width]) for one, width in zip(order, widths)]
    channels = surviving(nodes, {name: one for group, one in zip(groups, stays) for name in group})
    smaller = sliced(model, nodes, channels)
    if recalibrated:
        recalibrate(smaller, calibration)
    pruned = Pruned(smaller, filters_table(model, channels), None)
    return BudgetPruned(pruned, _sensitivity(groups, measured, losses), bound_by)


def budget_stage(
    model_path: PathLike,
    out: PathLike,
    criterion: Criterion,
    budget: Budget,
    experiment: Message,
    shards: Sequence[PathLike],
    *,
    pictures: int = 64,
    recalibrated: bool = True,
    threads: int = 2,
) -> None:
    """Prune a model file to a budget; write what ``prune_stage`` writes, and ``sensitivity.csv``.

    Args:
        model_path, out, criterion, budget, recalibrated: as of ``prune_to_budget``.
        experiment: the spec that the model was trained with.
        shards: record files of the training fold.
        pictures: how many of them calibrate.
        threads: pictures prepared at the same time.

    Raises:
        UserError: the model or the records cannot be read, or as ``prune_to_budget`` raises.
    """
    before = load_model(model_path)
    calibration = calibration_of(experiment, shards, pictures, threads=threads)
    made = prune_to_budget(before, criterion, budget, calibration, recalibrated=recalibrated)
    write_csv(Path(out, "sensitivity.csv"), made.sensitivity)
    log.info("what limits the widths: %s", ", ".join(made.bound_by) or "nothing")
    arguments = {"budget": asdict(budget), "calibration_pictures": pictures, "recalibrate": recalibrated}
    found = {
        "bound_by": made.bound_by,
        "calibration": {"pictures": calibration.pictures, "records_sha256": calibration.digest},
    }
    write_pruned(Path(out), model_path, before, made.pruned, criterion, arguments, found)


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


def cheapest(cost: CostModel, curves: Sequence[Curve], budget: Budget) -> tuple[np.ndarray, list[str]]:
    """Widths (G,) int64 within the budget with a small sum of rises, and the limits that bind them.

    ``require_possible`` must hold for the budget. The same input gives the same widths.
    """
    search = _Search(cost, curves, budget)
    chosen = search.exchanged(search.cut())
    return search.widths(chosen), search.bound_by(chosen)


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

    def bound_by(self, chosen: np.ndarray) -> list[str]:
        """Limits that keep a group from its next width."""
        last = [len(curve.widths) - 1 for curve in self._curves]
        wider = (chosen + np.eye(len(chosen), dtype=np.int64))[chosen < last]
        over = (self._use(wider) > 1).any(axis=0)
        return [name for name, exceeded in zip(self._budget.limits(), over) if exceeded]

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


def _options(full: int, criterion: Criterion) -> np.ndarray:
    """Widths that a group may have: multiples of the granularity from the minimum on, and the full one."""
    step = criterion.granularity
    least = -(-criterion.minimum // step) * step
    return np.append(np.arange(least, full, step), full)


def _measured(options: np.ndarray) -> np.ndarray:
    """The widths that are measured: the narrowest, the full one, and those next above the ``LEVELS``."""
    places = np.searchsorted(options, np.multiply(LEVELS, options[-1]))
    return np.unique(options[[0, *places, -1]])


def _curve(options: np.ndarray, measured: np.ndarray, losses: np.ndarray) -> Curve:
    """Rises at all options: straight lines between measured widths, and never less for a narrower one."""
    envelope = np.maximum.accumulate(losses[::-1])[::-1]
    return Curve(options, np.interp(options, measured, envelope) - losses[-1])


def _sensitivity(
    groups: Sequence[list[str]], measured: Sequence[np.ndarray], losses: Sequence[np.ndarray]
) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"group": " + ".join(group), "channels": widths, "loss": loss})
        for group, widths, loss in zip(groups, measured, losses, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
