"""Why a validation finds nothing: the likely causes, most likely first, from what the network put out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectnet.contract import Contract
from detectnet.data.boxes import height, iou
from detectnet.detection.cluster import ClusterSettings, cluster, settings_of
from detectnet.detection.collecting import HEADLINE_CLUSTERING, HEADLINE_IOU, PictureResult
from detectnet.detection.decode import decode

EARLY = 0.1  # share of a training in which nothing need be found yet
_TELLS_APART = 2.0  # times as much coverage on objects as elsewhere
_ANY_SUM = 1e-9  # of coverage: every candidate is a core point


@dataclass(frozen=True)
class Progress:
    """Attributes: epoch: that ended, from 1; epochs: of all; soft_start: share in which the rate rises."""

    epoch: int
    epochs: int
    soft_start: float

    @property
    def early(self) -> bool:
        """Whether nothing need be found yet."""
        return self.epoch <= self.epochs * max(self.soft_start, EARLY)


@dataclass(frozen=True)
class Evidence:
    """What became of one class on some pictures with ground truth, step by step.

    Attributes:
        settings: of its clustering.
        objects: ground truth on the pictures.
        greatest: coverage of any cell, 0..1.
        on_objects, elsewhere: mean coverage of the cells in the middle of objects, and of all other cells.
        candidates: cells above the threshold.
        summed: the largest sum of coverages of neighbours.
        clusters: before the height filter.
        tallest: cluster, pixels.
        detections: what is left.
        best_iou: of a detection with ground truth, 0..1.
    """

    settings: ClusterSettings
    objects: int
    greatest: float
    on_objects: float
    elsewhere: float
    candidates: int
    summed: float
    clusters: int
    tallest: float
    detections: int
    best_iou: float


def evidence_of(results: Sequence[PictureResult], index: int, contract: Contract) -> Evidence:
    """Follow the class ``index`` from its coverage to the overlap of its detections."""
    name = contract.classes[index]
    settings = settings_of(contract)[name].uncut()
    of_any_height = dataclasses.replace(settings, minimum_bounding_box_height=0)
    of_any_sum = dataclasses.replace(of_any_height, dbscan_min_coverage=_ANY_SUM)
    on, off, sums, heights, overlaps = [], [], [], [], []
    objects = candidates = clusters = detections = 0
    for one in results:
        truth = one.truth_boxes[[known.lower() == name.lower() for known in one.truth_classes]]
        objects += len(truth)
        middle = _middles(truth, one.cov[index].shape, contract)
        on.append(one.cov[index][middle])
        off.append(one.cov[index][~middle])
        cells = decode(one.cov, one.bbox, contract).of_class(index)
        loose, every, kept = (
            cluster(*cells, how, HEADLINE_CLUSTERING) for how in (of_any_sum, of_any_height, settings)
        )
        candidates, clusters, detections = (
            candidates + len(cells[0]),
            clusters + len(every),
            detections + len(kept),
        )
        sums.append(loose.confidence)
        heights.append(height(every.boxes))
        overlaps.append(iou(truth, kept.boxes).ravel())
    on, off, sums, heights, overlaps = map(np.concatenate, (on, off, sums, heights, overlaps))
    return Evidence(
        settings=settings,
        objects=objects,
        greatest=float(max(on.max(initial=0), off.max(initial=0))),
        on_objects=float(on.mean()) if len(on) else 0.0,
        elsewhere=float(off.mean()) if len(off) else 0.0,
        candidates=candidates,
        summed=float(sums.max(initial=0)),
        clusters=clusters,
        tallest=float(heights.max(initial=0)),
        detections=detections,
        best_iou=float(overlaps.max(initial=0)),
    )


def _middles(boxes: np.ndarray, grid: tuple[int, int], contract: Contract) -> np.ndarray:
    """Mask (h, w) of the cells that hold the centre of a box."""
    made = np.zeros(grid, bool)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 // contract.stride
    column, row = np.clip(centre, 0, np.array(grid)[::-1] - 1).astype(int).T
    made[row, column] = True
    return made


def likely_causes(
    results: Sequence[PictureResult], contract: Contract, progress: Progress, noted: Sequence[str] = ()
) -> list[str]:
    """Sentences, the most likely cause first; of a class without ground truth nothing can be said.

    Args:
        results: pictures with ground truth and the network's outputs.
        contract: with the clustering of the classes.
        progress: of the training.
        noted: what the preflight warned of.
    """
    broken, unknown = [], []
    for index, name in enumerate(contract.classes):
        about = f"'{name}': " if len(contract.classes) > 1 else ""
        found = evidence_of(results, index, contract)
        if found.objects:
            broken.append(about + _broken_step(found))
        else:
            unknown.append(f"{about}there is no ground truth in the sample of {len(results)} pictures.")
    causes = [*broken, *unknown, *(f"The preflight said: {one}" for one in noted)]
    if progress.early:
        rising = progress.epoch <= progress.epochs * progress.soft_start
        still = "the learning rate is still rising" if rising else "it has only begun"
        causes.insert(0, f"It is too early: epoch {progress.epoch} of {progress.epochs}, {still}. Wait.")
    return causes


def _broken_step(found: Evidence) -> str:
    """The first step of the way from coverage to average precision at which everything is lost."""
    settings = found.settings
    if not found.candidates:
        return (
            f"coverage is nowhere above coverage_threshold {settings.coverage_threshold:g}, the greatest is "
            f"{found.greatest:.3g}. {_told_apart(found)}"
        )
    if not found.clusters:
        return (
            f"clusters never form: {found.candidates} cells are above coverage_threshold, but within "
            f"dbscan_eps {settings.dbscan_eps:g} they sum to {found.summed:.3g} at most, a core point needs "
            f"{settings.core_coverage:g}. Set dbscan_min_coverage lower, or dbscan_eps higher. "
            f"{_told_apart(found)}"
        )
    if not found.detections:
        return (
            f"all {found.clusters} clusters are dropped: the tallest has {found.tallest:.1f} pixels, "
            f"minimum_bounding_box_height is {settings.minimum_bounding_box_height:g}. Lower it."
        )
    if found.best_iou < HEADLINE_IOU:
        return (
            f"boxes are off: the best of {found.detections} detections has IoU {found.best_iou:.2f} with "
            f"ground truth, {HEADLINE_IOU:g} is a hit. Train longer; look at whether labels and pictures "
            f"belong together, and at the weight of the bbox objective. {_told_apart(found)}"
        )
    return (
        f"false alarms drown the hits: {found.detections} detections, the best has IoU {found.best_iou:.2f}. "
        f"Train longer. {_told_apart(found)}"
    )


def _told_apart(found: Evidence) -> str:
    numbers = f"mean coverage is {found.on_objects:.3g} on objects and {found.elsewhere:.3g} elsewhere"
    if found.on_objects > _TELLS_APART * found.elsewhere:
        return f"The network tells objects apart ({numbers})."
    return (
        f"The network does not tell objects from background ({numbers}): train longer, look at the learning "
        "rate, and at whether labels and pictures belong together."
    )
