"""Evaluation of a model: from its outputs on every picture to metrics.json, tables and figures."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from detectnet.contract import Contract
from detectnet.detection import figures, tables
from detectnet.detection.cluster import ClusterSettings, cluster, settings_of
from detectnet.detection.decode import decode
from detectnet.detection.metrics import inside
from detectnet.detection.scoring import (
    WIDTH_EDGES,
    Limits,
    Picture,
    Rule,
    interval,
    objects_by_width,
    rows,
    score,
)
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, write_json
from detectnet.logs import log, progress

CLUSTERINGS = ("tlt", "nms")
HEADLINE_CLUSTERING = "tlt"
HEADLINE_IOU = 0.5
STRICT_IOU = 0.7


@dataclass(frozen=True)
class PictureResult:
    """The network's outputs for one picture, and what is on it.

    Attributes:
        frame_id: e.g. ``images/000001``.
        source: name of the data source.
        truth_boxes: float (T, 4), x1 y1 x2 y2 in network-input pixels.
        truth_classes: T class names, lower case; those that the network does not know are left out.
        cov: float (C, h, w), after the sigmoid.
        bbox: float (4C, h, w).
    """

    frame_id: str
    source: str
    truth_boxes: np.ndarray
    truth_classes: Sequence[str]
    cov: np.ndarray
    bbox: np.ndarray


@dataclass(frozen=True)
class EvaluationSettings:
    """``evaluation_config`` for the classes of the network.

    Attributes:
        overlap: class -> IoU of a hit (``minimum_detection_ground_truth_overlap``).
        limits: class -> (min width, max width, min height, max height), px (``evaluation_box_config``).
        width_edges: edges of the bins of AP by width, px, ascending.
        minimum_width_neutral: narrower ground truth is neutral in the ``correct`` AP, px.
    """

    overlap: Mapping[str, float]
    limits: Mapping[str, Limits]
    width_edges: tuple[float, ...] = WIDTH_EDGES
    minimum_width_neutral: float = 0.0

    @classmethod
    def from_message(cls, message: Any, classes: Sequence[str]) -> EvaluationSettings:
        """Settings from a spec's ``evaluation_config`` message.

        Raises:
            UserError: a class has no overlap or no box limits.
        """
        boxes = _for_classes(message, "evaluation_box_config", classes)
        return cls(
            _for_classes(message, "minimum_detection_ground_truth_overlap", classes),
            {
                name: (one.minimum_width, one.maximum_width, one.minimum_height, one.maximum_height)
                for name, one in boxes.items()
            },
            tuple(sorted(set(message.width_edges))) or WIDTH_EDGES,
            message.minimum_width_neutral,
        )


def evaluate(
    predictions: Iterable[PictureResult],
    contract: Contract,
    evaluation_config: Any,
    postprocessing: Any,
    stage: str,
    out_dir: PathLike,
) -> dict[str, Any]:
    """Cluster, match and score all pictures; write everything that an evaluation leaves behind.

    ``out_dir`` gets ``metrics.json``, ``detections.csv``, ``ground_truth.csv``, ``pr_curve.csv`` and the
    figures. The order in which pictures arrive does not matter. All lengths are network-input pixels.

    Args:
        predictions: one result per picture; where it has ``seconds_per_image`` (of inference, known when
            all were drawn), that goes into the metrics.
        contract: of the network; its clustering is replaced by ``postprocessing``.
        evaluation_config, postprocessing: the messages of the spec (``postprocessing_config``).
        stage: train, prune, retrain, onnx, ...
        out_dir: folder, made where missing.

    Returns:
        The content of metrics.json. ``mAP`` is that of the row ``tlt``, ``correct``, IoU 0.5, and
        ``mAP_interval`` its 95 % interval over resampled pictures.

    Raises:
        UserError: there are no pictures, or none of the ground truth is of a class of the network.
    """
    classes = contract.classes
    settings = EvaluationSettings.from_message(evaluation_config, classes)
    contract = dataclasses.replace(contract, clustering=_clustering(postprocessing, classes))
    pictures = collect(progress(predictions, what="evaluating", unit="pictures"), contract)
    _warn_of_lost_truth(pictures, settings)
    results = [
        row
        for clustering in CLUSTERINGS
        for rule in _rules(clustering, settings)
        for row in rows(pictures, classes, rule, settings.width_edges)
    ]
    headline = _correct(HEADLINE_CLUSTERING, dict.fromkeys(classes, HEADLINE_IOU), settings)
    scored = {name: score(pictures, name, headline) for name in classes}
    top = next(row for row in results if _is_headline(row))
    metrics = {
        "stage": stage,
        "images": len(pictures),
        "objects": sum(len(one.truth[name]) for one in pictures for name in classes),
        "objects_by_width": objects_by_width(pictures, classes, settings.width_edges),
        "mAP": top["mAP"],
        "mAP_interval": interval(list(scored.values())),
        "seconds_per_image": getattr(predictions, "seconds_per_image", None),
        "results": results,
    }
    tables.write(out_dir, pictures, scored, HEADLINE_CLUSTERING)
    figures.write(out_dir, scored, top["AP_by_width"], metrics["objects_by_width"])
    write_json(f"{out_dir}/metrics.json", metrics)
    log.info("%s", _summary(metrics))
    return metrics


def collect(predictions: Iterable[PictureResult], contract: Contract) -> list[Picture]:
    """Decode and cluster every picture with the contract's settings, sorted by source and frame.

    What makes a silent zero is said: ground truth of classes that the network does not have, outputs that
    are not finite, coverage that never passes the threshold, candidates that never make a cluster.

    Raises:
        UserError: there are no pictures, or none of the ground truth is of a class of the network.
    """
    settings = settings_of(contract)
    pictures: list[Picture] = []
    unknown: Counter[str] = Counter()
    candidates = unfit = 0
    greatest = 0.0
    for one in predictions:
        decoded = decode(one.cov, one.bbox, contract)
        candidates += len(decoded.boxes)
        unfit += not (np.isfinite(one.cov).all() and np.isfinite(one.bbox).all())
        greatest = max(greatest, float(np.nanmax(one.cov, initial=0.0)))
        unknown.update(name for name in one.truth_classes if name not in contract.classes)
        found = {
            mode: {
                name: cluster(*decoded.of_class(index), settings[name], mode)
                for index, name in enumerate(contract.classes)
            }
            for mode in CLUSTERINGS
        }
        pictures.append(Picture(one.frame_id, one.source, _truth_by_class(one, contract.classes), found))
    _check_truth(pictures, unknown, contract.classes)
    _warn_of_silence(pictures, candidates, unfit, greatest)
    return sorted(pictures, key=lambda one: (one.source, one.frame_id))


def _truth_by_class(one: PictureResult, classes: Sequence[str]) -> dict[str, np.ndarray]:
    boxes = np.asarray(one.truth_boxes, dtype=np.float64).reshape(-1, 4)
    names = np.asarray(one.truth_classes, dtype=object)
    return {name: boxes[names == name] for name in classes}


def _rules(clustering: str, settings: EvaluationSettings) -> list[Rule]:
    """The rules of one clustering's rows; ``correct`` at the spec's overlap, 0.5 and 0.7, once each."""
    overlaps = [dict(settings.overlap)]
    for iou in (HEADLINE_IOU, STRICT_IOU):
        same = dict.fromkeys(settings.overlap, iou)
        overlaps += [same] if same not in overlaps else []
    tao = Rule(clustering, ("tao-integrate", "tao-sample"), settings.overlap, limits=settings.limits)
    return [*(_correct(clustering, overlap, settings) for overlap in overlaps), tao]


def _correct(clustering: str, overlap: Mapping[str, float], settings: EvaluationSettings) -> Rule:
    return Rule(clustering, ("correct",), overlap, settings.minimum_width_neutral)


def _is_headline(row: Mapping[str, Any]) -> bool:
    return (row["clustering"], row["ap"], row["iou"]) == (HEADLINE_CLUSTERING, "correct", HEADLINE_IOU)


def _clustering(postprocessing: Any, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    configs = _for_classes(postprocessing, "target_class_config", classes)
    return {
        name: dataclasses.asdict(ClusterSettings.from_message(one.clustering_config))
        for name, one in configs.items()
    }


def _for_classes(message: Any, field: str, classes: Sequence[str]) -> dict[str, Any]:
    """The entries of a message's map for the network's classes."""
    entries = {key.lower(): value for key, value in getattr(message, field).items()}
    for name in classes:
        if name not in entries:
            raise UserError(
                f"no entry for the class '{name}'",
                where=message.where(field),
                remedy=f"Every class of the network needs one. {did_you_mean(name, entries)}".rstrip(),
            )
    return {name: entries[name] for name in classes}


def _check_truth(pictures: Sequence[Picture], unknown: Counter[str], classes: Sequence[str]) -> None:
    if not pictures:
        raise UserError(
            "there is no picture to evaluate",
            where="evaluation",
            remedy="Look at the validation fold of split.csv and at validation_data_source.",
        )
    known = Counter({name: sum(len(one.truth[name]) for one in pictures) for name in classes})
    if unknown:
        listed = ", ".join(f"{count} '{name}'" for name, count in sorted(unknown.items()))
        log.warning("Ground truth of classes that the network does not have was left out: %s.", listed)
    if unknown and not known.total():
        raise UserError(
            "none of the ground truth is of a class of the network",
            where="evaluation",
            allowed=classes,
            remedy="Look at target_class_mapping: its keys are the names in the labels, lower case.",
        )
    for name in classes:
        if not known[name]:
            log.warning("There is no ground truth of the class '%s': it has no average precision.", name)


def _warn_of_silence(pictures: Sequence[Picture], candidates: int, unfit: int, greatest: float) -> None:
    if unfit:
        log.warning("%d pictures have outputs that are not finite; these cells were left out.", unfit)
    if not candidates:
        log.warning(
            "No cell's coverage is above coverage_threshold; the greatest is %.4g. Nothing is detected.",
            greatest,
        )
    elif not any(len(found) for one in pictures for found in one.found[HEADLINE_CLUSTERING].values()):
        log.warning(
            "%d cells are above coverage_threshold, but no cluster passes: look at dbscan_min_samples (the "
            "summed coverage that a core point needs, at least 1), dbscan_confidence_threshold and "
            "minimum_bounding_box_height.",
            candidates,
        )


def _warn_of_lost_truth(pictures: Sequence[Picture], settings: EvaluationSettings) -> None:
    for name, limits in settings.limits.items():
        boxes = np.concatenate([one.truth[name] for one in pictures])
        lost = len(boxes) - int(inside(boxes, limits).sum())
        if lost:
            log.warning(
                "evaluation_box_config leaves out %d of %d ground truths of '%s' in TAO's average precision.",
                lost,
                len(boxes),
                name,
            )


def _summary(metrics: Mapping[str, Any]) -> str:
    """The rows as a table for the screen."""
    columns = [
        "clustering",
        "ap",
        "iou",
        "mAP",
        "threshold",
        "precision",
        "recall",
        "f1",
        "false_alarms_per_image",
    ]
    table = pd.DataFrame(metrics["results"], columns=columns).to_string(
        index=False, float_format="{:.4f}".format, na_rep="-"
    )
    low, high = metrics["mAP_interval"] or (float("nan"), float("nan"))
    head = f"{metrics['stage']}: {metrics['images']} pictures, {metrics['objects']} objects"
    value = (
        "no ground truth" if metrics["mAP"] is None else f"mAP {metrics['mAP']:.4f} [{low:.4f}, {high:.4f}]"
    )
    return f"{head}, {value}\n{table}"
