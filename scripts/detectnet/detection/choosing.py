"""DeepStream's thresholds and clustering, chosen on some pictures: a coarse grid, then uphill from its best.

A threshold of confidence needs no grid: whatever is above it does not depend on what is below, so one
clustering gives the figures at all thresholds. That is ``pre-cluster-threshold`` for NMS and for no
clustering, and ``post-cluster-threshold`` for DBSCAN and hybrid, where the other one decides which boxes make
a cluster.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from detectnet.detection.collecting import HEADLINE_IOU
from detectnet.detection.deepstream_views import CLUSTERING, LEAST_COVERAGE, Decoded, detected
from detectnet.detection.goals import Goal
from detectnet.detection.metrics import NEUTRAL
from detectnet.detection.operating import POINT, at_thresholds
from detectnet.detection.scoring import Picture, Rule, Scored, score, without_objects
from detectnet.detection.settings import CLUSTER_MODES, DeepStreamClustering, DeepStreamSettings

ALL = -1
Point: TypeAlias = tuple[float, ...]
"""One value for each axis of a mode."""
AXES: dict[str, dict[str, tuple[float, ...]]] = {
    "nms": {"nms_iou_threshold": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)},
    "dbscan": {
        "pre_cluster_threshold": (LEAST_COVERAGE, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        "eps": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "min_boxes": (1, 2, 3, 4, 5),
    },
    "hybrid": {
        "pre_cluster_threshold": (LEAST_COVERAGE, 0.05, 0.1, 0.2, 0.3),
        "eps": (0.2, 0.35, 0.5, 0.65, 0.8),
        "min_boxes": (2, 3, 4, 5),
        "nms_iou_threshold": (0.2, 0.3, 0.4, 0.5, 0.6),
    },
    "none": {},
}
"""What is tried of each mode, the simplest mode first; hybrid with min_boxes 1 is NMS.

A wider grid gained on the pictures that chose and lost on others; and few cells see a small object, so that
it is lost where more boxes have to agree.
"""
MARGIN = 0.01
"""A mode has to be better than a simpler one by more: with more to turn, it fits chance better."""
SWEEPING_POST = ("dbscan", "hybrid")
BELOW_ALL = 0.9 * LEAST_COVERAGE
"""What stands below the least sure detection, when a threshold is put between it and the next."""


@dataclass(frozen=True)
class Tried:
    """The detections of one class that count, at one setting, with nothing cut by its confidence.

    Attributes:
        confidence: float64 (D,).
        hit: bool (D,).
        picture: int64 (D,), index of the picture.
        rank: int64 (D,), place among all detections of the picture, the most confident 0.
        truths: int64 (P,), ground truths that count, per picture.
    """

    confidence: np.ndarray
    hit: np.ndarray
    picture: np.ndarray
    rank: np.ndarray
    truths: np.ndarray

    @classmethod
    def of(cls, scored: Scored) -> Tried:
        """Of what was scored; the detections of a picture stand by descending confidence."""
        ranks = [np.flatnonzero(one.outcome != NEUTRAL) for one in scored.matches]
        rank = np.concatenate([np.zeros(0, dtype=np.int64), *ranks])
        return cls(scored.confidence, scored.hit, scored.picture, rank, scored.truths)


@dataclass(frozen=True)
class Cut:
    """The best threshold of one class at one setting, and what is counted at it.

    Attributes:
        threshold: between the least confidence that counts and the next below it.
        topk: most detections in a picture; -1 is all.
        worth: to the goal.
        hits, shown: detections at or above the threshold that are right, and that count.
        total: ground truths that count.
    """

    threshold: float
    topk: int
    worth: float
    hits: int
    shown: int
    total: int


@dataclass(frozen=True)
class Choice:
    """What was chosen for every class, in the order of the channels, and how good the goal holds it to be."""

    mode: str
    settings: dict[str, DeepStreamSettings]
    worth: float

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Class -> ``cluster_mode`` and the class-attrs, as in the contract."""
        number = CLUSTER_MODES[self.mode]
        return {name: DeepStreamClustering(number, one).to_dict() for name, one in self.settings.items()}


