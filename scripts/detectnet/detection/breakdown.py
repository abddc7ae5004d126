"""What the one figure of an evaluation hides: objects of all sizes, strict overlap, and every source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from detectnet.detection.collecting import HEADLINE_CLUSTERING, HEADLINE_IOU
from detectnet.detection.operating import POINT, at_thresholds
from detectnet.detection.resampling import interval
from detectnet.detection.scoring import Picture, Rule, Scored, mean_ap, score, without_objects

STRICT_IOU = 0.7
ByClass: TypeAlias = dict[str, Scored]
Pair: TypeAlias = tuple[ByClass, ByClass]
"""The same pictures at ``HEADLINE_IOU`` and at ``STRICT_IOU``."""


def breakdown(
    pictures: Sequence[Picture], classes: Sequence[str], minimum_width: float, threshold: float | None
) -> dict[str, Any]:
    """``all_sizes`` and ``by_source`` of metrics.json, ``correct`` AP of the headline's clustering.

    An *accuracy* is ``objects_counted`` (ground truths that are not neutral), ``mAP`` at IoU 0.5 and
    ``mAP70`` at 0.7, each with its ``..._interval``: 95 %, over resampled pictures. ``all_sizes`` is that
    with no ground truth neutral. ``by_source`` has for each source ``images``, ``images_without_objects``,
    ``objects``, the accuracy, its own ``all_sizes``, and what ``at_thresholds`` gives at the threshold.

    Args:
        pictures: of the validation.
        classes: of the network.
        minimum_width: narrower ground truth is neutral, px.
        threshold: confidence from which the deployed detector shows a detection.
    """
    counted, every = (_pair(pictures, classes, width) for width in (minimum_width, 0.0))
    sources = np.array([one.source for one in pictures])
    empty = without_objects(pictures)
    by_source = {}
    for name in sorted(set(sources.tolist())):
        chosen = sources == name
        own, own_every = _only(counted, chosen), _only(every, chosen)
        all_sizes = accuracy(own_every)
        by_source[name] = {
            "images": int(chosen.sum()),
            "images_without_objects": int(empty[chosen].sum()),
            "objects": all_sizes["objects_counted"],
            **accuracy(own),
            "all_sizes": all_sizes,
            **_at(own[0], empty[chosen], threshold),
        }
    return {"all_sizes": accuracy(every), "by_source": by_source}


def accuracy(pair: Pair) -> dict[str, Any]:
    """See ``breakdown``; mAP is None without ground truth that counts."""
    loose, strict = pair
    return {
        "objects_counted": sum(one.total for one in loose.values()),
        "mAP": mean_ap(loose),
        "mAP_interval": interval(list(loose.values())),
        "mAP70": mean_ap(strict),
        "mAP70_interval": interval(list(strict.values())),
    }


def _pair(pictures: Sequence[Picture], classes: Sequence[str], minimum_width: float) -> Pair:
    loose, strict = (
        {
            name: score(
                pictures,
                name,
                Rule(HEADLINE_CLUSTERING, ("correct",), dict.fromkeys(classes, iou), minimum_width),
            )
            for name in classes
        }
        for iou in (HEADLINE_IOU, STRICT_IOU)
    )
    return loose, strict


def _only(pair: Pair, chosen: np.ndarray) -> Pair:
    loose, strict = ({name: one.only(chosen) for name, one in scored.items()} for scored in pair)
    return loose, strict


def _at(scored: Mapping[str, Scored], empty: np.ndarray, threshold: float | None) -> dict[str, Any]:
    if threshold is None:
        return dict.fromkeys(POINT)
    return at_thresholds(list(scored.values()), empty, np.full(len(empty), threshold))
