"""Dealing whole groups: as near to the wanted numbers as an exhaustive search can come."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectnet.data.shares import deal


def named(count):
    return [f"group {index}" for index in range(count)]


def missed(counts, wanted, taken):
    return np.abs(counts[taken].sum(axis=0) - wanted).sum()


@given(st.lists(st.integers(1, 30), max_size=9), st.integers(0, 100))
def test_one_source_is_at_most_half_a_group_from_the_best(sizes, percent):
    counts = np.array(sizes, dtype=np.int64).reshape(-1, 1)
    wanted = np.array([sum(sizes) * percent / 100])
    got = missed(counts, wanted, deal(named(len(sizes)), counts, wanted, 42))
    best = min(missed(counts, wanted, np.array(pick, bool)) for pick in product([0, 1], repeat=len(sizes)))
    assert got <= best + max(sizes, default=0) / 2
    assert got <= max(sizes, default=0) / 2 + 1e-9


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(5, 60), st.integers(0, 100))
def test_with_singles_enough_the_share_is_met_to_less_than_a_picture(sizes, singles, percent):
    counts = np.array(sizes + [1] * singles, dtype=np.int64).reshape(-1, 1)
    # Enough: while pictures are missing a single is left. Without one a group of 4 may come no nearer.
    wanted = np.array([min(counts.sum() * percent / 100, singles)])
    assert missed(counts, wanted, deal(named(len(counts)), counts, wanted, 42)) < 1


def test_a_large_group_is_taken_where_it_comes_nearest():
    counts = np.array([[207], [38], [5]])
    assert deal(["a", "b", "c"], counts, np.array([35.0]), 42).tolist() == [False, True, False]


def test_groups_of_several_sources_count_in_each():
    counts = np.array([[4, 4], [4, 0], [0, 4], [20, 20]])
    taken = deal(named(4), counts, np.array([4.0, 4.0]), 42)
    assert counts[taken].sum(axis=0).tolist() == [4, 4]


def test_a_source_that_wants_nothing_is_left_to_the_others():
    counts = np.array([[1, 9], [1, 9], [1, 9], [0, 9]])
    taken = deal(named(4), counts, np.array([2.0, np.nan]), 42)
    assert counts[taken][:, 0].sum() == 2
    assert not taken[3]


def test_the_choice_is_spread_and_not_a_prefix():
    counts = np.ones((1000, 1), dtype=np.int64)
    chosen = np.flatnonzero(deal(named(1000), counts, np.array([200.0]), 42))
    assert len(chosen) == 200
    quarters = np.histogram(chosen, bins=4, range=(0, 1000))[0]
    assert quarters.min() > 30


def test_new_groups_change_few_of_the_others():
    few = deal(named(1000), np.ones((1000, 1), dtype=np.int64), np.array([200.0]), 42)
    more = deal(named(1010), np.ones((1010, 1), dtype=np.int64), np.array([202.0]), 42)
    assert (few != more[:1000]).sum() <= 10


def test_nothing_to_deal():
    assert deal([], np.zeros((0, 2)), np.array([3.0, 1.0]), 42).tolist() == []
    assert deal(["a"], np.ones((1, 1)), np.array([np.nan]), 42).tolist() == [False]
