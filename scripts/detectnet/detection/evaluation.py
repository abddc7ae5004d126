"""Evaluation of a model: from its outputs on every picture to metrics.json, tables and figures."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from detectnet.contract import Contract
from detectnet.detection import figures, tables
from detectnet.detection.breakdown import STRICT_IOU, breakdown
from detectnet.detection.cluster import settings_of
from detectnet.detection.collecting import (
    CLUSTERINGS,
    HEADLINE_CLUSTERING,
    HEADLINE_IOU,
    PictureResult,
    collect,
)
from detectnet.detection.deepstream_truth import DeepStream, Scale, Truth, evaluate_deepstream
from detectnet.detection.metrics import inside
from detectnet.detection.operating import Key, cross_fitted, halves, unseen_negatives
from detectnet.detection.resampling import interval
from detectnet.detection.scoring import (
    WIDTH_EDGES,
    Limits,
    Picture,
    Rule,
    objects_by_width,
    rows,
    score,
)
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, write_json
from detectnet.logs import log, progress

OPERATING_POINT = ("threshold", "precision", "recall", "f1", "false_alarms_per_image")
DEPLOYED_FIELDS = ("clustering", "ap", "iou", *OPERATING_POINT)


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
    *,
    unseen: Iterable[PictureResult] = (),
    groups: Mapping[Key, str] | None = None,
    deepstream: DeepStream | None = None,
) -> dict[str, Any]:
    """Cluster, match and score all pictures; write everything that an evaluation leaves behind.

    ``out_dir`` gets ``metrics.json``, ``pictures.csv``, ``detections.csv``, ``ground_truth.csv``,
    ``pr_curve.csv`` and the figures. The order in which pictures arrive does not matter. All lengths are
    network-input pixels.

    Args:
        predictions: one result per picture; where it has ``seconds_per_image`` (of inference, known when
            all were drawn), that goes into the metrics.
        contract: of the network; its clustering is replaced by ``postprocessing``.
        evaluation_config, postprocessing: the messages of the spec (``postprocessing_config``).
        stage: train, prune, retrain, onnx, ...
        out_dir: folder, made where missing.
        unseen: pictures of the training fold of sources that are not trained on. False alarms are counted on
            those without objects and on such validation pictures of the same sources; they are in no other
            figure and in no file.
        groups: source and frame_id -> group of look-alikes, which stay in one half of ``cross_fitted``.
        deepstream: how the pictures are looked at once more as DeepStream does; None leaves that out.

    Returns:
        The content of metrics.json. Every mAP has its 95 % interval over resampled pictures beside it.
        ``headline`` is the row ``tlt``, ``correct``, IoU 0.5, with ground truth under
        ``minimum_width_neutral`` px neutral: all tables, ``all_sizes``, ``by_source`` (see ``breakdown``),
        ``cross_fitted`` and ``unseen_negatives`` (see ``operating``) belong to it, so that stages with and
        without DeepStream can be compared. ``mAP`` and ``deployed`` are of DeepStream's deployed row where
        it is evaluated, else of the headline; ``deepstream``: see ``evaluate_deepstream``, None without.
        The spec's thresholds of confidence cut nothing, except in the rows of TAO's kinds as TAO's
        evaluator does it, see ``ClusterSettings.tao_least``.

    Raises:
        UserError: there are no pictures, or none of the ground truth is of a class of the network.
    """
    classes = contract.classes
    settings = EvaluationSettings.from_message(evaluation_config, classes)
    contract = dataclasses.replace(contract, clustering=_clustering(postprocessing, classes))
    pictures, kept = _collected(predictions, unseen, contract)
    _warn_of_lost_truth(pictures, settings)
    headline = _correct(HEADLINE_CLUSTERING, dict.fromkeys(classes, HEADLINE_IOU), settings)
    scored = {name: score(pictures, name, headline) for name in classes}
    half = halves(pictures, groups or {}, kept)
    measured = _measured(pictures, settings, contract)
    fitted = cross_fitted(pictures, list(scored.values()), half[: len(pictures)])
    truth = _as_deepstream(pictures, settings, contract, half[: len(pictures)], deepstream)
    metrics = {
        "stage": stage,
        "seconds_per_image": getattr(predictions, "seconds_per_image", None),
        **measured,
        **breakdown(pictures, classes, settings.minimum_width_neutral, measured["headline"]["threshold"]),
        "cross_fitted": fitted,
        "unseen_negatives": _on_unseen(pictures, kept, half, fitted["thresholds"]),
        "deepstream": None,
    }
    if truth is not None:
        _add(metrics, truth)
    by_width = next(filter(_is_headline, metrics["results"]))["AP_by_width"]
    tables.write(out_dir, pictures, scored, HEADLINE_CLUSTERING, half[: len(pictures)])
    figures.write(out_dir, scored, by_width, metrics["objects_by_width"])
    write_json(f"{out_dir}/metrics.json", metrics)
    log.info("%s", _summary(metrics))
    return metrics


def _collected(
    predictions: Iterable[PictureResult], unseen: Iterable[PictureResult], contract: Contract
) -> tuple[list[Picture], list[Picture]]:
    """The validation pictures and the unseen ones, in one pass: each warning of both is said once."""
    known: set[Key] = set()

    def validated() -> Iterator[PictureResult]:
        for one in progress(predictions, what="evaluating", unit="pictures"):
            known.add((one.source, one.frame_id))
            yield one

    every = collect(itertools.chain(validated(), unseen), contract)
    if not known:
        raise UserError("the validation fold is empty", where="evaluation")
    of_validation = [(one.source, one.frame_id) in known for one in every]
    kept = [one for one, known_one in zip(every, of_validation, strict=True) if not known_one]
    return list(itertools.compress(every, of_validation)), kept


def _on_unseen(
    pictures: Sequence[Picture],
    kept: Sequence[Picture],
    half: np.ndarray,
    thresholds: Sequence[float | None],
) -> dict[str, Any] | None:
    """False alarms on all pictures, of both folds, of the sources that were kept from training."""
    sources = {one.source for one in kept}
    chosen = [one.source in sources for one in (*pictures, *kept)]
    return unseen_negatives(
        list(itertools.compress((*pictures, *kept), chosen)), half[np.array(chosen)], thresholds
    )


def _measured(
    pictures: Sequence[Picture], settings: EvaluationSettings, contract: Contract
) -> dict[str, Any]:
    """The part of metrics.json that follows from the rows: counts, all rows and the deployed one."""
    classes = contract.classes
    results = [
        row
        for clustering in CLUSTERINGS
        for rule in _rules(clustering, settings, contract)
        for row in _with_intervals(pictures, classes, rule, settings.width_edges)
    ]
    top = next(filter(_is_headline, results))
    headline = {field: top[field] for field in DEPLOYED_FIELDS}
    return {
        "images": len(pictures),
        "objects": sum(len(one.truth[name]) for one in pictures for name in classes),
        "objects_by_width": objects_by_width(pictures, classes, settings.width_edges),
        "minimum_width_neutral": settings.minimum_width_neutral,
        "mAP": top["mAP"],
        "mAP_interval": top["mAP_interval"],
        "headline": headline,
        "deployed": headline,
        "results": results,
    }


def _as_deepstream(
    pictures: Sequence[Picture],
    settings: EvaluationSettings,
    contract: Contract,
    half: np.ndarray,
    deepstream: DeepStream | None,
) -> Truth | None:
    if deepstream is None:
        return None
    scale = Scale((HEADLINE_IOU, STRICT_IOU), settings.minimum_width_neutral, settings.width_edges)
    return evaluate_deepstream(pictures, contract, half, scale, deepstream)


def _add(metrics: dict[str, Any], truth: Truth) -> None:
    """What DeepStream shows takes the place of what TLT's clustering would."""
    metrics["results"] += truth.rows
    metrics["deepstream"] = truth.summary
    metrics["deployed"] = truth.deployed
    metrics |= {field: truth.top[field] for field in ("mAP", "mAP_interval")}