class Bench:
    """Pictures on which settings are tried; each setting is tried once."""

    def __init__(
        self, pictures: Sequence[Picture], decoded: Sequence[Decoded], classes: Sequence[str], neutral: float
    ) -> None:
        """Take pictures.

        Args:
            pictures: with ground truth.
            decoded: of the same pictures.
            classes: of the network.
            neutral: narrower ground truth is neither hit nor missed, px.
        """
        self.pictures, self.decoded, self.classes = pictures, decoded, tuple(classes)
        self.rule = Rule(CLUSTERING, ("correct",), dict.fromkeys(classes, HEADLINE_IOU), neutral)
        self._known: dict[tuple[str, str, DeepStreamSettings], Tried] = {}

    def choose(self, chosen: np.ndarray, goal: Goal, modes: Sequence[str] = tuple(AXES)) -> Choice:
        """The best mode and settings on some of the pictures, bool (P,)."""
        best, *others = [self.choose_in(mode, chosen, goal) for mode in AXES if mode in modes]
        for one in others:
            best = one if one.worth > best.worth + MARGIN else best
        return best

    def choose_in(self, mode: str, chosen: np.ndarray, goal: Goal) -> Choice:
        """The best settings of one mode; their worth is that of all classes together.

        A class without ground truth or detections among the pictures keeps nvinfer's first threshold.
        """
        made = {name: self._best(mode, name, chosen, goal) for name in self.classes}
        settings = {name: _with_cut(mode, point, cut) for name, (point, cut) in made.items()}
        known = [cut for _, cut in made.values() if cut is not None]
        if not known:
            return Choice(mode, settings, 0.0)
        hits, shown, total = (sum(getattr(cut, name) for cut in known) for name in ("hits", "shown", "total"))
        return Choice(mode, settings, float(goal.worth(np.array(hits), np.array(shown), total)))

    def shown(self, choice: Choice) -> list[Picture]:
        """All pictures with what nvinfer finds on them at what was chosen."""
        return detected(self.pictures, self.decoded, choice.settings, choice.mode)

    def figures(self, shown: Sequence[Picture]) -> dict[str, Any]:
        """Precision, recall, F1 and false alarms of all that is found on pictures, see ``at_thresholds``.

        ``images`` is how many these are, and ``images_without_objects`` how many of them have no ground
        truth of any class: false alarms are counted there.
        """
        empty = without_objects(shown)
        counts = {"images": len(shown), "images_without_objects": int(empty.sum())}
        if not shown:
            return {**dict.fromkeys(POINT), **counts}
        scored = [score(shown, name, self.rule) for name in self.classes]
        return {**at_thresholds(scored, empty, np.full(len(shown), -np.inf)), **counts}

    def _best(self, mode: str, name: str, chosen: np.ndarray, goal: Goal) -> tuple[Point, Cut | None]:
        """The best of the coarse grid, then the best of its neighbours, until none of them is better."""
        tried: dict[Point, Cut | None] = {}

        def worth(point: Point) -> float:
            if point not in tried:
                tried[point] = self._cut(mode, name, point, chosen, goal)
            cut = tried[point]
            return -1.0 if cut is None else cut.worth

        best = max(_coarse(mode), key=worth)
        while worth(near := max([best, *_neighbours(mode, best)], key=worth)) > worth(best):
            best = near
        return best, tried[best]

    def _cut(self, mode: str, name: str, point: Point, chosen: np.ndarray, goal: Goal) -> Cut | None:
        settings = _at(mode, point)
        key = (mode, name, settings)
        if key not in self._known:
            found = detected(self.pictures, self.decoded, {name: settings}, mode)
            self._known[key] = Tried.of(score(found, name, self.rule))
        # Never fewer than there are objects on a picture: a better F1 here would be a lost object elsewhere.
        most = max((len(one.truth[name]) for one in _of(self.pictures, chosen)), default=0)
        cuts = [best_cut(self._known[key], chosen, goal, topk) for topk in (ALL, most) if topk]
        return max((cut for cut in cuts if cut is not None), key=lambda cut: cut.worth, default=None)


def best_cut(tried: Tried, chosen: np.ndarray, goal: Goal, topk: int = ALL) -> Cut | None:
    """The threshold that is best for the goal, the highest of equals; equal confidences are never parted.

    Args:
        tried: of one class.
        chosen: bool (P,), the pictures that are looked at.
        goal: what is wanted.
        topk: most detections in a picture, neutral ones too; -1 is all.

    Returns:
        None without ground truth or without detections that count.
    """
    total = int(tried.truths[chosen].sum())
    counts = chosen[tried.picture] & ((topk == ALL) | (tried.rank < topk))
    if not total or not counts.any():
        return None
    confidence, hit = tried.confidence[counts], tried.hit[counts]
    order = np.argsort(-confidence, kind="stable")
    ranked, hits = confidence[order], np.cumsum(hit[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    worth = goal.worth(hits[ends], ends + 1, total)
    best = int(np.argmax(worth))
    end = ends[best]
    below = ranked[end + 1] if end + 1 < len(ranked) else BELOW_ALL
    threshold = between(float(below), float(ranked[end]))
    return Cut(threshold, topk, float(worth[best]), int(hits[end]), int(end + 1), total)


def between(low: float, high: float) -> float:
    """The shortest decimal above ``low`` and below ``high`` near their middle, in single precision too.

    ``high`` itself where single precision has none: what is ``high`` is at or above it.
    """
    middle = (low + high) / 2
    for digits in range(2, 10):
        value = round(middle, digits)
        if np.float32(low) < np.float32(value) < np.float32(high):
            return value
    return high


def _at(mode: str, point: Point, **cuts: float) -> DeepStreamSettings:
    """The settings of a point; what it does not say is open: nothing is cut by its confidence."""
    values = {"pre_cluster_threshold": LEAST_COVERAGE, **dict(zip(AXES[mode], point, strict=True)), **cuts}
    return DeepStreamSettings(**values)


def _with_cut(mode: str, point: Point, cut: Cut | None) -> DeepStreamSettings:
    if cut is None:
        return _at(mode, point, pre_cluster_threshold=DeepStreamSettings.pre_cluster_threshold)
    field = "post_cluster_threshold" if mode in SWEEPING_POST else "pre_cluster_threshold"
    return _at(mode, point, topk=cut.topk, **{field: cut.threshold})


def _coarse(mode: str) -> list[Point]:
    """Every third value of each axis, from the second on."""
    return list(itertools.product(*(values[1::3] for values in AXES[mode].values())))


def _neighbours(mode: str, point: Point) -> Iterator[Point]:
    """One step along one axis, either way."""
    for index, values in enumerate(AXES[mode].values()):
        here = values.index(point[index])
        for there in (here - 1, here + 1):
            if 0 <= there < len(values):
                yield (*point[:index], values[there], *point[index + 1 :])


def _of(items: Sequence[Any], chosen: np.ndarray) -> list[Any]:
    return list(itertools.compress(items, chosen))
