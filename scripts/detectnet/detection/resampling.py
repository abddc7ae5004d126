"""How sure an average precision is: the bootstrap over pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectnet.detection.metrics import average_precision, pr_curve
from detectnet.detection.scoring import Scored

RESAMPLES = 1000
BOUNDS = (2.5, 97.5)
"""Percentiles of a 95 % interval."""
Interval = list[float] | None


def interval(scored: Sequence[Scored], kind: str = "correct") -> Interval:
    """95 % interval [low, high] of the mAP of some classes, by resampling pictures; None without a value.

    Arguments as for ``resampled``.
    """
    return bounds(resampled(scored, kind))


def resampled(
    scored: Sequence[Scored], kind: str = "correct", *, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """mAP of as many pictures drawn with replacement, again and again: float64 (resamples,).

    With the same seed and number of pictures the same pictures are drawn, whatever was detected on them: two
    detectors can be compared resample by resample. A class that a resample lacks is left out of its
    ``correct`` mAP, which is NaN without any; for TAO's kinds it counts as 0.

    Args:
        scored: one for each class, of the same pictures.
        kind: of average precision, see ``average_precision``.
    """
    drawn = draws(len(scored[0].truths), resamples, seed)
    by_class = np.stack([_by_resample(one, kind, drawn) for one in scored])
    valid = np.isfinite(by_class)
    total = np.where(valid, by_class, 0.0).sum(axis=0)
    return np.divide(total, valid.sum(axis=0), out=np.full(len(drawn), np.nan), where=valid.any(axis=0))


def draws(pictures: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each picture is in each resample: int64 (resamples, pictures), rows sum to ``pictures``."""
    return np.random.default_rng(seed).multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples)


def bounds(values: np.ndarray) -> Interval:
    """[2.5th, 97.5th percentile] of the resamples' values, of those that are not NaN; None without any."""
    values = values[np.isfinite(values)]
    return [float(end) for end in np.percentile(values, BOUNDS)] if len(values) else None


def _by_resample(scored: Scored, kind: str, drawn: np.ndarray) -> np.ndarray:
    confidence = scored.ranks(kind)
    order = np.argsort(-confidence, kind="stable")
    confidence, hit, picture = confidence[order], scored.hit[order], scored.picture[order]
    every, truths = np.arange(len(order)), drawn @ scored.truths
    made = []
    for times, total in zip(drawn, truths.tolist(), strict=True):
        again = np.repeat(every, times[picture])
        made.append(average_precision(pr_curve(confidence[again], hit[again], total), kind))
    return np.array(made)
