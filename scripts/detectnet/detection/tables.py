"""The tables of an evaluation: pictures, detections, ground truth, and the precision-recall curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from detectnet.detection.metrics import FALSE, HIT, NEUTRAL, pr_curve
from detectnet.detection.scoring import Picture, Scored
from detectnet.files import PathLike, write_csv

WORDS = {HIT: "tp", FALSE: "fp", NEUTRAL: "neutral"}
CURVE_POINTS = 1000
EDGES = ("x1", "y1", "x2", "y2")
PICTURES, DETECTIONS, TRUTH = "pictures.csv", "detections.csv", "ground_truth.csv"
PICTURE_COLUMNS = ("image", "source", "half", "objects")
DETECTION_COLUMNS = ("image", "source", "class", "confidence", *EDGES, "outcome", "iou")
TRUTH_COLUMNS = ("image", "source", "class", *EDGES, "outcome", "confidence")
CURVE_COLUMNS = ("class", "threshold", "recall", "precision", "f1", "hits", "false")


def write(
    out_dir: PathLike,
    pictures: Sequence[Picture],
    scored: Mapping[str, Scored],
    clustering: str,
    half: np.ndarray,
) -> None:
    """Write the four tables.

    ``pictures.csv``: every picture, also one on which nothing is; half is 1 or 2, of the ``cross_fitted``
    figures, from ``half`` (P,), 0 or 1; objects is how many ground truths there are, neutral ones too.
    ``detections.csv``: outcome is ``tp``, ``fp`` or ``neutral``; iou is that with the ground truth it is on,
    else the best with any. ``ground_truth.csv``: outcome is ``found``, ``missed`` or ``neutral``, at any
    confidence; confidence is that of the detection that found it, so a threshold can be applied later.
    ``pr_curve.csv``: see ``curve_table``. Boxes are in network-input pixels.
    """
    listed = [
        (one.frame_id, one.source, which + 1, sum(map(len, one.truth.values())))
        for one, which in zip(pictures, half.tolist(), strict=True)
    ]
    write_csv(Path(out_dir) / PICTURES, pd.DataFrame(listed, columns=PICTURE_COLUMNS))
    found = pd.DataFrame(_detections(pictures, scored, clustering), columns=DETECTION_COLUMNS)
    write_csv(
        Path(out_dir) / DETECTIONS,
        found.round({"confidence": 6, "iou": 4} | dict.fromkeys(EDGES, 3)),
    )
    truth = pd.DataFrame(_truths(pictures, scored, clustering), columns=TRUTH_COLUMNS)
    write_csv(
        Path(out_dir) / TRUTH,
        truth.round({"confidence": 6} | dict.fromkeys(EDGES, 3)),
    )
    curve = pd.concat([curve_table(name, one) for name, one in scored.items()])
    write_csv(
        Path(out_dir) / "pr_curve.csv",
        curve.round({"threshold": 6, "recall": 6, "precision": 6, "f1": 6}),
    )


def curve_table(name: str, scored: Scored) -> pd.DataFrame:
    """One class's curve where recall rises, at most about 1000 rows, by descending threshold.

    ``hits`` and ``false`` are numbers of detections at or above the threshold.
    """
    curve = pr_curve(scored.confidence, scored.hit, scored.total)
    rises = np.flatnonzero(np.diff(curve.recall, prepend=0.0) > 0)
    if len(rises) > CURVE_POINTS:
        rises = rises[np.linspace(0, len(rises) - 1, CURVE_POINTS).round().astype(int)]
    recall, precision = curve.recall[rises], curve.precision[rises]
    hits = np.rint(recall * curve.truths).astype(int)
    return pd.DataFrame(
        {
            "class": name,
            "threshold": curve.threshold[rises],
            "recall": recall,
            "precision": precision,
            "f1": 2 * precision * recall / (precision + recall),
            "hits": hits,
            "false": rises + 1 - hits,
        },
        columns=CURVE_COLUMNS,
    )


def _detections(
    pictures: Sequence[Picture], scored: Mapping[str, Scored], clustering: str
) -> Iterator[tuple[object, ...]]:
    for index, picture in enumerate(pictures):
        for name, one in scored.items():
            found, matches = picture.found[clustering][name], one.matches[index]
            for k in range(len(found)):
                outcome = WORDS[int(matches.outcome[k])]
                start = (picture.frame_id, picture.source, name, found.confidence[k])
                yield (*start, *found.boxes[k], outcome, matches.iou[k])


def _truths(
    pictures: Sequence[Picture], scored: Mapping[str, Scored], clustering: str
) -> Iterator[tuple[object, ...]]:
    for index, picture in enumerate(pictures):
        for name, one in scored.items():
            matches, confidence = one.matches[index], picture.found[clustering][name].confidence
            hits = np.flatnonzero(matches.outcome == HIT)
            finder = dict(zip(matches.truth[hits].tolist(), confidence[hits].tolist(), strict=True))
            for k, box in enumerate(picture.truth[name]):
                outcome = "neutral" if one.neutral[index][k] else "found" if k in finder else "missed"
                yield (picture.frame_id, picture.source, name, *box, outcome, finder.get(k))
