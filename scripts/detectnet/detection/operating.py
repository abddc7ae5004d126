"""What a detector does at a threshold, and at thresholds that were chosen on other pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from detectnet.detection.collecting import HEADLINE_CLUSTERING
from detectnet.detection.metrics import best_f1
from detectnet.detection.resampling import bounds, draws
from detectnet.detection.scoring import Picture, Scored, without_objects

Key: TypeAlias = tuple[str, str]
"""Source and frame_id of a picture."""
POINT = ("precision", "recall", "f1", "false_alarms_per_image")


def at_thresholds(scored: Sequence[Scored], empty: np.ndarray, thresholds: np.ndarray) -> dict[str, Any]:
    """Precision, recall, F1 (0..1) and false alarms per empty picture, of all classes together.

    A figure without a denominator is None.

    Args:
        scored: one for each class.
        empty: bool (P,), pictures without ground truth of any class.
        thresholds: float (P,), the confidence from which a detection of each picture counts.
    """
    picture, hit, confidence = (
        np.concatenate([getattr(one, name) for one in scored]) for name in ("picture", "hit", "confidence")
    )
    shown = confidence >= thresholds[picture]
    hits, total = int((hit & shown).sum()), sum(one.total for one in scored)
    return {
        "precision": _share(hits, shown.sum()),
        "recall": _share(hits, total),
        "f1": _share(2 * hits, shown.sum() + total),
        "false_alarms_per_image": _share((shown & empty[picture]).sum(), empty.sum()),
    }


def halves(
    pictures: Sequence[Picture], groups: Mapping[Key, str], unseen: Sequence[Picture] = ()
) -> np.ndarray:
    """The half, 0 or 1, of each picture: int64 (P,). No group is torn, and each source is in both alike.

    The largest group goes first, to the half that has fewer pictures like its first one: of the source, and
    with or without objects.

    Args:
        pictures: of the validation.
        unseen: others, which are dealt after them; P counts both, these at the end.
        groups: source and frame_id -> group; a picture that is not named is a group of its own.
    """
    every = [*pictures, *unseen]
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, one in enumerate(every):
        key = (one.source, one.frame_id)
        members[(groups[key],) if key in groups else key].append(index)
    empty, made = without_objects(every), np.zeros(len(every), dtype=np.int64)
    alike: dict[tuple[str, bool], list[int]] = defaultdict(lambda: [0, 0])
    turn = {name: (own[0] >= len(pictures), -len(own), name) for name, own in members.items()}
    for name in sorted(members, key=turn.__getitem__):
        first = members[name][0]
        counts = alike[every[first].source, bool(empty[first])]
        half = int(counts[1] < counts[0])
        counts[half] += len(members[name])
        made[members[name]] = half
    return made


def cross_fitted(pictures: Sequence[Picture], scored: Sequence[Scored], half: np.ndarray) -> dict[str, Any]:
    """The detector at thresholds that were chosen, as the deployed one is, on other pictures.

    ``thresholds``: that of the best F1 of the first half, and of the second. Each is applied to the other
    half; the figures of ``at_thresholds`` are those of both together, all None where a half has no threshold.
    ``images_without_objects`` is how many pictures the false alarms are counted on.

    Args:
        pictures: of the validation.
        scored: one for each class.
        half: 0 or 1 (P,), of each picture.
    """
    empty = without_objects(pictures)
    thresholds = [_best_threshold([one.only(half == which) for one in scored]) for which in (0, 1)]
    found = (
        dict.fromkeys(POINT)
        if None in thresholds
        else at_thresholds(scored, empty, _of_other_half(thresholds, half))
    )
    return {"thresholds": thresholds, "images_without_objects": int(empty.sum()), **found}


def unseen_negatives(
    pictures: Sequence[Picture], half: np.ndarray, thresholds: Sequence[float | None]
) -> dict[str, Any] | None:
    """False alarms on the pictures without objects, each at the threshold of the half that it is not in.

    Args:
        pictures: of sources that are not trained on, of any fold.
        half: 0 or 1 (P,), of each picture.
        thresholds: of ``cross_fitted``.

    Returns:
        ``images``, ``false_alarms_per_image`` with its 95 % interval over resampled pictures, and both
        figures ``by_source``; None without such pictures or thresholds.
    """
    empty = without_objects(pictures)
    if None in thresholds or not empty.any():
        return None
    least = _of_other_half(thresholds, half)
    found = [one.found[HEADLINE_CLUSTERING].values() for one in pictures]
    alarms = np.array(
        [sum((one.confidence >= t).sum() for one in boxes) for boxes, t in zip(found, least, strict=True)]
    )[empty]
    sources = np.array([one.source for one in pictures])[empty]
    return {
        "images": len(alarms),
        "false_alarms_per_image": float(alarms.mean()),
        "false_alarms_per_image_interval": bounds(draws(len(alarms)) @ alarms / len(alarms)),
        "by_source": {
            name: {
                "images": int((sources == name).sum()),
                "false_alarms_per_image": float(alarms[sources == name].mean()),
            }
            for name in sorted(set(sources.tolist()))
        },
    }


def _best_threshold(scored: Sequence[Scored]) -> float | None:
    confidence, hit = (
        np.concatenate([getattr(one, name) for one in scored]) for name in ("confidence", "hit")
    )
    point = best_f1(confidence, hit, sum(one.total for one in scored))
    return None if point is None else point.threshold


def _of_other_half(thresholds: Sequence[float], half: np.ndarray) -> np.ndarray:
    return np.array(thresholds)[1 - half]


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
