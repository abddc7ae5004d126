"""Pruning as DetectNet_v2 does it: whole filters go by the norm of their kernels; what is left is dense.

1. A filter's norm is the L2 norm of its kernel. Bias and batch normalisation do not count.
2. Norms are normalised in each layer: ``max``: n / max(n); ``L2``: n / sqrt(sum n^2) * len(n).
3. Convolutions whose outputs meet in an element-wise layer, or that feed a depthwise convolution, lose the
   same channels: their norms are merged channel by channel.
4. Filters above the threshold stay, at least ``minimum``, rounded up to a multiple of ``granularity``.
5. Layers are made again from their configurations, with the same names and sliced weights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from detectnet.devices import NANO
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, sha256, write_csv, write_json
from detectnet.logs import log
from detectnet.network.channels import (
    Indices,
    Node,
    graph,
    parameters,
    prunable_groups,
    sliced,
    surviving,
    writers,
)
from detectnet.network.cost import cost_model
from detectnet.network.graph import convolutions
from detectnet.network.model import count_parameters, flops, load_model, save_model
from detectnet.network.versions import versions
from detectnet.network.weights import write_hdf5

Norms = dict[str, np.ndarray]

NORMALIZERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "max": lambda norms: norms / (norms.max() or 1),
    "L2": lambda norms: norms / (np.sqrt(np.square(norms).sum()) or 1) * len(norms),
}
EQUALIZATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "union": lambda norms: norms.max(axis=0),
    "intersection": lambda norms: norms.min(axis=0),
    "arithmetic_mean": lambda norms: norms.mean(axis=0),
    "geometric_mean": lambda norms: np.prod(norms, axis=0) ** (1 / len(norms)),
}


class Pruned(NamedTuple):
    """A pruned model.

    Attributes:
        model: the smaller network; layer names as before.
        table: a row for each convolution: ``layer``, ``before``, ``after`` (filters).
        threshold: normalised norm that a filter had to exceed; None where norms did not decide.
    """

    model: keras.Model
    table: pd.DataFrame
    threshold: float | None


@dataclass(frozen=True)
class Criterion:
    """How filters are judged.

    Attributes:
        normalizer: ``max`` or ``L2``.
        equalization: ``union`` (a channel stays if any of the layers wants it), ``intersection``,
            ``arithmetic_mean`` or ``geometric_mean``.
        granularity: filter counts are rounded up to a multiple of this.
        minimum: filters that every layer keeps, if it has as many.
        excluded: layers that keep all their filters, and so do those whose channels they share. Layers
            that write the model's outputs are always among them. They still lose inputs.
    """

    normalizer: str = "max"
    equalization: str = "union"
    granularity: int = 8
    minimum: int = 16
    excluded: Collection[str] = ()

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("normalizer", self.normalizer, NORMALIZERS),
            ("equalization", self.equalization, EQUALIZATIONS),
        ):
            if value not in allowed:
                remedy = did_you_mean(value, allowed)
                raise UserError(f"'{value}' is unknown", where=name, allowed=allowed, remedy=remedy)
        for name, value in (("granularity", self.granularity), ("minimum", self.minimum)):
            if value < 1:
                raise UserError(f"{name} is {value}", where=name, allowed="1 or more")


def prune(
    model: keras.Model, criterion: Criterion, *, threshold: float | None = None, ratio: float | None = None
) -> Pruned:
    """A smaller copy of ``model``, by a threshold or to a share of its parameters.

    Args:
        model: a functional model; it is not changed.
        criterion: how filters are judged.
        threshold: normalised norm that a filter must exceed to stay.
        ratio: parameters after / before that must not be exceeded, in 0..1. The lowest threshold that
            meets it is found exactly: only the norms themselves are thresholds that make a difference.

    Raises:
        UserError: both or none of threshold and ratio; the ratio cannot be met; an excluded layer that
            does not exist; a layer whose channels cannot be followed.
    """
    if (threshold is None) == (ratio is None):
        raise UserError("pruning needs either a threshold or a ratio", allowed="one of the two")
    nodes = graph(model)
    groups = prunable_groups(nodes, protected(nodes, model, criterion.excluded))
    norms = _group_norms(nodes, groups, criterion)
    if threshold is None:
        threshold = _search(nodes, groups, norms, criterion, ratio)
    channels = surviving(nodes, _kept(groups, norms, threshold, criterion))
    table = filters_table(model, channels)
    if ratio is None and table.before.equals(table.after):
        _warn_of_nothing(norms, threshold)
    return Pruned(sliced(model, nodes, channels), table, threshold)


def prune_stage(
    model_path: PathLike,
    out: PathLike,
    criterion: Criterion,
    *,
    threshold: float | None = None,
    ratio: float | None = None,
) -> None:
    """Prune a model file; write ``model.keras``, ``model.hdf5``, two tables and ``provenance.json``.

    ``pruning.csv`` is the table of ``Pruned``. ``costs.csv`` has a row for each kernel of a fused engine:
    ``kernel`` (its convolutions), and ``gflop`` and ``milliseconds`` (predicted for a Jetson Nano) of a
    picture, both with ``_before`` and ``_after``.

    Raises:
        UserError: the model cannot be read, or as ``prune`` raises.
    """
    before = load_model(model_path)
    pruned = prune(before, criterion, threshold=threshold, ratio=ratio)
    write_pruned(Path(out), model_path, before, pruned, criterion, {"threshold": threshold, "ratio": ratio})


def write_pruned(
    out: Path,
    model_path: PathLike,
    before: keras.Model,
    pruned: Pruned,
    criterion: Criterion,
    asked: dict[str, Any],
    found: dict[str, Any] | None = None,
) -> None:
    """Write the files of ``prune_stage`` into ``out``.

    Args:
        model_path, before: the network that was pruned.
        criterion, asked: what was wanted.
        found: more for the provenance.
    """
    save_model(pruned.model, out / "model.keras")
    write_hdf5(pruned.model, out / "model.hdf5")
    write_csv(out / "pruning.csv", pruned.table)
    costs = [cost_model(model, NANO).table([]) for model in (before, pruned.model)]
    write_csv(out / "costs.csv", costs[0].merge(costs[1], on="kernel", suffixes=("_before", "_after")))
    sizes = _sizes(before, pruned.model, *(one.milliseconds.sum() for one in costs))
    provenance = _provenance(model_path, criterion, asked, pruned.threshold)
    write_json(out / "provenance.json", {**sizes, **provenance, **(found or {})})
    log.info(
        "pruned %d of %d filters; left are %.1f %% of the parameters, %.2f of %.2f GFLOP, "
        "%.1f of %.1f ms predicted for a %s",
        (pruned.table.before - pruned.table.after).sum(),
        pruned.table.before.sum(),
        100 * sizes["ratio"],
        sizes["flops_after"] / 1e9,
        sizes["flops_before"] / 1e9,
        sizes["milliseconds_after"],
        sizes["milliseconds_before"],
        NANO.name,
    )


def protected(nodes: dict[str, Node], model: keras.Model, excluded: Collection[str]) -> set[str]:
    """The layers that keep all filters: the excluded ones, and those that write the model's outputs.

    Raises:
        UserError: an excluded layer that is no convolution of the model.
    """
    names = {layer.name for layer in convolutions(model)}
    for name in excluded:
        if name not in names:
            raise UserError(
                f"the excluded layer '{name}' is no convolution of the model",
                where="excluded layers",
                remedy=did_you_mean(name, names),
            )
    return {*excluded, *(name for end in model.output_names for name in writers(nodes, [end]).layers)}


def _group_norms(nodes: dict[str, Node], groups: list[list[str]], criterion: Criterion) -> Norms:
    """First member of a group -> merged normalised norms of its channels, (channels,) float64."""
    normalise = NORMALIZERS[criterion.normalizer]
    merge = EQUALIZATIONS[criterion.equalization]
    return {
        group[0]: merge(np.stack([normalise(_filter_norms(nodes[name])) for name in group]))
        for group in groups
    }


def _filter_norms(node: Node) -> np.ndarray:
    kernel = node.weights[0].astype(np.float64)
    # (h, w, in, out) -> over h, w, in; depthwise (h, w, in, 1) -> over h, w, 1.
    axes = (0, 1, 3) if node.depthwise else (0, 1, 2)
    norms = np.sqrt(np.square(kernel).sum(axis=axes))
    if not np.isfinite(norms).all():
        raise UserError("the weights are not finite; training has diverged", where=f"layer {node.name}")
    return norms


def _kept(
    groups: list[list[str]], norms: Norms, threshold: float, criterion: Criterion
) -> dict[str, Indices]:
    kept = {}
    for group in groups:
        indices = _strongest(norms[group[0]], threshold, criterion)
        kept.update(dict.fromkeys(group, indices))
    return kept


def _strongest(norms: np.ndarray, threshold: float, criterion: Criterion) -> Indices:
    """Ascending indices of the filters that stay; of equal norms the first ones."""
    total = len(norms)
    count = max(int((norms > threshold).sum()), min(criterion.minimum, total))
    count = min(-(-count // criterion.granularity) * criterion.granularity, total)
    return np.sort(np.argsort(-norms, kind="stable")[:count])


def _search(
    nodes: dict[str, Node], groups: list[list[str]], norms: Norms, criterion: Criterion, ratio: float
) -> float:
    """The lowest of all thresholds with at most ``ratio`` of the parameters.

    Filter counts fall as the threshold rises, and change only where it passes a norm, so bisection
    over the sorted norms is exact.
    """
    if not 0 < ratio <= 1:
        raise UserError(f"the ratio is {ratio}", where="ratio", allowed="above 0, up to 1")
    before = parameters(nodes, surviving(nodes, {}))

    def share(threshold: float) -> float:
        return parameters(nodes, surviving(nodes, _kept(groups, norms, threshold, criterion))) / before

    steps = np.unique(np.concatenate([[0.0], *norms.values()]))
    if share(steps[-1]) > ratio:
        raise UserError(
            f"at most to {share(steps[-1]):.4f} of its parameters can this network be pruned, not to {ratio}",
            where="ratio",
            remedy=f"Lower minimum ({criterion.minimum}) or granularity ({criterion.granularity}), "
            "exclude fewer layers, or ask for a higher ratio.",
        )
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if share(steps[middle]) <= ratio else (middle + 1, high)
    return float(steps[low])


def _warn_of_nothing(norms: Norms, threshold: float) -> None:
    smallest = min((one.min() for one in norms.values()), default=None)
    if smallest is None:
        log.warning("nothing is pruned: every layer is excluded")
        return
    log.warning(
        "nothing is pruned: the smallest normalised norm is %.4g, and filters up to %.4g may go; raise the "
        "threshold (-pth), or lower granularity (-pg) and minimum (-nf)",
        smallest,
        threshold,
    )


def filters_table(model: keras.Model, channels: dict[str, Indices]) -> pd.DataFrame:
    """``layer``, ``before`` and ``after``: filters of every convolution, if only ``channels`` are left."""
    rows = [(one.name, one.output.shape[-1], len(channels[one.name])) for one in convolutions(model)]
    return pd.DataFrame(rows, columns=["layer", "before", "after"])


def _sizes(
    before: keras.Model, after: keras.Model, milliseconds_before: float, milliseconds_after: float
) -> dict[str, Any]:
    return {
        "parameters_before": count_parameters(before),
        "parameters_after": count_parameters(after),
        "ratio": count_parameters(after) / count_parameters(before),
        "flops_before": flops(before),
        "flops_after": flops(after),
        "device": NANO.name,
        "milliseconds_before": milliseconds_before,
        "milliseconds_after": milliseconds_after,
    }


def _provenance(
    model_path: PathLike, criterion: Criterion, asked: dict[str, Any], used: float | None
) -> dict[str, Any]:
    arguments = {
        **asked,
        "normalizer": criterion.normalizer,
        "equalization": criterion.equalization,
        "granularity": criterion.granularity,
        "minimum": criterion.minimum,
        "excluded": sorted(criterion.excluded),
    }
    return {
        "stage": "prune",
        "arguments": arguments,
        "threshold": used,
        "model_sha256": sha256(model_path),
        "versions": versions(),
    }
