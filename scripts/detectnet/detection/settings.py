"""How candidates of one class are clustered: TLT's ``clustering_config`` and nvinfer's ``class-attrs``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectnet.errors import UserError, did_you_mean

ALGORITHMS = ("DBSCAN", "NMS", "HYBRID")
CONFIDENCE_MODELS = ("aggregate_cov", "mean_cov")
CRITERIA = ("IOU", "MSE")
DEFAULT_NMS_IOU = 0.3
CLUSTER_MODES = {"group": 0, "dbscan": 1, "nms": 2, "hybrid": 3, "none": 4}
"""nvinfer's ``cluster-mode`` by name."""


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
        ``dbscan_confidence_threshold`` (``>``). It refuses HYBRID, whose detections are cut here at NMS's
        own threshold.
        """
        if mode == "nms" or self.clustering_algorithm == "NMS":
            return float(np.nextafter(self.dbscan_confidence_threshold, np.inf))
        return self.nms_confidence_threshold


@dataclass(frozen=True)
class DeepStreamSettings:
    """nvinfer's ``class-attrs`` of one class, with nvinfer's defaults; compared in single precision.

    Attributes:
        pre_cluster_threshold: a cell is a candidate at or above it; above 1 switches the class off.
        post_cluster_threshold: NMS keeps what is above it, DBSCAN what is at or above it.
        eps: largest 1 - IoU between neighbours, exclusive (DBSCAN, hybrid); for group-rectangles OpenCV's
            tolerance relative to the size of the rectangles.
        group_threshold: groups of this many rectangles or fewer are dropped; 0 does not group.
        min_boxes: boxes in a neighbourhood that make its middle a core point; 0 leaves DBSCAN out.
        dbscan_min_score: smallest sum of the coverages of a cluster of DBSCAN.
        nms_iou_threshold: boxes that overlap more are suppressed.
        topk: most detections of the class in a picture; -1 is all. Group-rectangles does not look at it.
    """

    pre_cluster_threshold: float = 0.2
    post_cluster_threshold: float = 0.0
    eps: float = 0.0
    group_threshold: int = 0
    min_boxes: int = 0
    dbscan_min_score: float = 0.0
    nms_iou_threshold: float = 0.3
    topk: int = -1

    def __post_init__(self) -> None:
        for name, least in (("eps", 0), ("group_threshold", 0), ("min_boxes", 0), ("topk", -1)):
            if getattr(self, name) < least:
                raise UserError(
                    f"{name} is {getattr(self, name)}", where="class-attrs", allowed=f"{least} and above"
                )


@dataclass(frozen=True)
class DeepStreamClustering:
    """nvinfer's ``cluster-mode`` with the ``class-attrs`` of one class, as in the contract's ``deepstream``.

    Attributes:
        cluster_mode: 0 group-rectangles, 1 DBSCAN, 2 NMS, 3 both in turn, 4 none; one for all classes.
        settings: of the class.
    """

    cluster_mode: int
    settings: DeepStreamSettings

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DeepStreamClustering:
        """What ``to_dict`` gave; a field that is not named has nvinfer's default.

        Raises:
            UserError: a name is unknown, a value is out of range, or there is no such mode.
        """
        known = {one.name for one in dataclasses.fields(DeepStreamSettings)}
        for name in values:
            if name not in known | {"cluster_mode"}:
                raise UserError(
                    f"unknown field '{name}'",
                    where="contract.json deepstream",
                    remedy=did_you_mean(name, known | {"cluster_mode"}),
                )
        mode = values.get("cluster_mode")
        if mode not in CLUSTER_MODES.values():
            raise UserError(
                f"cluster_mode is {mode}", where="contract.json deepstream", allowed=CLUSTER_MODES.values()
            )
        return cls(
            mode, DeepStreamSettings(**{name: value for name, value in values.items() if name in known})
        )

    @property
    def mode(self) -> str:
        """The mode's name, a key of ``CLUSTER_MODES``."""
        return next(name for name, number in CLUSTER_MODES.items() if number == self.cluster_mode)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: ``cluster_mode`` and the fields of the settings."""
        return {"cluster_mode": self.cluster_mode, **dataclasses.asdict(self.settings)}
