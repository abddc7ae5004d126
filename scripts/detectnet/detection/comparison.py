"""Two detectors on the same pictures: how much better one is, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectnet.detection.breakdown import STRICT_IOU
from detectnet.detection.collecting import HEADLINE_CLUSTERING, HEADLINE_IOU
from detectnet.detection.detections import singles
from detectnet.detection.resampling import bounds, resampled
from detectnet.detection.scoring import Picture, Rule, Scored, mean_ap, score
from detectnet.detection.tables import DETECTIONS, EDGES, PICTURES, TRUTH
from detectnet.errors import UserError
from detectnet.files import PathLike, read_json, write_csv
from detectnet.logs import log

COLUMNS = ("source", "iou", "images", "objects", "A", "B", "difference", "low", "high", "share_B_worse")
EVERY = "all"
NUMBERS = ("confidence", *EDGES)
NOTHING = np.zeros((0, 5))


def compare(
    first: PathLike, second: PathLike, *, minimum_width: float | None = None, out: PathLike | None = None
) -> pd.DataFrame:
    """Paired bootstrap of the ``correct`` mAP of two evaluations, A and B, of the same pictures.

    Both detectors are scored on each resample of the pictures, and the differences are what the interval
    and the share are of: what the pictures have in common cancels out.

    Args:
        first: folder of the evaluation A, as ``evaluate`` leaves it.
        second: folder of the evaluation B.
        minimum_width: narrower ground truth is neutral, px of the network's input; None takes
            ``minimum_width_neutral`` of the two evaluations.
        out: CSV file for the table.

    Returns:
        A row for all pictures (``source`` is ``all``) and for each source, at IoU 0.5 and 0.7: ``images``,
        ``objects`` that count, mAP of ``A`` and ``B``, ``difference`` B - A with its 95 % interval ``low`` to
        ``high``, and ``share_B_worse``, the share of resamples, 0..1, in which B's is lower. NaN where no
        object counts.

    Raises:
        UserError: a folder is no evaluation, the pictures or their ground truth differ, or the evaluations
            have different neutral widths and none is given.
    """
    width = _common_width(first, second) if minimum_width is None else minimum_width
    listed = _same_listed(first, second)
    truth = _same_truth(first, second)
    classes = sorted(set(truth["class"]))
    if not classes:
        raise UserError("there is no ground truth to compare on", where=Path(first) / TRUTH)
    sides = [_pictures(listed, truth, _table(folder, DETECTIONS), classes) for folder in (first, second)]
    made = pd.DataFrame(_rows(sides, classes, width), columns=COLUMNS)
    text = made.to_string(index=False, float_format="{:.4f}".format, na_rep="-")
    log.info("A %s\nB %s\nground truth from %g px on\n%s", first, second, width, text)
    if out is not None:
        write_csv(out, made)
    return made


def _rows(sides: Sequence[Sequence[Picture]], classes: Sequence[str], width: float) -> Iterator[tuple]:
    sources = np.array([one.source for one in sides[0]])
    chosen = {EVERY: np.ones(len(sources), dtype=bool)}
    chosen |= {name: sources == name for name in sorted(set(sources.tolist()))}
    for iou in (HEADLINE_IOU, STRICT_IOU):
        rule = Rule(HEADLINE_CLUSTERING, ("correct",), dict.fromkeys(classes, iou), width)
        first, second = ({name: score(side, name, rule) for name in classes} for side in sides)
        for source, wanted in chosen.items():
            pair = [{name: one.only(wanted) for name, one in side.items()} for side in (first, second)]
            yield (source, iou, int(wanted.sum()), *_difference(*pair))


def _difference(first: Mapping[str, Scored], second: Mapping[str, Scored]) -> tuple[Any, ...]:
    objects = sum(one.total for one in first.values())
    if not objects:
        return (0, *[float("nan")] * 6)
    made = resampled(list(second.values())) - resampled(list(first.values()))
    before, after = mean_ap(first), mean_ap(second)
    worse = float((made[np.isfinite(made)] < 0).mean())
    return (objects, before, after, after - before, *bounds(made), worse)


def _common_width(first: PathLike, second: PathLike) -> float:
    widths = [
        read_json(Path(folder) / "metrics.json").get("minimum_width_neutral") for folder in (first, second)
    ]
    if None in widths:
        old = (first, second)[widths.index(None)]
        raise UserError("the metrics are of an older version", where=old, remedy="Evaluate once more.")
    if widths[0] != widths[1]:
        raise UserError(
            f"ground truth is neutral below {widths[0]:g} px in one and below {widths[1]:g} px in the other",
            where=f"{first}, {second}",
            remedy="Give the --minimum-width that is to hold for both.",
        )
    return widths[0]


def _same_listed(first: PathLike, second: PathLike) -> pd.DataFrame:
    """The pictures of both: columns source, image, objects."""
    one, other = (
        _table(folder, PICTURES)[["source", "image", "objects"]].sort_values(["source", "image"])
        for folder in (first, second)
    )
    _refuse_other(one, other, PICTURES, (first, second), "the two evaluations are of different pictures")
    return one


def _same_truth(first: PathLike, second: PathLike) -> pd.DataFrame:
    """The ground truth of both: source, image, class and box."""
    columns = ["source", "image", "class", *EDGES]
    one, other = (_table(folder, TRUTH).sort_values(columns) for folder in (first, second))
    what = "the ground truth of the two evaluations differs"
    _refuse_other(one[columns], other[columns], TRUTH, (first, second), what)
    return one


def _refuse_other(
    one: pd.DataFrame, other: pd.DataFrame, name: str, folders: tuple[PathLike, PathLike], what: str
) -> None:
    # Equal rows are told apart by their number: a picture may have the same box twice.
    one, other = (side.assign(copy=side.groupby(list(side)).cumcount()) for side in (one, other))
    merged = one.merge(other, how="outer", indicator="side")
    alone = merged[merged["side"] != "both"]
    if len(alone):
        row = alone.iloc[0]
        raise UserError(
            f"{what}: {len(alone)} rows are in one alone, the first is {row['source']} {row['image']}",
            where=Path(folders[row["side"] == "right_only"]) / name,
            remedy="Evaluate both detectors on the same records.",
        )


def _table(folder: PathLike, name: str) -> pd.DataFrame:
    """A table of an evaluation; pictures and classes are text, whatever they look like."""
    path = Path(folder) / name
    text = dict.fromkeys(("image", "source", "class"), str)
    numbers = {column: [""] for column in NUMBERS}
    try:
        return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=numbers)
    except FileNotFoundError as error:
        raise UserError(
            "the file does not exist", where=path, remedy="Give the folder of an evaluation, made anew."
        ) from error


def _pictures(
    listed: pd.DataFrame, truth: pd.DataFrame, found: pd.DataFrame, classes: Sequence[str]
) -> list[Picture]:
    boxes, seen = _by_picture(truth), _by_picture(found)
    made = []
    for source, image in zip(listed["source"], listed["image"], strict=True):
        own = {name: boxes.get((source, image, name), NOTHING)[:, :4] for name in classes}
        shown = {name: seen.get((source, image, name), NOTHING) for name in classes}
        made.append(
            Picture(
                image,
                source,
                own,
                {HEADLINE_CLUSTERING: {name: singles(one[:, :4], one[:, 4]) for name, one in shown.items()}},
            )
        )
    return made


def _by_picture(frame: pd.DataFrame) -> dict[tuple[str, str, str], np.ndarray]:
    """Source, image and class -> box and confidence, (N, 5)."""
    groups = frame.groupby(["source", "image", "class"], sort=False)
    return {key: rows[[*EDGES, "confidence"]].to_numpy(float) for key, rows in groups}
