"""What a threshold is chosen for, and the best threshold of a list: against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from detectnet.detection.choosing import ALL, Tried, best_cut, between
from detectnet.detection.goals import Goal
from detectnet.errors import UserError


def tried(confidence, hit, missed, ranks=None):
    """Detections of one picture, and as many missed objects."""
    ranks = np.arange(len(hit)) if ranks is None else np.array(ranks)
    total = np.array([sum(hit) + missed])
    picture = np.zeros(len(hit), dtype=np.int64)
    return Tried(np.array(confidence, dtype=float), np.array(hit, dtype=bool), picture, ranks, total)


def curve(confidence, hit, missed):
    """scikit-learn's precision and recall at every threshold; what is missed is found below everything."""
    truth = np.concatenate([np.array(hit, dtype=int), np.ones(missed, dtype=int)])
    scores = np.concatenate([np.array(confidence, dtype=float), np.full(missed, -1.0)])
    precision, recall, threshold = precision_recall_curve(truth, scores)
    real = threshold >= 0
    return precision[:-1][real], recall[:-1][real]


lists = st.lists(st.tuples(st.integers(2, 40), st.booleans()), min_size=1, max_size=40)


@given(lists, st.integers(0, 5), st.sampled_from(["f1", "precision=0.8", "recall=0.7", "recall=1"]))
def test_the_best_threshold_is_that_of_scikit_learn_s_curve(found, missed, wanted):
    found = sorted(found, reverse=True)
    confidence, hit = [number / 50 for number, _ in found], [right for _, right in found]
    assume(sum(hit) + missed)
    precision, recall = curve(confidence, hit, missed)
    goal = Goal.parse(wanted)
    cut = best_cut(tried(confidence, hit, missed), np.array([True]), goal)
    shown = np.array(confidence) >= cut.threshold
    own = (np.array(hit)[shown].sum(), shown.sum(), sum(hit) + missed)
    assert (cut.hits, cut.shown, cut.total) == own
    with np.errstate(invalid="ignore"):
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    if goal.kind == "f1":
        assert cut.worth == pytest.approx(f1.max())
        return
    side, other = (precision, recall) if goal.kind == "precision" else (recall, precision)
    able = side >= goal.least
    assert cut.worth == pytest.approx(1 + other[able].max() if able.any() else side.max())


@pytest.mark.parametrize(
    ("wanted", "threshold", "hits", "shown"),
    [
        # Right .9 .8, wrong .7, right .6, wrong .5 .4, right .3; one of five is missed.
        ("f1", 0.55, 3, 4),
        ("precision=1", 0.75, 2, 2),
        ("precision=0.7", 0.55, 3, 4),
        ("recall=0.8", 0.15, 4, 7),
        # Out of reach: as much recall as there is, at the best precision.
        ("recall=0.9", 0.15, 4, 7),
    ],
)
def test_goals_by_hand(wanted, threshold, hits, shown):
    one = tried([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3], [1, 1, 0, 1, 0, 0, 1], 1)
    cut = best_cut(one, np.array([True]), Goal.parse(wanted))
    assert (cut.hits, cut.shown, cut.total, cut.topk) == (hits, shown, 5, ALL)
    assert cut.threshold == pytest.approx(threshold, abs=0.01)


def test_topk_leaves_out_what_ranks_lower_in_its_picture():
    one = tried([0.9, 0.8, 0.7], [1, 0, 0], 0)
    assert best_cut(one, np.array([True]), Goal.parse("recall=1"), topk=1).shown == 1
    # The neutral one in front of it takes the place.
    assert best_cut(tried([0.9], [1], 0, ranks=[1]), np.array([True]), Goal(), topk=1) is None


def test_only_the_chosen_pictures_count():
    two = Tried(
        np.array([0.9, 0.5]), np.array([True, False]), np.array([0, 1]), np.zeros(2, int), np.array([1, 0])
    )
    assert best_cut(two, np.array([True, False]), Goal()).worth == 1.0
    assert best_cut(two, np.array([False, True]), Goal()) is None, "there is nothing to find"
    assert best_cut(two, np.array([False, False]), Goal()) is None


@given(st.floats(2**-10, 1, width=32), st.floats(2**-10, 1, width=32))
def test_a_threshold_lies_between_two_confidences_in_single_precision(one, other):
    low, high = sorted((one, other))
    assume(low < high)
    value = np.float32(between(low, high))
    assert np.float32(low) < value <= np.float32(high)
    if high - low > 0.02:
        assert value < np.float32(high) and len(repr(between(low, high))) <= 5


@pytest.mark.parametrize(
    "text", ["f2", "f1=0.5", "precision", "precision=", "precision=0", "recall=1.1", "recall=nan", "recall=x"]
)
def test_what_is_no_goal_is_refused(text):
    with pytest.raises(UserError, match=r"is no goal.*precision=0\.95"):
        Goal.parse(text)


def test_a_goal_is_written_as_the_config_has_it():
    assert [Goal.parse(text).to_json() for text in ("f1", "precision=0.95", "recall=0.9")] == [
        "f1",
        {"precision": 0.95},
        {"recall": 0.9},
    ]
