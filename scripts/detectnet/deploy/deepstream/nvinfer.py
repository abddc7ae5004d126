"""The file of the detector: what nvinfer has to know of the network, and nothing of the stream."""

from __future__ import annotations

import math
from typing import Any

from detectnet.contract import BBOX_OFFSET, BBOX_SCALE, LETTERBOXES, STRIDE, TOP_LEFT, Contract
from detectnet.deploy.bundle import CONTRACT_FILE
from detectnet.deploy.deepstream.groups import Group, groups_text
from detectnet.deploy.deepstream.keys import SEPARATOR
from detectnet.deploy.deepstream.stream import StreamSettings
from detectnet.detection.cluster import settings_of
from detectnet.detection.settings import (
    CLUSTER_MODES,
    ClusterSettings,
    DeepStreamClustering,
    DeepStreamSettings,
)
from detectnet.errors import UserError

GPU = 0
NETWORK_MODES = {"fp32": 0, "fp16": 2}
SCALING_FILTERS = {"nearest": 0, "linear": 1}
COLOUR_FORMATS = {"RGB": 0, "BGR": 1, "GRAY": 2}
KEYS = {
    "pre_cluster_threshold": "pre-cluster-threshold",
    "post_cluster_threshold": "post-cluster-threshold",
    "eps": "eps",
    "min_boxes": "minBoxes",
    "dbscan_min_score": "dbscan-min-score",
    "nms_iou_threshold": "nms-iou-threshold",
    "topk": "topk",
}
"""A field of ``DeepStreamSettings`` -> its key."""
FIELDS_OF_MODE = {
    "dbscan": tuple(name for name in KEYS if name != "nms_iou_threshold"),
    "nms": ("pre_cluster_threshold", "post_cluster_threshold", "nms_iou_threshold", "topk"),
    "hybrid": tuple(KEYS),
    "none": ("pre_cluster_threshold", "topk"),
}
"""What a cluster-mode looks at. Group-rectangles is left out: its confidence is always -0.1."""
_MODE_OF = {"DBSCAN": "dbscan", "NMS": "nms", "HYBRID": "hybrid"}
_WORKSPACE_MB = 512


def infer_text(
    contract: Contract,
    stream: StreamSettings,
    *,
    model: str = "model.onnx",
    origin: str = CONTRACT_FILE,
    precision: str = "fp16",
    figures: str | None = None,
) -> str:
    """The nvinfer file of the detector.

    Args:
        contract: of the network.
        stream: what is played; its size says how many frame pixels an input pixel is.
        model: name of the ONNX file beside it.
        origin: name of the contract's file, for the head.
        precision: of the engine that nvinfer builds, a key of ``NETWORK_MODES``.
        figures: a line of the head, what the thresholds were measured to give.

    Raises:
        UserError: nvinfer 6.0.1 cannot do what the contract says.
    """
    _check(contract)
    clustering = clustering_of(contract)
    head = [
        f"The detector of this folder, for nvinfer of DeepStream 6.0.1 and later. Made from {origin}.",
        "The engine is built at the first start, which takes minutes on a Jetson Nano. Delete it when the",
        "ONNX file changes: nvinfer goes by its name alone.",
        *([figures] if figures else []),
    ]
    groups = [
        Group("property", _property(contract, model, precision, stream.interval, clustering)),
        *_classes(contract, stream, clustering),
    ]
    return groups_text("nvinfer", head, groups)


def clustering_of(contract: Contract) -> dict[str, DeepStreamClustering]:
    """How nvinfer clusters each class: as chosen on the validation fold, else the nearest to TLT's way.

    Raises:
        UserError: a class is left out, classes differ in the mode, or the mode has no confidence.
    """
    chosen = {
        name: translated(settings)
        if not contract.deepstream
        else DeepStreamClustering.from_dict(contract.deepstream.get(name, {}))
        for name, settings in settings_of(contract).items()
    }
    modes = {name: one.mode for name, one in chosen.items()}
    if len(set(modes.values())) > 1:
        raise UserError(
            f"the classes are clustered in different ways: {modes}",
            where="contract.json clustering",
            remedy="nvinfer has one cluster-mode for all classes; give them the same algorithm.",
        )
    unfit = next((mode for mode in modes.values() if mode not in FIELDS_OF_MODE), None)
    if unfit is not None:
        raise UserError(
            f"cluster_mode is {CLUSTER_MODES[unfit]}, whose confidence is always -0.1",
            where="contract.json deepstream",
            allowed=[CLUSTER_MODES[mode] for mode in FIELDS_OF_MODE],
        )
    return chosen


def translated(settings: ClusterSettings) -> DeepStreamClustering:
    """What comes nearest to TLT's clustering of a class.

    nvinfer's DBSCAN counts boxes where TLT sums coverages, and reports the greatest coverage where TLT
    reports the sum. TLT's threshold on the sum is ``dbscan_min_score``; its summed coverage of a core point
    needs at least that many boxes, ``min_boxes`` (0 would switch DBSCAN off).
    """
    mode = _MODE_OF[settings.clustering_algorithm]
    values: dict[str, Any] = {"pre_cluster_threshold": settings.coverage_threshold}
    if mode in ("dbscan", "hybrid"):
        values["eps"] = settings.dbscan_eps
        values["min_boxes"] = math.ceil(settings.core_coverage)
        values["dbscan_min_score"] = settings.dbscan_confidence_threshold
    if mode in ("nms", "hybrid"):
        values["nms_iou_threshold"] = settings.nms_iou
        values["post_cluster_threshold"] = settings.nms_confidence_threshold
    return DeepStreamClustering(CLUSTER_MODES[mode], DeepStreamSettings(**values))


