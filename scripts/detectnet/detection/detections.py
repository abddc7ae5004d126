"""Detected objects, and how a cluster of candidates becomes one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """Detected objects of one class in one picture.

    Attributes:
        boxes: float64 (M, 4), x1 y1 x2 y2 in network-input pixels.
        confidence: float64 (M,); a sum of coverages with TLT's DBSCAN (may be above 1), the greatest coverage
            with DeepStream's, a coverage with NMS, -0.1 with group-rectangles.
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

    def by_confidence(self) -> Detections:
        """The same by descending confidence; equal ones keep their order."""
        return self.where(np.argsort(-self.confidence, kind="stable"))


def singles(boxes: np.ndarray, coverage: np.ndarray) -> Detections:
    """Every candidate a detection of its own, boxes (N, 4) with their coverage (N,) as confidence."""
    boxes, coverage = boxes.astype(np.float64), coverage.astype(np.float64)
    return Detections(boxes, coverage, coverage, np.ones(len(boxes), dtype=np.int64))


def averaged(boxes: np.ndarray, coverage: np.ndarray, labels: np.ndarray) -> Detections:
    """Coverage-weighted mean box of each cluster; confidence is the sum of its coverages.

    Args:
        boxes: float (N, 4).
        coverage: float (N,), above 0.
        labels: int64 (N,), clusters 0, 1, ... without a gap; -1 is noise.
    """
    inside = labels >= 0
    labels, boxes, coverage = labels[inside], boxes[inside], coverage[inside].astype(np.float64)
    members = np.bincount(labels)
    total = np.bincount(labels, coverage)
    sums = [np.bincount(labels, coverage * edge) for edge in boxes.T]
    return Detections(np.stack(sums, axis=1) / total[:, None], total, total / members, members)


def greatest(coverage: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The greatest coverage in each cluster, float64 (M,); arguments as for ``averaged``."""
    inside = labels >= 0
    made = np.full(labels.max(initial=-1) + 1, -np.inf)
    np.maximum.at(made, labels[inside], coverage[inside])
    return made
