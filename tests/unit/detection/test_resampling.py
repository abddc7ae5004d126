"""The bootstrap against a slow loop that pools the drawn pictures one after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectnet.detection.metrics import average_precision, pr_curve
from detectnet.detection.resampling import bounds, draws, interval, resampled
from detectnet.detection.scoring import Scored


def made(seed, pictures=25, count=120, ties=1):
    draw = np.random.default_rng(seed)
    confidence, hit = draw.permutation(count) // ties * ties / count, draw.random(count) < 0.5
    picture = np.sort(draw.integers(0, pictures, count))
    truths = np.bincount(picture[hit], minlength=pictures) + draw.integers(0, 2, pictures)
    each = tuple(range(pictures))
    return Scored(confidence, hit, picture, truths, each, each)


def pooled(scored, times, kind):
    """Average precision of a resample whose pictures are put together, each as often as it was drawn."""
    confidence, hit, truths = [], [], 0
    for index, often in enumerate(times):
        for _ in range(often):
            confidence += scored.confidence[scored.picture == index].tolist()
            hit += scored.hit[scored.picture == index].tolist()
            truths += int(scored.truths[index])
    return average_precision(pr_curve(np.array(confidence), np.array(hit, bool), truths), kind)


@pytest.mark.parametrize("kind", ["correct", "tao-integrate", "tao-sample"])
def test_resamples_equal_a_slow_loop(kind):
    one, other = made(3), made(4)
    got = resampled([one, other], kind, resamples=40, seed=11)
    for value, times in zip(got, draws(25, 40, 11), strict=True):
        assert value == pytest.approx((pooled(one, times, kind) + pooled(other, times, kind)) / 2, abs=1e-12)


def test_a_draw_has_as_many_pictures_as_there_are():
    drawn = draws(7, 300)
    assert drawn.shape == (300, 7) and (drawn.sum(axis=1) == 7).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)
    assert (draws(7, 300) == drawn).all()


def test_the_spread_is_that_of_sampling():
    # 400 pictures with one truth each, found with probability 0.8 and no false alarm: AP is the share found.
    hit = np.random.default_rng(5).random(400) < 0.8
    confidence = np.linspace(1, 0.5, hit.sum())
    scored = Scored(confidence, np.ones(hit.sum(), bool), np.flatnonzero(hit), np.ones(400, int), (), ())
    share = hit.mean()
    spread = math.sqrt(share * (1 - share) / 400)
    values = resampled([scored])
    assert values.mean() == pytest.approx(share, abs=0.005)
    assert values.std() == pytest.approx(spread, rel=0.1)
    low, high = interval([scored])
    assert (low, high) == (
        pytest.approx(share - 1.96 * spread, abs=0.008),
        pytest.approx(share + 1.96 * spread, abs=0.008),
    )


def test_a_class_that_a_resample_lacks_is_left_out_of_its_mean():
    # The rare class stands on one of two pictures; the other class is found on both.
    common = Scored(np.array([0.9, 0.8]), np.ones(2, bool), np.array([0, 1]), np.array([1, 1]), (), ())
    rare = Scored(np.zeros(0), np.zeros(0, bool), np.zeros(0, int), np.array([0, 1]), (), ())
    got = resampled([common, rare], resamples=50)
    lacks = draws(2, 50)[:, 1] == 0
    assert 0 < lacks.sum() < 50
    assert (got[lacks] == 1.0).all() and (got[~lacks] == 0.5).all()
    assert interval([rare]) == [0.0, 0.0]
    nothing = Scored(np.zeros(0), np.zeros(0, bool), np.zeros(0, int), np.array([0, 0]), (), ())
    assert interval([nothing]) is None


def test_bounds_are_percentiles_of_what_is_a_number():
    assert bounds(np.append(np.arange(1001.0), np.nan)) == [25.0, 975.0]
    assert bounds(np.full(3, np.nan)) is None


def test_some_of_the_pictures_are_scored_as_if_they_were_all():
    whole = made(8)
    chosen = np.arange(25) % 3 == 0
    part = whole.only(chosen)
    kept = [index for index in range(25) if index % 3 == 0]
    assert part.truths.tolist() == whole.truths[kept].tolist()
    for place, index in enumerate(kept):
        assert (
            part.confidence[part.picture == place].tolist()
            == whole.confidence[whole.picture == index].tolist()
        )
        assert part.hit[part.picture == place].tolist() == whole.hit[whole.picture == index].tolist()
    assert part.matches == part.neutral == kept
    assert len(part.hit) == chosen[whole.picture].sum()
