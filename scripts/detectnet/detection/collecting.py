"""From the network's outputs on every picture to detections beside ground truth, ready for scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.cluster import cluster, settings_of
from detectnet.detection.decode import decode
from detectnet.detection.scoring import Picture
from detectnet.errors import UserError
from detectnet.logs import log

CLUSTERINGS = ("tlt", "nms")
HEADLINE_CLUSTERING = "tlt"
HEADLINE_IOU = 0.5


@dataclass(frozen=True)
class PictureResult:
    """The network's outputs for one picture, and what is on it.

    Attributes:
        frame_id: e.g. ``images/000001``.
        source: name of the data source.
        truth_boxes: float (T, 4), x1 y1 x2 y2 in network-input pixels.
        truth_classes: T class names, in any case; those that the network does not know are left out.
        cov: float (C, h, w), after the sigmoid.
        bbox: float (4C, h, w).
    """

    frame_id: str
    source: str
    truth_boxes: np.ndarray
    truth_classes: Sequence[str]
    cov: np.ndarray
    bbox: np.ndarray


def collect(
    predictions: Iterable[PictureResult], contract: Contract, modes: Sequence[str] = CLUSTERINGS
) -> list[Picture]:
    """Decode and cluster every picture with the contract's settings, sorted by source and frame.

    ``modes`` are the clusterings that are made, ``HEADLINE_CLUSTERING`` among them.

    The thresholds of confidence are not applied: average precision and the best F1 look at all of them, and
    a deployed threshold would hide what lies below it. Rules that need a cut make it themselves.

    What makes a silent zero is said: ground truth of classes that the network does not have, outputs that
    are not finite, coverage that never passes the threshold, candidates that never make a cluster.

    Raises:
        UserError: there are no pictures, or none of the ground truth is of a class of the network.
    """
    settings = {name: one.uncut() for name, one in settings_of(contract).items()}
    known = {name.lower() for name in contract.classes}
    pictures: list[Picture] = []
    unknown: Counter[str] = Counter()
    candidates = unfit = 0
    greatest = 0.0
    for one in predictions:
        decoded = decode(one.cov, one.bbox, contract)
        candidates += len(decoded.boxes)
        unfit += not (np.isfinite(one.cov).all() and np.isfinite(one.bbox).all())
        greatest = max(greatest, float(np.nanmax(one.cov, initial=0.0)))
        unknown.update(name for name in one.truth_classes if name.lower() not in known)
        found = {
            mode: {
                name: cluster(*decoded.of_class(index), settings[name], mode)
                for index, name in enumerate(contract.classes)
            }
            for mode in modes
        }
        pictures.append(Picture(one.frame_id, one.source, _truth_by_class(one, contract.classes), found))
    _check_truth(pictures, unknown, contract.classes)
    _warn_of_silence(pictures, candidates, unfit, greatest)
    return sorted(pictures, key=lambda one: (one.source, one.frame_id))


def _truth_by_class(one: PictureResult, classes: Sequence[str]) -> dict[str, np.ndarray]:
    boxes = np.asarray(one.truth_boxes, dtype=np.float64).reshape(-1, 4)
    names = np.array([name.lower() for name in one.truth_classes], dtype=object)
    return {name: boxes[names == name.lower()] for name in classes}


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
            "summed coverage that a core point needs, at least 1) and minimum_bounding_box_height.",
            candidates,
        )