def _with_intervals(
    pictures: Sequence[Picture], classes: Sequence[str], rule: Rule, edges: Sequence[float]
) -> Iterator[dict[str, Any]]:
    scored = [score(pictures, name, rule) for name in classes]
    for row in rows(pictures, classes, rule, edges):
        yield row | {"mAP_interval": interval(scored, row["ap"])}


def _rules(clustering: str, settings: EvaluationSettings, contract: Contract) -> list[Rule]:
    """The rules of one clustering's rows; ``correct`` at the spec's overlap, 0.5 and 0.7, once each.

    TAO's kinds take the spec's overlap, and the cut of confidence that TAO's evaluator makes.
    """
    overlaps = [dict(settings.overlap)]
    for iou in (HEADLINE_IOU, STRICT_IOU):
        same = dict.fromkeys(settings.overlap, iou)
        overlaps += [same] if same not in overlaps else []
    least = {name: one.tao_least(clustering) for name, one in settings_of(contract).items()}
    tao = Rule(
        clustering,
        ("tao-integrate", "tao-sample"),
        settings.overlap,
        limits=settings.limits,
        least=least,
    )
    return [*(_correct(clustering, overlap, settings) for overlap in overlaps), tao]


def _correct(clustering: str, overlap: Mapping[str, float], settings: EvaluationSettings) -> Rule:
    return Rule(clustering, ("correct",), overlap, settings.minimum_width_neutral)


def _is_headline(row: Mapping[str, Any]) -> bool:
    return (row["clustering"], row["ap"], row["iou"]) == (HEADLINE_CLUSTERING, "correct", HEADLINE_IOU)


def _clustering(postprocessing: Any, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    configs = _for_classes(postprocessing, "target_class_config", classes)
    return {name: one.clustering_config.to_dict() for name, one in configs.items()}


def _for_classes(message: Any, field: str, classes: Sequence[str]) -> dict[str, Any]:
    """The entries of a message's map for the network's classes, found in any case."""
    entries = {key.lower(): value for key, value in getattr(message, field).items()}
    for name in classes:
        if name.lower() not in entries:
            raise UserError(
                f"no entry for the class '{name}'",
                where=message.where(field),
                remedy=f"Every class of the network needs one. {did_you_mean(name, entries)}".rstrip(),
            )
    return {name: entries[name.lower()] for name in classes}


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
    named = ["mode", "scaling", "frame"] if metrics["deepstream"] else []
    columns = ["clustering", *named, "ap", "iou", "mAP", *OPERATING_POINT]
    frame = pd.DataFrame(metrics["results"], columns=columns).fillna(dict.fromkeys(named, "-"))
    measured = ["mAP", *OPERATING_POINT]
    frame[measured] = frame[measured].astype(float)  # None is no missing number to pandas
    table = frame.to_string(index=False, float_format="{:.4f}".format, na_rep="-")
    low, high = metrics["mAP_interval"] or (float("nan"), float("nan"))
    head = f"{metrics['stage']}: {metrics['images']} pictures, {metrics['objects']} objects"
    value = (
        "no ground truth" if metrics["mAP"] is None else f"mAP {metrics['mAP']:.4f} [{low:.4f}, {high:.4f}]"
    )
    every = metrics["all_sizes"]["mAP"]
    return f"{head}, {value}{'' if every is None else f', all sizes {every:.4f}'}\n{table}"
