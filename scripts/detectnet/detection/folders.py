"""Scoring a folder of detections, of any detector, against a folder of labels; both are KITTI text files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectnet.data import kitti
from detectnet.detection.detections import Detections
from detectnet.detection.resampling import interval
from detectnet.detection.scoring import WIDTH_EDGES, Picture, Rule, rows, score
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log, progress

DONTCARE = "dontcare"
CLUSTERING = "folder"
NAMED = 5


def score_folders(
    ground_truth: PathLike, detections: PathLike, *, iou: float = 0.5, minimum_width: float = 0.0
) -> dict[str, Any]:
    """``correct`` average precision and best F1 of detections, matched file by file under the same name.

    A label file without detections is a picture in which nothing was found; detections of a picture without
    a label file are left out, and counted. ``DontCare`` labels are left out as well.

    Args:
        ground_truth: folder with label files of 15 columns, at any depth.
        detections: folder with files of 16 columns under the same names; pixels of the same pictures.
        iou: IoU of a hit, above 0 and up to 1, inclusive.
        minimum_width: narrower ground truth is neutral, pixels.

    Returns:
        A row as in metrics.json, with ``images``, ``objects`` (those that count) and ``mAP_interval``, the
        95 % interval over resampled pictures.

    Raises:
        UserError: a file is not readable, no picture has a label file, or there is nothing to find.
    """
    if not 0 < iou <= 1:
        raise UserError(f"an IoU of {iou:g}", where="iou", allowed="above 0 and up to 1")
    pictures = _pictures(_files(ground_truth), _files(detections))
    classes = sorted({name for one in pictures for name in one.truth if len(one.truth[name])})
    if not classes:
        raise UserError("there is no labelled object", where=ground_truth)
    _warn_of_unknown_classes(pictures, classes)
    pictures = [_with_classes(one, classes) for one in pictures]
    rule = Rule(CLUSTERING, ("correct",), dict.fromkeys(classes, iou), minimum_width)
    scored = [score(pictures, name, rule) for name in classes]
    (row,) = rows(pictures, classes, rule, WIDTH_EDGES)
    made = row | {
        "images": len(pictures),
        "objects": sum(one.total for one in scored),
        "mAP_interval": interval(scored),
    }
    log.info("%s", _summary(made))
    return made


def _files(folder: PathLike) -> dict[str, Path]:
    """Text files below a folder by their path in it without the extension, sorted."""
    root = Path(folder)
    if not root.is_dir():
        raise UserError("the folder does not exist", where=root)
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.txt"))}


def _pictures(labels: dict[str, Path], found: dict[str, Path]) -> list[Picture]:
    if not labels:
        raise UserError(
            "there are no label files", where="ground truth", remedy="Give the folder with *.txt files."
        )
    _warn_of_names("detection files without a label file were left out", found.keys() - labels.keys())
    _warn_of_names(
        "pictures without a detection file count as without detections", labels.keys() - found.keys()
    )
    if not labels.keys() & found.keys():
        raise UserError(
            "no detection file has the name of a label file",
            where="detections",
            remedy="Give two folders whose files have the same names.",
        )
    made, left_out = [], 0
    for name, path in progress(labels.items(), what="reading", unit="pictures"):
        objects = kitti.read_labels(path)
        left_out += sum(one.name == DONTCARE for one in objects)
        made.append(_picture(name, objects, found.get(name)))
    if left_out:
        log.info("%d DontCare labels were left out.", left_out)
    return made


def _picture(name: str, objects: Sequence[kitti.Label], path: Path | None) -> Picture:
    truth = {
        kind: np.array([one.box for one in objects if one.name == kind], dtype=np.float64).reshape(-1, 4)
        for kind in {one.name for one in objects} - {DONTCARE}
    }
    names, boxes, confidence = kitti.read_detections(path) if path else ([], np.zeros((0, 4)), np.zeros(0))
    of = np.array(names, dtype=object)
    found = {
        kind: Detections(boxes[of == kind], confidence[of == kind], *_alone(confidence[of == kind]))
        for kind in set(names)
    }
    return Picture(name, CLUSTERING, truth, {CLUSTERING: found})


def _with_classes(picture: Picture, classes: Sequence[str]) -> Picture:
    """The picture with an entry for every class."""
    nothing = np.zeros((0, 4))
    nobody = Detections(nothing, np.zeros(0), *_alone(np.zeros(0)))
    found = picture.found[CLUSTERING]
    return dataclasses.replace(
        picture,
        truth={name: picture.truth.get(name, nothing) for name in classes},
        found={CLUSTERING: {name: found.get(name, nobody) for name in classes}},
    )


def _alone(confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and members of detections that somebody else clustered."""
    return confidence, np.ones(len(confidence), dtype=np.int64)


def _warn_of_unknown_classes(pictures: Sequence[Picture], classes: Sequence[str]) -> None:
    found = {name for one in pictures for name in one.found[CLUSTERING]}
    _warn_of_names("classes of detections have no ground truth and were left out", found - set(classes))


def _warn_of_names(what: str, names: set[str]) -> None:
    if names:
        more = ", ..." if len(names) > NAMED else ""
        log.warning("%d %s: %s%s.", len(names), what, ", ".join(sorted(names)[:NAMED]), more)


def _summary(made: dict[str, Any]) -> str:
    """What was measured, as lines for the screen."""
    low, high = made["mAP_interval"] or (float("nan"), float("nan"))
    lines = [f"{made['images']} pictures, {made['objects']} objects, IoU {made['iou']:g}"]
    if made["mAP"] is None:
        return f"{lines[0]}: all of them are neutral"
    if len(made["AP"]) > 1:
        lines += [f"AP {value:.4f} {name}" for name, value in made["AP"].items() if value is not None]
    lines.append(f"mAP {made['mAP']:.4f} [{low:.4f}, {high:.4f}]")
    if made["threshold"] is not None:
        lines.append(
            f"best F1 {made['f1']:.4f} (precision {made['precision']:.4f}, recall {made['recall']:.4f}) "
            f"at confidence {made['threshold']:.4g}"
        )
    return "\n".join(lines)