def class_attributes(clustering: DeepStreamClustering) -> dict[str, int | float]:
    """The keys of a class that its cluster-mode looks at."""
    return {KEYS[name]: getattr(clustering.settings, name) for name in FIELDS_OF_MODE[clustering.mode]}


def _classes(
    contract: Contract, stream: StreamSettings, clustering: dict[str, DeepStreamClustering]
) -> list[Group]:
    """One group a class. Only TLT's own clustering drops low boxes: what was chosen was chosen without."""
    scale = _scale(contract, stream)
    made = []
    for index, (name, settings) in enumerate(settings_of(contract).items()):
        keys, notes = class_attributes(clustering[name]), [name]
        if "eps" in keys and not contract.deepstream:
            keys["detected-min-h"] = math.ceil(settings.minimum_bounding_box_height * scale)
            notes += [
                f"detected-min-h is in frame pixels, for frames of {stream.width}x{stream.height}, where an "
                f"input pixel is {round(scale, 4)} of them: change it",
                "with the size of [streammux].",
            ]
        made.append(Group(f"class-attrs-{index}", keys, notes))
    return made


def _scale(contract: Contract, stream: StreamSettings) -> float:
    """Frame pixels per network-input pixel, of heights."""
    across, down = stream.width / contract.width, stream.height / contract.height
    return max(across, down) if contract.letterbox == TOP_LEFT else down


def batch_of(contract: Contract) -> int:
    """Pictures that nvinfer gives the network at once: one, where it takes any number."""
    return max(contract.batch, 1)


def _property(
    contract: Contract,
    model: str,
    precision: str,
    interval: int,
    clustering: dict[str, DeepStreamClustering],
) -> dict[str, Any]:
    batch = batch_of(contract)
    return {
        "gpu-id": GPU,
        "onnx-file": model,
        # what nvinfer itself appends to the name of the ONNX file
        "model-engine-file": f"{model}_b{batch}_gpu{GPU}_{precision}.engine",
        "labelfile-path": "labels.txt",
        "batch-size": batch,
        "network-mode": NETWORK_MODES[precision],
        "network-type": 0,
        "process-mode": 1,
        "gie-unique-id": 1,
        "interval": interval,
        "workspace-size": _WORKSPACE_MB,
        "num-detected-classes": len(contract.classes),
        "infer-dims": _listed([contract.channels, contract.height, contract.width]),
        "output-blob-names": _listed([contract.bbox_name, contract.cov_name]),
        "model-color-format": COLOUR_FORMATS[contract.channel_order],
        "net-scale-factor": repr(contract.scale),
        "offsets": _listed(contract.offsets[: contract.channels]),
        "maintain-aspect-ratio": int(contract.letterbox == TOP_LEFT),
        "scaling-filter": SCALING_FILTERS[contract.interpolation],
        "cluster-mode": next(iter(clustering.values())).cluster_mode,
    }


def _listed(values: Any) -> str:
    return SEPARATOR.join(map(str, values))


def _check(contract: Contract) -> None:
    """Refuse what nvinfer 6.0.1 would silently do otherwise."""
    fixed = {"bbox_scale": BBOX_SCALE, "bbox_offset": BBOX_OFFSET, "stride": STRIDE, "padding": 0}
    for name, value in fixed.items():
        if getattr(contract, name) != value:
            raise UserError(
                f"{name} is {getattr(contract, name)}",
                where="contract.json",
                allowed=f"{value}, which is built into nvinfer",
                remedy="Train with this value to deploy with DeepStream.",
            )
    known = {
        "letterbox": LETTERBOXES,
        "interpolation": tuple(SCALING_FILTERS),
        "channel_order": tuple(COLOUR_FORMATS),
    }
    for name, allowed in known.items():
        if getattr(contract, name) not in allowed:
            raise UserError(
                f"{name} is {getattr(contract, name)}",
                where="contract.json",
                allowed=f"{', '.join(allowed)}, which are built into nvinfer",
            )
    _check_names(contract)


def _check_names(contract: Contract) -> None:
    """nvinfer finds the outputs by a part of their names, and splits a line of labels at semicolons."""
    for name, part, other in (
        (contract.cov_name, "cov", "bbox"),
        (contract.bbox_name, "bbox", "cov"),
    ):
        if part not in name or other in name:
            raise UserError(
                f"an output is called '{name}'",
                where="contract.json",
                allowed=f"a name with '{part}' in it and without '{other}': nvinfer finds it by that",
            )
    for name in contract.classes:
        if set(name) & set(";\r\n"):
            raise UserError(
                f"a class is called {name!r}",
                where="contract.json classes",
                allowed="names without semicolons in one line, which labels.txt can hold",
            )
