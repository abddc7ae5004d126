"""Pruning to a budget of parameters, operations or time, layer by layer where it costs the least accuracy.

1. The channels of every group are ranked by what they add to the layers behind, on calibration pictures.
2. The network is cut to the budget by one share for all groups.
3. Around these widths every group alone is made narrower and wider, and the change of the task cost is
   measured. Widths that fit the budget and whose changes have a small sum are proposed, and taken if the cost
   of the network that has them all is really lower. Then this is done again, with smaller steps.
4. Batch normalisation gets the statistics of the calibration pictures in the pruned network.

Norms cannot do this: those of two layers say nothing about which of them the detector needs, and a share of
the parameters never reaches the early layers, which hold few of them and take much of the time. Nor can cuts
of the unpruned network: there a residual branch does well without most of its channels, as long as nothing
else is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import pandas as pd

from detectnet.devices import NANO
from detectnet.errors import UserError
from detectnet.files import PathLike, write_csv
from detectnet.logs import log
from detectnet.network.channels import Indices, Node, graph, prunable_groups, sliced, surviving
from detectnet.network.cost import CostModel
from detectnet.network.model import load_model
from detectnet.network.pruning import Criterion, Pruned, filters_table, protected, write_pruned
from detectnet.network.sensitivity import Calibration, Probe, calibration_of, recalibrate
from detectnet.network.width_search import (
    Budget,
    Curve,
    bound_by,
    cheapest,
    nearest_option,
    options_of,
    require_possible,
    uniform,
)

if TYPE_CHECKING:
    from detectnet.spec import Message

REACHES = (2.0, 1.5, 1.25)
"""How far a group may change in each round, as a factor of its width."""


class BudgetPruned(NamedTuple):
    """A network pruned to a budget.

    Attributes:
        pruned: the smaller network and its table.
        sensitivity: ``round``, ``group`` (its layers), ``channels`` (left of it), ``loss`` (task cost of a
            picture with the other groups as the round began).
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
    if not groups:
        raise UserError("there is nothing to prune", where="excluded layers", remedy="Exclude fewer layers.")
    cost = CostModel(model, nodes, groups, NANO)
    options = [options_of(full, criterion.granularity, criterion.minimum) for full in cost.widths]
    require_possible(cost, options, budget)
    rounds = _Rounds(model, nodes, groups, calibration)
    widths, rows = uniform(cost, options, budget), []
    for number, reach in enumerate(REACHES, 1):
        measured = [_around(one, width, reach) for one, width in zip(options, widths, strict=True)]
        base, losses = rounds.losses(widths, measured)
        curves = [_curve(*parts) for parts in zip(options, measured, losses, strict=True)]
        proposed = cheapest(cost, curves, budget)
        reached, _ = rounds.losses(proposed)
        log.info("round %d: task cost %.3g, with the proposed widths %.3g", number, base, reached)
        rows.append(_rows(number, groups, measured, losses))
        widths = proposed if reached < base else widths
    smaller, channels = rounds.cut(widths)
    if recalibrated:
        recalibrate(smaller, calibration)
    pruned = Pruned(smaller, filters_table(model, channels), None)
    return BudgetPruned(pruned, pd.concat(rows, ignore_index=True), bound_by(cost, options, budget, widths))


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


class _Rounds:
    """A network that is measured at widths, each time cut to the widest of them, which is much faster."""

    def __init__(
        self,
        model: keras.Model,
        nodes: dict[str, Node],
        groups: Sequence[list[str]],
        calibration: Calibration,
    ) -> None:
        self._model, self._nodes, self._groups, self._calibration = model, nodes, groups, calibration
        importance = Probe(model, nodes, groups, calibration).importance()
        self._order = [np.argsort(-one, kind="stable") for one in importance]

    def cut(self, widths: np.ndarray) -> tuple[keras.Model, dict[str, Indices]]:
        """A network of widths (G,), and the channels that are left of each layer."""
        stays = [np.sort(order[:width]) for order, width in zip(self._order, widths, strict=True)]
        kept = {name: one for group, one in zip(self._groups, stays, strict=True) for name in group}
        channels = surviving(self._nodes, kept)
        return sliced(self._model, self._nodes, channels), channels

    def losses(
        self, widths: np.ndarray, measured: Sequence[np.ndarray] | None = None
    ) -> tuple[float, list[np.ndarray]]:
        """The task cost at widths (G,), and that of every group alone at its ``measured`` ascending ones."""
        widest = np.maximum(widths, [one[-1] for one in measured]) if measured else widths
        model, channels = self.cut(widest)
        # ranks of the channels that are left, as the smaller network counts them
        order = [
            np.searchsorted(channels[group[0]], one[:width])
            for group, one, width in zip(self._groups, self._order, widest, strict=True)
        ]
        probe = Probe(model, graph(model), self._groups, self._calibration)
        stays = [one[:width] for one, width in zip(order, widths, strict=True)]
        cuts = [[one[:width] for width in some] for one, some in zip(order, measured or [])]
        return probe.losses(stays, cuts)


def _around(options: np.ndarray, width: int, reach: float) -> np.ndarray:
    """Widths at which a group is measured, ascending."""
    return np.unique(nearest_option(options, width * reach ** np.array([-1, -0.5, 0, 0.5])))


def _curve(options: np.ndarray, measured: np.ndarray, losses: np.ndarray) -> Curve:
    """Rises at the options in reach: linear between measured widths, never less for a narrower one."""
    within = options[(options >= measured[0]) & (options <= measured[-1])]
    envelope = np.maximum.accumulate(losses[::-1])[::-1]
    return Curve(within, np.interp(within, measured, envelope - losses[-1]))


def _rows(
    number: int, groups: Sequence[list[str]], measured: Sequence[np.ndarray], losses: Sequence[np.ndarray]
) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"round": number, "group": " + ".join(group), "channels": widths, "loss": loss})
        for group, widths, loss in zip(groups, measured, losses, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
