"""Probable label errors: where a detector and the labels of its own data disagree.

Every finding is a suspicion for a person to look at. All boxes are x1 y1 x2 y2 in network-input pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from detectnet.data.boxes import area, height, iou, width
from detectnet.detection.collecting import HEADLINE_CLUSTERING
from detectnet.detection.detections import Detections
from detectnet.detection.scoring import Picture

KINDS = {
    "missed": "a confident detection where there is no label",
    "loose": "the label's size differs from that of a confident detection on it",
    "shifted": "the label lies beside a confident detection on it",
    "spurious": "a label on which nothing is detected at any confidence, though it is wide",
    "duplicate": "a near-duplicate picture has a label at this place, this one has none",
    "tiny": "a label under 8 px wide",
}
CORNERS = ("x1", "y1", "x2", "y2")
FOUND_CORNERS = tuple(f"found_{name}" for name in CORNERS)
COLUMNS = (
    *("image", "source", "fold", "kind", "class", *CORNERS),
    *("confidence", "iou", "score", *FOUND_CORNERS, "detail"),
)
CONFIDENT = 0.5
"""The certainty from which a detection is evidence against a label, 0..1."""
TOUCH = 0.1
"""The IoU from which a detection and a label are of one object."""
HALF = 0.5
"""The share of the smaller one of two boxes that is shared, from which they are of one object as well."""
LOOSE = (0.3, 0.6)
"""The IoU between which a detection is on the label and yet contradicts it."""
AMPLE = 20.0
"""The width in pixels from which a label should be found."""
TINY = 8.0
SIDE = 0.1
"""The part of the label's width or height by which a side differs."""
SAME_PLACE = 0.3
"""The IoU from which labels of two near-duplicates are of one object."""
Key = tuple[str, str]


@dataclass(frozen=True)
class Twins:
    """Two near-duplicate pictures.

    Attributes:
        first, second: source and frame_id.
        mirrored: whether one is the mirror image of the other.
        likeness: 0..1, 1 for equal hashes.
    """

    first: Key
    second: Key
    mirrored: bool
    likeness: float


@dataclass(frozen=True)
class _Sight:
    """Labels and detections of one class in one picture.

    ``overlap`` (T, D) is the IoU, ``touched`` (T, D) whether label and detection are of one object.
    """

    key: Key
    name: str
    truth: np.ndarray
    found: Detections
    overlap: np.ndarray
    touched: np.ndarray


def audit(
    pictures: Sequence[Picture],
    folds: Mapping[Key, str],
    twins: Sequence[Twins] = (),
    sizes: Mapping[Key, tuple[int, int]] | None = None,
    ignored: Mapping[Key, np.ndarray] | None = None,
) -> pd.DataFrame:
    """The table of suspicions, the surest of each kind first.

    The score, 0..1, says how sure: certainty of the detection (``missed``), certainty x (1 - IoU) (``loose``,
    ``shifted``), the share of labels of this width that are found (``spurious``), likeness of the two
    pictures (``duplicate``), 1 - width / 8 (``tiny``). The *certainty* of a detection is the share of
    detections of its class and confidence that are on a label: other than a confidence it is comparable
    between detectors, and low for a detector that is often wrong.

    Args:
        pictures: as ``collect`` returns them, with detections at every confidence.
        folds: source and frame_id -> fold.
        twins: near-duplicates among the pictures.
        sizes: source and frame_id -> width and height in pixels of what of the input is picture, for the
            twins.
        ignored: source and frame_id -> boxes (N, 4) of regions about which the labels say nothing.

    Returns:
        a frame with `COLUMNS`: ``x1`` to ``y2`` are of the label, of the detection where there is no label
        (``missed``) or of the place where one is expected (``duplicate``); ``found_*`` of the detection, NaN
        where there is none; ``iou`` of these two, ``confidence`` as the clustering gives it, NaN without a
        detection; ``detail`` in words.
    """
    sights = _sights(pictures)
    rows = [row for one in _by_class(sights).values() for row in _suspicions(one, ignored or {})]
    rows += _duplicates(sights, twins, sizes or {})
    made = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "fold"])
    keys = zip(made["source"], made["image"], strict=True)
    made.insert(2, "fold", pd.Series([folds[key] for key in keys], dtype="str"))
    rank = made["kind"].map({kind: index for index, kind in enumerate(KINDS)})
    order = made.assign(rank=rank, minus=-made["score"])
    order = order.sort_values(["rank", "minus", "source", "image", *CORNERS], ignore_index=True)
    return order.drop(columns=["rank", "minus"])


