"""DeepStream's clustering of one class: the five cluster-modes of nvinfer.

nvinfer calculates in single precision, so boxes and coverages are brought to it before anything is compared.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from detectnet.detection.detections import Detections, averaged, greatest, singles
from detectnet.detection.grouping import NO_GROUP, group_rectangles
from detectnet.detection.neighbours import Pairs, all_pairs, overlapping_pairs
from detectnet.detection.nms import first_come, suppressed
from detectnet.detection.settings import DeepStreamSettings

GROUPED_CONFIDENCE = -0.1
SIDE_PER_MEMBER = 60.0
NOISE = -1


def grouped(boxes: np.ndarray, coverage: np.ndarray, settings: DeepStreamSettings) -> Detections:
    """Cluster-mode 0: OpenCV's groupRectangles on whole pixels; confidence is always -0.1."""
    boxes, coverage = _candidates(boxes, coverage, settings)
    corners = np.trunc(boxes[:, :2]).astype(np.int64)
    sizes = np.trunc(boxes[:, 2:] - boxes[:, :2]).astype(np.int64)
    rectangles, labels = group_rectangles(np.hstack([corners, sizes]), settings.group_threshold, settings.eps)
    inside = labels != NO_GROUP
    members = np.bincount(labels[inside], minlength=len(rectangles))
    total = np.bincount(labels[inside], coverage[inside], minlength=len(rectangles))
    made = np.hstack([rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:]]).astype(np.float64)
    return Detections(made, np.full(len(made), GROUPED_CONFIDENCE), total / members, members)


def dbscan(boxes: np.ndarray, coverage: np.ndarray, settings: DeepStreamSettings) -> Detections:
    """Cluster-mode 1: mean boxes with the greatest coverage of their members; none is made with min_boxes 0.

    A cluster is dropped when its coverages sum to less than ``dbscan_min_score``, and always when the side
    of a square of its area is more than 60 pixels for each member and one more.
    """
    boxes, coverage = _candidates(boxes, coverage, settings)
    if not settings.min_boxes:
        found = singles(boxes, coverage)
    else:
        labels = _one_hop_labels(boxes, settings)
        # Without any coverage there is no weighted mean.
        labels[coverage <= 0] = NOISE
        labels = _without_gaps(labels)
        found = averaged(boxes, coverage, labels)
        keep = _reaches(found.confidence, settings.dbscan_min_score) & _small_enough(found)
        found = dataclasses.replace(found, confidence=greatest(coverage, labels)).where(keep)
    return _best(found.where(_reaches(found.confidence, settings.post_cluster_threshold)), settings)


def nms(boxes: np.ndarray, coverage: np.ndarray, settings: DeepStreamSettings) -> Detections:
    """Cluster-mode 2: greedy NMS without a border pixel."""
    boxes, coverage = _candidates(boxes, coverage, settings)
    kept = suppressed(boxes, coverage, settings.nms_iou_threshold, border=0.0)
    kept = kept[coverage[kept] > settings.post_cluster_threshold]
    return _best(singles(boxes[kept], coverage[kept]), settings)


def hybrid(boxes: np.ndarray, coverage: np.ndarray, settings: DeepStreamSettings) -> Detections:
    """Cluster-mode 3: NMS of the boxes that DBSCAN labels, none of them averaged or dropped by size.

    With min_boxes 0 every box has a label.
    """
    boxes, coverage = _candidates(boxes, coverage, settings)
    labelled = _one_hop_labels(boxes, settings) != NOISE
    return nms(boxes[labelled], coverage[labelled], settings)


def unclustered(boxes: np.ndarray, coverage: np.ndarray, settings: DeepStreamSettings) -> Detections:
    """Cluster-mode 4: every candidate, or the best ``topk``."""
    return _best(singles(*_candidates(boxes, coverage, settings)), settings)


def _candidates(
    boxes: np.ndarray, coverage: np.ndarray, settings: DeepStreamSettings
) -> tuple[np.ndarray, np.ndarray]:
    boxes, coverage = boxes.astype(np.float32), coverage.astype(np.float32)
    enough = coverage >= settings.pre_cluster_threshold
    return boxes[enough], coverage[enough]


def _one_hop_labels(boxes: np.ndarray, settings: DeepStreamSettings) -> np.ndarray:
    """Cluster labels, -1 for noise and for every point that is not core.

    A core point has min_boxes - 1 neighbours, itself not counted, nearer than eps. In order, each core point
    without a cluster opens one and takes its neighbours that are core and have none; these bring in nobody.
    """
    first, second = _neighbours(boxes, settings.eps)
    degree = np.bincount(np.concatenate([first, second]), minlength=len(boxes))
    core = degree + 1 >= settings.min_boxes
    both = core[first] & core[second]
    first, second = first[both], second[both]
    seed = first_come(len(boxes), first, second) & core
    taker = np.where(seed, np.arange(len(boxes)), len(boxes))
    for point, near in ((first, second), (second, first)):
        of_seed = seed[near]
        np.minimum.at(taker, point[of_seed], near[of_seed])
    return np.where(core, taker, NOISE)


def _neighbours(boxes: np.ndarray, eps: float) -> Pairs:
    """Pairs of different boxes with 1 - IoU < eps, each once."""
    if eps > 1:
        # Even boxes that do not touch are neighbours.
        first, second = all_pairs(len(boxes))
        near = first != second
    else:
        first, second, iou = overlapping_pairs(boxes)
        near = (1 - iou < eps) & (first != second)
    return first[near], second[near]


def _without_gaps(labels: np.ndarray) -> np.ndarray:
    """The same clusters, numbered 0, 1, ... in the same order."""
    made = np.full(len(labels), NOISE)
    inside = labels != NOISE
    made[inside] = np.unique(labels[inside], return_inverse=True)[1]
    return made


def _reaches(confidence: np.ndarray, threshold: float) -> np.ndarray:
    return confidence.astype(np.float32) >= threshold


def _small_enough(found: Detections) -> np.ndarray:
    width, height = (found.boxes[:, 2:] - found.boxes[:, :2]).T
    return np.sqrt(width * height) / (found.members + 1) <= SIDE_PER_MEMBER


def _best(found: Detections, settings: DeepStreamSettings) -> Detections:
    ranked = found.by_confidence()
    return ranked if settings.topk < 0 else ranked.where(np.arange(len(ranked)) < settings.topk)
