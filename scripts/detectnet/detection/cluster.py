"""From many overlapping candidates to one box per object: TLT's DBSCAN in two flavours, and NMS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.dbscan import dbscan_labels
from detectnet.detection.decode import clip_boxes, decode
from detectnet.detection.neighbours import all_pairs, overlapping_pairs, pair_iou
from detectnet.errors import UserError, did_you_mean

ALGORITHMS = ("DBSCAN", "NMS", "HYBRID")
CONFIDENCE_MODELS = ("aggregate_cov", "mean_cov")
CRITERIA = ("IOU", "MSE")
DEFAULT_NMS_IOU = 0.3
DEFAULT_NMS_CONFIDENCE = 0.1


@dataclass(frozen=True)
class ClusterSettings:
    """How the candidates of one class are clustered: ``clustering_config`` with its defaults.

    Attributes:
        coverage_threshold: a cell is a candidate above it, 0..1 (used by decoding).
        minimum_bounding_box_height: clusters this high or lower are dropped, network-input pixels.
        clustering_algorithm: ``DBSCAN``, ``NMS`` or ``HYBRID``.
        dbscan_eps: largest 1 - IoU between neighbours, 0..1.
        dbscan_min_samples: summed coverage that makes a core point; TLT's integer, at least 1.
        dbscan_min_coverage: extension; where set (above 0) it is used as it is instead of the above.
        dbscan_confidence_threshold: smallest confidence of a cluster; a sum, so it may be above 1.
        nms_iou_threshold: boxes that overlap more are suppressed; 0 is unset, 0.3.
        nms_confidence_threshold: NMS keeps what is above it.
        confidence_model: ``aggregate_cov`` or ``mean_cov``, stand-alone inference only.
        dbscan_criterion: ``IOU`` or ``MSE`` (distance between coordinates), stand-alone inference only.
    """

    coverage_threshold: float = 0.0
    minimum_bounding_box_height: float = 0.0
    clustering_algorithm: str = "DBSCAN"
    dbscan_eps: float = 0.0
    dbscan_min_samples: float = 0.0
    dbscan_min_coverage: float | None = None
    dbscan_confidence_threshold: float = 0.0
    nms_iou_threshold: float = 0.0
    nms_confidence_threshold: float = 0.0
    confidence_model: str = "aggregate_cov"
    dbscan_criterion: str = "IOU"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("clustering_algorithm", ALGORITHMS),
            ("confidence_model", CONFIDENCE_MODELS),
            ("dbscan_criterion", CRITERIA),
        ):
            if getattr(self, name) not in allowed:
                raise UserError(f"'{getattr(self, name)}' is not known", where=name, allowed=allowed)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClusterSettings:
        """Settings from names and values, as in the contract's ``clustering``.

        ``neighborhood_size`` is a field of TLT's that nothing reads; it is accepted.

        Raises:
            UserError: a name is unknown, or a word is not among the allowed ones.
        """
        known = {one.name for one in dataclasses.fields(cls)}
        given = {name: value for name, value in values.items() if name != "neighborhood_size"}
        for name in given:
            if name not in known:
                raise UserError(
                    f"unknown field '{name}'", where="clustering_config", remedy=did_you_mean(name, known)
                )
        algorithm = given.get("clustering_algorithm", "DBSCAN")
        if isinstance(algorithm, int) and 0 <= algorithm < len(ALGORITHMS):
            given["clustering_algorithm"] = ALGORITHMS[algorithm]
        return cls(**given)

    @property
    def core_coverage(self) -> float:
        """The summed coverage in its neighbourhood that makes a candidate a core point."""
        return self.dbscan_min_coverage or float(max(int(self.dbscan_min_samples), 1))

    @property
    def nms_iou(self) -> float:
        """The IoU above which NMS suppresses."""
        return self.nms_iou_threshold or DEFAULT_NMS_IOU

    def uncut(self) -> ClusterSettings:
        """The same without a threshold of confidence: for scoring, which looks at every threshold itself."""
        return dataclasses.replace(self, dbscan_confidence_threshold=0.0, nms_confidence_threshold=0.0)

    def tao_least(self, mode: str) -> float:
        """The smallest confidence that TAO's evaluator counts, for the detections of ``tlt`` or ``nms``.

        TAO's evaluator swaps the two thresholds: DBSCAN's detections are cut at
        ``nms_confidence_threshold`` (``>=``; normally 0, no cut), those of NMS at
        ``dbscan_confidence_threshold`` (``>``).
        """
        if mode == "nms" or self.clustering_algorithm == "NMS":
            return float(np.nextafter(self.dbscan_confidence_threshold, np.inf))
        return self.nms_confidence_threshold


@dataclass(frozen=True)
class Detections:
    """Detected objects of one class in one picture, by descending confidence.

    Attributes:
        boxes: float64 (M, 4), x1 y1 x2 y2 in network-input pixels.
        confidence: float64 (M,); a sum of coverages with DBSCAN (may be above 1), a coverage with NMS.
        coverage: float64 (M,), mean coverage of the members, 0..1.
        members: int64 (M,), candidates in the cluster; 1 with NMS.
    """

    boxes: np.ndarray
    confidence: np.ndarray
    coverage: np.ndarray
    members: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def where(self, keep: np.ndarray) -> Detections:
        """Those that a mask or an index array chooses."""
        return Detections(self.boxes[keep], self.confidence[keep], self.coverage[keep], self.members[keep])


def cluster(
    boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings, mode: str = "tlt"
) -> Detections:
    """Cluster the candidates of one class.

    Modes:
        ``tlt``: what TLT evaluates, with the class's own algorithm, DBSCAN or NMS. The confidence threshold
            is ``dbscan_confidence_threshold`` for DBSCAN (``>=``) and ``nms_confidence_threshold`` for NMS;
            TLT itself swaps the two, see ``ClusterSettings.tao_least``.
        ``tlt-infer``: TLT's stand-alone inference, with the class's own algorithm, HYBRID too; thresholds
            are strict, and an unset NMS threshold is 0.1.
        ``nms``: greedy NMS whatever the class's algorithm.

    Args:
        boxes: float (N, 4), x1 y1 x2 y2 in network-input pixels.
        coverage: float (N,), 0..1, all above ``coverage_threshold``.
        settings: of the class.
        mode: one of ``MODES``.

    Raises:
        UserError: the mode is unknown, or does not know the algorithm of the class.
    """
    if mode not in MODES:
        raise UserError(f"unknown clustering '{mode}'", allowed=MODES)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    found = MODES[mode](boxes, np.asarray(coverage, dtype=np.float64), settings)
    return found.where(np.argsort(-found.confidence, kind="stable"))


def settings_of(contract: Contract) -> dict[str, ClusterSettings]:
    """Settings per class of the contract, in channel order; defaults for a class without an entry."""
    return {name: ClusterSettings.from_dict(contract.clustering.get(name, {})) for name in contract.classes}


def detect(cov: np.ndarray, bbox: np.ndarray, contract: Contract, mode: str = "tlt") -> dict[str, Detections]:
    """Decode and cluster one picture, cov (C, h, w) and bbox (4C, h, w): class name to detections.

    With ``tlt-infer`` boxes are cut to the frame after clustering, otherwise before it.
    """
    clip_first = mode != "tlt-infer"
    candidates = decode(cov, bbox, contract, clip=clip_first)
    found = {}
    for index, (name, settings) in enumerate(settings_of(contract).items()):
        made = cluster(*candidates.of_class(index), settings, mode)
        found[name] = (
            made if clip_first else dataclasses.replace(made, boxes=clip_boxes(made.boxes, contract))
        )
    return found


def _tlt(boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings) -> Detections:
    if settings.clustering_algorithm == "NMS":
        return _nms(boxes, coverage, settings)
    if settings.clustering_algorithm == "HYBRID":
        raise UserError(
            "HYBRID is for inference only",
            where="clustering_config.clustering_algorithm",
            allowed=("DBSCAN", "NMS"),
            remedy="Evaluate with DBSCAN or NMS, as TLT does.",
        )
    pairs = _near_in_overlap(boxes, settings.dbscan_eps, floor=1e-5)
    labels = dbscan_labels(*pairs, coverage, settings.core_coverage)
    found = _average(boxes, coverage, labels)
    return found.where(
        _high_enough(found.boxes, settings) & (found.confidence >= settings.dbscan_confidence_threshold)
    )


def _tlt_infer(boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings) -> Detections:
    nms_confidence = settings.nms_confidence_threshold or DEFAULT_NMS_CONFIDENCE
    nms_settings = dataclasses.replace(settings, nms_confidence_threshold=nms_confidence)
    if settings.clustering_algorithm == "NMS":
        return _nms(boxes, coverage, nms_settings)
    eps = settings.dbscan_eps + 1e-12
    if settings.dbscan_criterion == "IOU":
        pairs = _near_in_overlap(boxes, eps, floor=0.01)
    else:
        pairs = _near_in_coordinates(boxes, eps)
    labels = dbscan_labels(*pairs, coverage, settings.core_coverage)
    found = _average(boxes, coverage, labels)
    confidence = (
        found.confidence if settings.confidence_model == "aggregate_cov" else _relative(coverage, labels)
    )
    # An undefined confidence (mean_cov of equal members) is not above any threshold.
    keep = _high_enough(found.boxes, settings) & (confidence > settings.dbscan_confidence_threshold)
    if settings.clustering_algorithm == "HYBRID":
        members = np.isin(labels, np.flatnonzero(keep))
        return _nms(boxes[members], coverage[members], nms_settings)
    return dataclasses.replace(found, confidence=confidence).where(keep)


def _nms(boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings) -> Detections:
    """Greedy NMS with inclusive pixels; each box keeps its own score (TLT reports another's)."""
    order = np.argsort(-coverage, kind="stable")
    order = order[coverage[order] > settings.nms_confidence_threshold]
    kept = order[_unsuppressed(boxes[order], settings.nms_iou)]
    return Detections(boxes[kept], coverage[kept], coverage[kept], np.ones(len(kept), dtype=np.int64))


MODES: dict[str, Callable[[np.ndarray, np.ndarray, ClusterSettings], Detections]] = {
    "tlt": _tlt,
    "tlt-infer": _tlt_infer,
    "nms": _nms,
}


def _unsuppressed(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Mask of the boxes, best first, that no better kept box overlaps by more than ``threshold``.

    Each round corrects all boxes at once; after round t the first t are final, and mostly all are after
    two or three.
    """
    first, second = overlapping_pairs(boxes, border=1.0)
    close = (first != second) & (pair_iou(boxes, first, second, border=1.0) > threshold)
    better, worse = np.minimum(first, second)[close], np.maximum(first, second)[close]
    keep = np.ones(len(boxes), dtype=bool)
    while True:
        after = np.ones(len(boxes), dtype=bool)
        after[worse[keep[better]]] = False
        if np.array_equal(after, keep):
            return keep
        keep = after


def _average(boxes: np.ndarray, coverage: np.ndarray, labels: np.ndarray) -> Detections:
    """Coverage-weighted mean box of each cluster; confidence is the sum of its coverages."""
    inside = labels >= 0
    labels, boxes, coverage = labels[inside], boxes[inside], coverage[inside]
    members = np.bincount(labels)
    total = np.bincount(labels, coverage)
    sums = [np.bincount(labels, coverage * edge) for edge in boxes.T]
    return Detections(np.stack(sums, axis=1) / total[:, None], total, total / members, members)


def _relative(coverage: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``mean_cov``: where the mean of a cluster's coverages lies between its least and greatest, 0..1.

    NaN where they are equal, as for a single member.
    """
    inside = labels >= 0
    labels, coverage = labels[inside], coverage[inside]
    members = np.bincount(labels)
    least, greatest = np.full(len(members), np.inf), np.full(len(members), -np.inf)
    np.minimum.at(least, labels, coverage)
    np.maximum.at(greatest, labels, coverage)
    spread = greatest - least
    mean = np.bincount(labels, coverage) / members
    return np.divide(mean - least, spread, out=np.full(len(members), np.nan), where=spread > 0)


def _high_enough(boxes: np.ndarray, settings: ClusterSettings) -> np.ndarray:
    return boxes[:, 3] - boxes[:, 1] > settings.minimum_bounding_box_height


def _near_in_overlap(boxes: np.ndarray, eps: float, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with 1 - intersection / (union + floor) <= eps; no pixel is added to widths and heights."""
    # At a distance of 1 even boxes that do not touch are neighbours.
    pairs = overlapping_pairs(boxes) if eps < 1 else all_pairs(len(boxes))
    near = 1 - pair_iou(boxes, *pairs, floor=floor) <= eps
    return pairs[0][near], pairs[1][near]


def _near_in_coordinates(boxes: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with a Euclidean distance between coordinates of at most eps, pixels."""
    first, second = all_pairs(len(boxes))
    near = np.linalg.norm(boxes[first] - boxes[second], axis=1) <= eps
    return first[near], second[near]
