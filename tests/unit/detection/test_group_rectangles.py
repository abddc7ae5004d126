"""groupRectangles equals OpenCV 4, whose results were recorded once; OpenCV 5 dropped the function."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detectnet.detection.grouping import NO_GROUP, group_rectangles

RECORDED = json.loads(Path(__file__).with_name("group_rectangles.json").read_text())


def of(case):
    rectangles = np.array(case["rectangles"], dtype=np.int64).reshape(-1, 4)
    return group_rectangles(rectangles, case["threshold"], case["eps"])


def test_the_recorded_cases_are_those_of_opencv_4():
    assert RECORDED["opencv"].startswith("4.")
    assert sum(len(case["found"]) for case in RECORDED["cases"] if case["threshold"]) > 40


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: f"{case['threshold']}-{case['eps']}")
def test_groups_and_their_sizes_are_those_of_opencv(case):
    made, group = of(case)
    assert made.tolist() == case["found"]
    assert np.bincount(group[group != NO_GROUP], minlength=len(made)).tolist() == case["weights"]


def test_a_small_group_within_a_larger_one_is_dropped():
    # Five of 100 px and two of 20 px in the middle of them; outside, two are enough.
    large, small, apart = [[0, 0, 100, 100]] * 5, [[40, 40, 20, 20]] * 2, [[300, 300, 20, 20]] * 2
    made, group = group_rectangles(np.array(large + small + apart), 1, 0.2)
    assert made.tolist() == [[0, 0, 100, 100], [300, 300, 20, 20]]
    assert group.tolist() == [0] * 5 + [NO_GROUP] * 2 + [1] * 2


def test_similarity_is_passed_on():
    # 100 x 100 at eps 0.1: edges within 10 px; 0, 9, 18 are one group.
    chain = np.array([[0, 0, 100, 100], [18, 0, 100, 100], [9, 0, 100, 100]])
    assert group_rectangles(chain, 1, 0.1)[0].tolist() == [[9, 0, 100, 100]]
    assert len(group_rectangles(chain[:2], 1, 0.1)[0]) == 0
