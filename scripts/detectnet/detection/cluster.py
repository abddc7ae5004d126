"""From many overlapping candidates to one box per object: TLT's clustering and DeepStream's, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from detectnet.contract import Contract
from detectnet.detection import deepstream, tlt
from detectnet.detection.decode import clip_boxes, decode, decode_deepstream
from detectnet.detection.detections import Detections
from detectnet.detection.settings import ClusterSettings, DeepStreamSettings
from detectnet.errors import UserError

Settings: TypeAlias = ClusterSettings | DeepStreamSettings
TLT_MODES: dict[str, Callable[[np.ndarray, np.ndarray, ClusterSettings], Detections]] = {
    "tlt": tlt.evaluated,
    "tlt-infer": tlt.inferred,
    "nms": tlt.nms,
}
DEEPSTREAM_MODES: dict[str, Callable[[np.ndarray, np.ndarray, DeepStreamSettings], Detections]] = {
    "deepstream-group": deepstream.grouped,
    "deepstream-dbscan": deepstream.dbscan,
    "deepstream-nms": deepstream.nms,
    "deepstream-hybrid": deepstream.hybrid,
    "deepstream-none": deepstream.unclustered,
}
MODES = (*TLT_MODES, *DEEPSTREAM_MODES)


def cluster(boxes: np.ndarray, coverage: np.ndarray, settings: Settings, mode: str = "tlt") -> Detections:
    """Cluster the candidates of one class.

    Modes, with ``ClusterSettings``:
        ``tlt``: what TLT evaluates, with the class's own algorithm. The confidence threshold is
            ``dbscan_confidence_threshold`` for DBSCAN (``>=``) and ``nms_confidence_threshold`` for NMS
            (``>``); TLT itself swaps the two, see ``ClusterSettings.tao_least``. HYBRID, which TAO
            refuses here, is NMS of the members of DBSCAN's clusters.
        ``tlt-infer``: TLT's stand-alone inference, with the class's own algorithm; thresholds are strict,
            and an unset NMS threshold is 0.1.
        ``nms``: greedy NMS whatever the class's algorithm.
    Modes, with ``DeepStreamSettings``, the cluster-modes 0 to 4 of nvinfer:
        ``deepstream-group``, ``deepstream-dbscan``, ``deepstream-nms``, ``deepstream-hybrid``,
        ``deepstream-none``.

    Args:
        boxes: float (N, 4), x1 y1 x2 y2 in network-input pixels.
        coverage: float (N,), 0..1; TLT's modes expect all above ``coverage_threshold``, DeepStream's leave
            out what is below ``pre_cluster_threshold``.
        settings: of the class, of the type that the mode takes.
        mode: one of ``MODES``.

    Returns:
        Detections by descending confidence.

    Raises:
        UserError: the mode is unknown, or takes other settings.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    coverage = np.asarray(coverage, dtype=np.float64)
    if mode in TLT_MODES and isinstance(settings, ClusterSettings):
        return TLT_MODES[mode](boxes, coverage, settings).by_confidence()
    if mode in DEEPSTREAM_MODES and isinstance(settings, DeepStreamSettings):
        return DEEPSTREAM_MODES[mode](boxes, coverage, settings).by_confidence()
    if mode not in MODES:
        raise UserError(f"unknown clustering '{mode}'", allowed=MODES)
    takes = "ClusterSettings" if mode in TLT_MODES else "DeepStreamSettings"
    raise UserError(f"the clustering '{mode}' does not take {type(settings).__name__}", allowed=takes)


def settings_of(contract: Contract) -> dict[str, ClusterSettings]:
    """Settings per class of the contract, in channel order; defaults for a class without an entry."""
    return {name: ClusterSettings.from_dict(contract.clustering.get(name, {})) for name in contract.classes}


def detect(cov: np.ndarray, bbox: np.ndarray, contract: Contract, mode: str = "tlt") -> dict[str, Detections]:
    """Decode and cluster one picture, cov (C, h, w) and bbox (4C, h, w): class name to detections.

    ``mode`` is one of TLT's; ``tlt-infer`` cuts boxes to the frame after clustering, the others before it.
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


def detect_deepstream(
    cov: np.ndarray,
    bbox: np.ndarray,
    contract: Contract,
    settings: Mapping[str, DeepStreamSettings],
    mode: str,
) -> dict[str, Detections]:
    """What nvinfer makes of one picture's outputs, in network-input pixels: class name to detections.

    Args:
        cov: float (C, h, w), after the sigmoid.
        bbox: float (4C, h, w).
        contract: sizes and classes.
        settings: of every class.
        mode: one of ``DEEPSTREAM_MODES``.
    """
    least = np.array([settings[name].pre_cluster_threshold for name in contract.classes])
    candidates = decode_deepstream(cov, bbox, contract, least)
    return {
        name: cluster(*candidates.of_class(index), settings[name], mode)
        for index, name in enumerate(contract.classes)
    }