def offsets(pictures: Sequence[Picture]) -> pd.DataFrame:
    """How the detector's boxes differ from the labels of each source and class: its box convention.

    A detector that learned from all sources draws boxes between their conventions; a source whose labels
    are tight has factors above 1.

    Returns:
        ``source``, ``class``, ``labels`` (how many were found with certainty and an IoU of 0.5), and medians:
        ``width`` and ``height`` of the detection by those of the label, ``right`` and ``down`` of its
        centre from the label's, as parts of the label's width and height.
    """
    rows = []
    for sights in _by_class(_sights(pictures)).values():
        certain = _certainty(sights)
        for one in sights:
            sure = certain(one.found.confidence) >= CONFIDENT
            overlap = one.overlap * sure
            for index in np.flatnonzero(overlap.max(axis=1, initial=0) >= 0.5):
                found = one.found.boxes[overlap[index].argmax()]
                rows.append((one.key[0], one.name, *_compared(one.truth[index], found)))
    measures = ["width", "height", "right", "down"]
    table = pd.DataFrame(rows, columns=["source", "class", *measures])
    grouped = table.groupby(["source", "class"])
    return pd.concat([grouped.size().rename("labels"), grouped[measures].median()], axis=1).reset_index()


def _compared(label: np.ndarray, found: np.ndarray) -> tuple[float, float, float, float]:
    """Factors of width and height, and the shift of the centre in parts of the label's width and height."""
    size = np.array([width(label), height(label)])
    factors = np.array([width(found), height(found)]) / size
    shift = (found[:2] + found[2:] - label[:2] - label[2:]) / 2 / size
    return *factors.tolist(), *shift.tolist()


def _sights(pictures: Sequence[Picture]) -> list[_Sight]:
    made = []
    for picture in pictures:
        for name, truth in picture.truth.items():
            found = picture.found[HEADLINE_CLUSTERING][name]
            overlap = iou(truth, found.boxes)
            touched = _touched(truth, found.boxes)
            made.append(_Sight((picture.source, picture.frame_id), name, truth, found, overlap, touched))
    return made


def _touched(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) bool: the boxes are of one object, or one of them of a part of it."""
    overlap = iou(a, b)
    smaller = np.minimum(area(a)[:, None], area(b)[None, :])
    shared = overlap * (area(a)[:, None] + area(b)[None, :]) / (1 + overlap)  # IoU = shared / (both - shared)
    return (overlap >= TOUCH) | (shared >= HALF * smaller)


def _by_class(sights: Sequence[_Sight]) -> dict[str, list[_Sight]]:
    return {name: [one for one in sights if one.name == name] for name in sorted({s.name for s in sights})}


class _Share:
    """The share of good ones at a value, as the non-decreasing function that fits best in the least squares.

    Isotonic regression, a calibration without a shape: Zadrozny and Elkan (2002).
    """

    def __init__(self, values: np.ndarray, good: np.ndarray) -> None:
        self._values, place = np.unique(values, return_inverse=True)
        counts = np.bincount(place)
        means = np.bincount(place, good) / counts
        self._shares = isotonic_regression(means, weights=counts).x if len(means) else means

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(N,) 0..1 of values (N,) that are among those it was made of."""
        return self._shares[np.searchsorted(self._values, values)]


def _certainty(sights: Sequence[_Sight]) -> _Share:
    return _Share(
        np.concatenate([one.found.confidence for one in sights]),
        np.concatenate([one.overlap.max(axis=0, initial=0) >= LOOSE[0] for one in sights]),
    )


def _suspicions(sights: Sequence[_Sight], ignored: Mapping[Key, np.ndarray]) -> Iterator[dict]:
    """All but duplicates, of one class."""
    certain = _certainty(sights)
    widths = np.concatenate([width(one.truth) for one in sights])
    findable = _Share(widths, np.concatenate([one.touched.any(axis=1) for one in sights]))
    for one in sights:
        sure = certain(one.found.confidence)
        yield from _missed(one, sure, ignored.get(one.key, np.empty((0, 4))))
        yield from _contradicted(one, sure)
        yield from _unseen(one, findable(width(one.truth)))


def _row(one: _Sight, kind: str, box: np.ndarray, score: float, **more: object) -> dict:
    start = {"image": one.key[1], "source": one.key[0], "kind": kind, "class": one.name, "score": score}
    return start | dict(zip(CORNERS, box.tolist(), strict=True)) | {"detail": ""} | more


