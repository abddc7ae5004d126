"""TLT's clustering: DBSCAN as evaluation and as stand-alone inference have it, NMS, and both in turn."""

from __future__ import annotations

import dataclasses

import numpy as np

from detectnet.detection.dbscan import dbscan_labels
from detectnet.detection.detections import Detections, averaged, greatest, singles
from detectnet.detection.neighbours import Pairs, all_pairs, near_starts, overlapping_pairs
from detectnet.detection.nms import suppressed
from detectnet.detection.settings import ClusterSettings

DEFAULT_NMS_CONFIDENCE = 0.1
EVALUATION_FLOOR, INFERENCE_FLOOR = 1e-5, 0.01


def evaluated(boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings) -> Detections:
    """What TLT evaluates, with the class's own algorithm; HYBRID, which TAO refuses here, too."""
    if settings.clustering_algorithm == "NMS":
        return nms(boxes, coverage, settings)
    pairs = _near_in_overlap(boxes, settings.dbscan_eps, EVALUATION_FLOOR)
    labels = dbscan_labels(*pairs, coverage, settings.core_coverage)
    found = averaged(boxes, coverage, labels)
    keep = _high_enough(found.boxes, settings) & (found.confidence >= settings.dbscan_confidence_threshold)
    if settings.clustering_algorithm == "HYBRID":
        return _nms_of_members(boxes, coverage, labels, keep, settings)
    return found.where(keep)


def inferred(boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings) -> Detections:
    """TLT's stand-alone inference: strict thresholds, and an unset one of NMS is 0.1."""
    nms_confidence = settings.nms_confidence_threshold or DEFAULT_NMS_CONFIDENCE
    nms_settings = dataclasses.replace(settings, nms_confidence_threshold=nms_confidence)
    if settings.clustering_algorithm == "NMS":
        return nms(boxes, coverage, nms_settings)
    eps = settings.dbscan_eps + 1e-12
    if settings.dbscan_criterion == "IOU":
        pairs = _near_in_overlap(boxes, eps, INFERENCE_FLOOR)
    else:
        pairs = _near_in_coordinates(boxes, eps)
    labels = dbscan_labels(*pairs, coverage, settings.core_coverage)
    found = averaged(boxes, coverage, labels)
    if settings.confidence_model == "mean_cov":
        found = dataclasses.replace(found, confidence=_relative(found, coverage, labels))
    # An undefined confidence (mean_cov of equal members) is not above any threshold.
    keep = _high_enough(found.boxes, settings) & (found.confidence > settings.dbscan_confidence_threshold)
    if settings.clustering_algorithm == "HYBRID":
        return _nms_of_members(boxes, coverage, labels, keep, nms_settings)
    return found.where(keep)


def nms(boxes: np.ndarray, coverage: np.ndarray, settings: ClusterSettings) -> Detections:
    """Greedy NMS with inclusive pixels; each box keeps its own score (TLT reports another's)."""
    above = coverage > settings.nms_confidence_threshold
    boxes, coverage = boxes[above], coverage[above]
    kept = suppressed(boxes, coverage, settings.nms_iou, border=1.0)
    return singles(boxes[kept], coverage[kept])


def _nms_of_members(
    boxes: np.ndarray, coverage: np.ndarray, labels: np.ndarray, keep: np.ndarray, settings: ClusterSettings
) -> Detections:
    """NMS of the candidates in the clusters that the mask ``keep`` chooses."""
    members = np.isin(labels, np.flatnonzero(keep))
    return nms(boxes[members], coverage[members], settings)


def _relative(found: Detections, coverage: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``mean_cov``: where the mean of a cluster's coverages lies between its least and greatest, 0..1.

    NaN where they are equal, as for a single member.
    """
    least = -greatest(-coverage, labels)
    spread = greatest(coverage, labels) - least
    undefined = np.full(len(found), np.nan)
    return np.divide(found.coverage - least, spread, out=undefined, where=spread > 0)


def _high_enough(boxes: np.ndarray, settings: ClusterSettings) -> np.ndarray:
    return boxes[:, 3] - boxes[:, 1] > settings.minimum_bounding_box_height


def _near_in_overlap(boxes: np.ndarray, eps: float, floor: float) -> Pairs:
    """Pairs with 1 - intersection / (union + floor) <= eps; no pixel is added to widths and heights."""
    if eps >= 1:
        # Even boxes that do not touch are neighbours.
        return all_pairs(len(boxes))
    first, second, iou = overlapping_pairs(boxes, floor=floor)
    near = 1 - iou <= eps
    return first[near], second[near]


def _near_in_coordinates(boxes: np.ndarray, eps: float) -> Pairs:
    """Pairs with a Euclidean distance between coordinates of at most eps, pixels."""
    # One step further, so that rounding loses no pair at exactly eps.
    first, second = near_starts(boxes[:, 0], np.nextafter(boxes[:, 0] + eps, np.inf))
    squares = np.zeros(len(first))
    for edge in np.ascontiguousarray(boxes.T):
        apart = edge[first]
        apart -= edge[second]
        squares += np.square(apart, out=apart)
    near = np.sqrt(squares, out=squares) <= eps
    return first[near], second[near]
