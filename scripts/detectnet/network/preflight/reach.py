"""What a network that has learned its targets perfectly would find: less is impossible to reach."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.cluster import ClusterSettings, cluster, settings_of
from detectnet.detection.collecting import HEADLINE_CLUSTERING
from detectnet.detection.decode import decode
from detectnet.network.preflight.finding import Finding, Share, of_classes
from detectnet.network.preflight.labels import Labels
from detectnet.network.targets import TargetSettings, rasterize
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

SAMPLE = 128  # boxes of a class that are looked at, from the smallest to the largest
_BATCH = 32
UNCOVERED, FAINT, LONE, FOUND = "uncovered", "faint", "lone", "found"


@dataclass(frozen=True)
class Reach:
    """The fate of a sample of boxes, each alone on its picture, whose targets are predicted exactly.

    Attributes:
        fates: number of boxes ``uncovered`` (no cell has coverage), ``faint`` (no cell passes
            ``coverage_threshold``), ``lone`` (cells pass, but make no cluster) and ``found``.
        coverage: the greatest coverage of a cell, 0..1.
        summed: the greatest sum of the coverages above the threshold of one box.
    """

    fates: Counter[str]
    coverage: float
    summed: float

    @property
    def looked_at(self) -> int:
        """Size of the sample."""
        return self.fates.total()


def reach_of(boxes: np.ndarray, index: int, contract: Contract, targets: TargetSettings) -> Reach:
    """Rasterise, decode and cluster boxes (N, 4) of the class ``index``, no cut of size or confidence."""
    order = np.argsort(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind="stable")
    chosen = boxes[order[np.unique(np.linspace(0, len(boxes) - 1, SAMPLE).astype(int))]]
    settings = dataclasses.replace(
        settings_of(contract)[contract.classes[index]].uncut(), minimum_bounding_box_height=0
    )
    fates, coverage, summed = Counter(), 0.0, 0.0
    for start in range(0, len(chosen), _BATCH):
        part = chosen[start : start + _BATCH, None].astype(np.float32)
        made = rasterize(part, np.full(part.shape[:2], index, np.int32), targets)
        for cov, bbox in zip(made.cov.numpy(), made.bbox.numpy(), strict=True):
            candidates = decode(np.moveaxis(cov, -1, 0), np.moveaxis(bbox, -1, 0), contract)
            passing = candidates.of_class(index)
            fates[_fate(cov, passing, settings)] += 1
            coverage = max(coverage, float(cov.max()))
            summed = max(summed, float(passing[1].sum()))
    return Reach(fates, coverage, summed)


def _fate(cov: np.ndarray, passing: tuple[np.ndarray, np.ndarray], settings: ClusterSettings) -> str:
    if not cov.any():
        return UNCOVERED
    if not len(passing[0]):
        return FAINT
    return FOUND if len(cluster(*passing, settings, HEADLINE_CLUSTERING)) else LONE


def reach_findings(experiment: Message, labels: Labels) -> Iterator[Finding]:
    """Classes whose targets are empty, below the threshold, or too thin for a cluster."""
    contract, targets = contract_of(experiment), TargetSettings.from_spec(experiment)
    shares = []
    for index, name in enumerate(contract.classes):
        boxes = labels.of_class(index)
        if len(boxes):
            shares.append(_of_class(experiment, name, reach_of(boxes, index, contract, targets)))
    for of_one_cause in zip(*shares, strict=True):
        yield from of_classes(of_one_cause)


def _of_class(experiment: Message, name: str, reach: Reach) -> tuple[Share, Share, Share]:
    config = experiment.postprocessing_config.target_class_config[name].clustering_config
    rasterizer = experiment.bbox_rasterizer_config
    sample = f"boxes of '{name}' (a sample, smallest to largest)"
    grow = "Raise bbox_min_radius or cov_radius_x and cov_radius_y of the class."
    dead = Share(
        "dead-class",
        reach.fates[UNCOVERED],
        reach.looked_at,
        f"{sample} cover no cell of the grid: they are trained as background",
        rasterizer.where(f"target_class_config[{name}]"),
        grow,
    )
    faint = Share(
        "coverage-threshold",
        reach.fates[FAINT],
        reach.looked_at,
        f"{sample} have no coverage above coverage_threshold {config.coverage_threshold:g}, even in their "
        f"targets (the greatest is {reach.coverage:g})",
        config.where("coverage_threshold"),
        f"Lower coverage_threshold. {grow}",
    )
    core = ClusterSettings.from_dict(config.to_dict()).core_coverage
    lone = Share(
        "no-cluster",
        reach.fates[LONE],
        reach.looked_at,
        f"{sample} never make a cluster, even if their targets are predicted exactly: a core point needs "
        f"{core:g} of summed coverage within dbscan_eps {config.dbscan_eps:g}, the greatest sum is "
        f"{reach.summed:g}",
        config.where("dbscan_min_coverage" if config.dbscan_min_coverage else "dbscan_min_samples"),
        f"Set dbscan_min_coverage to a part of that sum, or dbscan_eps to 0.1 to 0.5. {grow}",
    )
    return dead, faint, lone