def _with(one: _Sight, index: int, overlap: float) -> dict:
    """The columns of a row that are of its detection."""
    corners = dict(zip(FOUND_CORNERS, one.found.boxes[index].tolist(), strict=True))
    return {"confidence": one.found.confidence[index], "iou": overlap} | corners


def _missed(one: _Sight, sure: np.ndarray, ignored: np.ndarray) -> Iterator[dict]:
    taken = one.touched.any(axis=0) | _touched(ignored, one.found.boxes).any(axis=0)
    free = ~taken & (sure >= CONFIDENT)
    for index in np.flatnonzero(free):
        box = one.found.boxes[index]
        best = float(one.overlap[:, index].max(initial=0))
        yield _row(one, "missed", box, sure[index], **_with(one, index, best))


def _contradicted(one: _Sight, sure: np.ndarray) -> Iterator[dict]:
    confirmed = one.overlap.max(axis=1, initial=0) > LOOSE[1]
    overlap = one.overlap * (sure >= CONFIDENT)
    for index in np.flatnonzero(~confirmed & (overlap.max(axis=1, initial=0) >= LOOSE[0])):
        best = int(overlap[index].argmax())
        label, found = one.truth[index], one.found.boxes[best]
        wide, high, right, down = _compared(label, found)
        resized = max(abs(np.log(wide)), abs(np.log(high))) / 2  # how far a side moves, in parts of the size
        kind = "shifted" if max(abs(right), abs(down)) > resized else "loose"
        score = sure[best] * (1 - overlap[index, best])
        more = _with(one, best, overlap[index, best]) | {"detail": _sides(label, found)}
        yield _row(one, kind, label, score, **more)


def _sides(label: np.ndarray, found: np.ndarray) -> str:
    """Which sides of the label are outside or inside of the detection, and by how many pixels."""
    size = np.tile([width(label), height(label)], 2)
    outside = (found - label) * (1, 1, -1, -1)
    said = [
        f"{side} {abs(by):.0f} px {'outside' if by > 0 else 'inside'}"
        for side, by, whole in zip(("left", "top", "right", "bottom"), outside, size, strict=True)
        if abs(by) > SIDE * whole
    ]
    return "label's " + ", ".join(said) if said else ""


def _unseen(one: _Sight, findable: np.ndarray) -> Iterator[dict]:
    widths, seen = width(one.truth), one.touched.any(axis=1)
    for index, label in enumerate(one.truth):
        if widths[index] < TINY:
            yield _row(one, "tiny", label, 1 - widths[index] / TINY, detail=f"{widths[index]:.1f} px wide")
        elif widths[index] >= AMPLE and not seen[index]:
            yield _row(one, "spurious", label, findable[index], detail=f"{widths[index]:.0f} px wide")


def _duplicates(
    sights: Sequence[_Sight], twins: Sequence[Twins], sizes: Mapping[Key, tuple[int, int]]
) -> Iterator[dict]:
    """Places that are labelled in one of two near-duplicates and not in the other; each place once.

    Where both have labels and not one agrees, something moved between the two: that says nothing.
    """
    known = {(one.key, one.name): one for one in sights}
    names = sorted({one.name for one in sights})
    told: dict[tuple[Key, str], np.ndarray] = {}
    for pair in sorted(twins, key=lambda one: (-one.likeness, one.first, one.second)):
        for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
            for name in names:
                one, other = known[here, name], known[there, name]
                expected = _moved(other.truth, sizes[there], sizes[here], pair.mirrored)
                agreed = (iou(expected, one.truth) >= SAME_PLACE).any()
                if len(one.truth) and not agreed:
                    continue
                old = told.get((here, name), np.empty((0, 4)))
                labelled = iou(expected, np.concatenate((one.truth, old))).max(axis=1, initial=0)
                new = expected[(labelled < SAME_PLACE) & (width(expected) >= TINY)]
                told[here, name] = np.concatenate((old, new))
                for box in new:
                    detail = f"labelled in {there[1]} of {there[0]}"
                    yield _row(one, "duplicate", box, pair.likeness, detail=detail)


def _moved(boxes: np.ndarray, before: tuple[int, int], after: tuple[int, int], mirrored: bool) -> np.ndarray:
    """Boxes of a picture of size ``before`` at the same places of one of size ``after``."""
    relative = boxes / np.tile(before, 2)
    if mirrored:
        relative = np.column_stack((1 - relative[:, 2], relative[:, 1], 1 - relative[:, 0], relative[:, 3]))
    return relative * np.tile(after, 2)
