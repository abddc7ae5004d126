"""The two halves of a cross-fitted threshold: no group torn, every source and the empty pictures in both."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.detection.operating import at_thresholds, halves
from detectnet.detection.scoring import Picture, Scored


def pictures_of(source, count, empty=()):
    box = np.array([[0.0, 0, 30, 10]])
    return [
        Picture(f"{index:03d}", source, {"plate": box[:0] if index in empty else box}, {})
        for index in range(count)
    ]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 6))
@settings(max_examples=60)
def test_groups_stay_whole_and_halves_are_even(numbers, unseen):
    seen = pictures_of("a", len(numbers))
    groups = {("a", one.frame_id): f"g{number}" for one, number in zip(seen, numbers, strict=True) if number}
    made = halves(seen, groups, pictures_of("b", unseen))
    assert len(made) == len(seen) + unseen and set(made.tolist()) <= {0, 1}
    sizes = Counter(number for number in numbers if number)
    for number in sizes:
        assert len({half for half, one in zip(made, numbers) if one == number}) == 1
    largest = max([*sizes.values(), 1])
    assert abs(2 * made[: len(seen)].sum() - len(seen)) <= largest
    assert abs(2 * made[len(seen) :].sum() - unseen) <= 1


def test_each_source_and_its_empty_pictures_are_in_both_and_unseen_ones_change_nothing():
    seen = [*pictures_of("a", 20, empty=range(0, 8)), *pictures_of("b", 9)]
    made = halves(seen, {})
    for chosen in (slice(0, 8), slice(8, 20), slice(20, 29)):
        assert abs(2 * made[chosen].sum() - (chosen.stop - chosen.start)) <= 1
    more = halves(seen, {}, [Picture(f"x{k}", "a", {"plate": np.zeros((0, 4))}, {}) for k in range(7)])
    assert more[: len(seen)].tolist() == made.tolist()
    assert abs(2 * more[len(seen) :].sum() - 7) <= 1


def test_every_picture_is_held_against_its_own_threshold():
    # Three pictures: a hit .6 and a false .3; a false .5 on an empty one; one of two plates hit at .4.
    scored = Scored(
        np.array([0.6, 0.3, 0.5, 0.4]),
        np.array([True, False, False, True]),
        np.array([0, 0, 1, 2]),
        np.array([1, 0, 2]),
        (),
        (),
    )
    empty = np.array([False, True, False])
    assert at_thresholds([scored], empty, np.array([0.5, 0.5, 0.5])) == {
        **{"precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5, "false_alarms_per_image": 1.0}
    }
    assert at_thresholds([scored], empty, np.array([0.2, 0.9, 0.4])) == {
        **{"precision": 2 / 3, "recall": 2 / 3, "f1": 4 / 6, "false_alarms_per_image": 0.0}
    }
    assert at_thresholds([scored], empty[[0, 0, 0]], np.ones(3)) == {
        **{"precision": None, "recall": 0.0, "f1": 0.0, "false_alarms_per_image": None}
    }
