"""DeepStream's settings chosen on planted candidates, whose best settings are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.detection.choosing import AXES, SWEEPING_POST, Bench
from detectnet.detection.deepstream_views import Decoded
from detectnet.detection.goals import Goal
from detectnet.detection.scoring import Picture

PLATE = np.array([100.0, 100, 160, 120])


def moved(right, down=0):
    """The plate somewhere else; a third of its width beside it its IoU with the other is 1/2."""
    return PLATE + np.array([right, down, right, down])


def scene(name, truth, candidates):
    """A picture with truth boxes and candidates (coverage, box) of the class plate."""
    boxes = np.array([box for _, box in candidates], dtype=float).reshape(-1, 4)
    coverage = np.array([sure for sure, _ in candidates], dtype=float)
    truth = {"plate": np.array(truth, dtype=float).reshape(-1, 4)}
    return Picture(name, "s", truth, {}), Decoded({"plate": (boxes, coverage)}, (1.0, 1.0))


def bench(*scenes, neutral=0.0):
    pictures, decoded = zip(*scenes, strict=True)
    return Bench(pictures, decoded, ("plate",), neutral)


def chosen(made, goal="f1", modes=tuple(AXES)):
    choice = made.choose(np.full(len(made.pictures), True), Goal.parse(goal), modes)
    return choice, choice.settings["plate"]


def lone(coverage, place=400.0):
    return (coverage, [place, 300, place + 50, 320])


def test_the_overlap_of_nms_and_the_threshold_are_found():
    # Two plates overlap with IoU 1/2, and a double of a third one with 50/70: the right overlap is between.
    double = moved(10)
    near = scene("near", [PLATE, moved(20)], [(0.9, PLATE), (0.8, moved(20)), lone(0.3)])
    twice = scene("twice", [PLATE], [(0.7, PLATE), (0.6, double), lone(0.25)])
    choice, own = chosen(bench(near, twice))
    assert choice.mode == "nms" and choice.worth == 1.0
    assert 0.5 <= own.nms_iou_threshold < 50 / 70
    assert 0.3 < own.pre_cluster_threshold < 0.7 and own.post_cluster_threshold == 0.0


def test_dbscan_wins_where_false_alarms_are_surer_but_alone():
    shifted = [moved(step) for step in (-3, 0, 3)]
    scenes = [
        scene(f"{k}", [PLATE], [*((0.4, box) for box in shifted), lone(0.9, 300.0 + 40 * k)])
        for k in range(4)
    ]
    choice, own = chosen(bench(*scenes))
    assert choice.mode == "dbscan" and choice.worth == 1.0
    assert 2 <= own.min_boxes <= 3 and own.pre_cluster_threshold <= 0.4
    assert own.post_cluster_threshold < 0.4
    # What can be done without DBSCAN: one false alarm for each plate.
    assert chosen(bench(*scenes), modes=["nms"])[0].worth == pytest.approx(2 * 4 / (4 + 8))


def test_where_all_modes_are_as_good_the_simplest_is_taken():
    choice, own = chosen(bench(scene("one", [PLATE], [(0.9, PLATE), lone(0.2)])))
    assert choice.mode == "nms" and own.topk == -1


def test_clutter_below_the_best_of_a_picture_is_left_to_topk():
    # The sure plate of one picture is beside a false alarm that is surer than the plate of the other.
    sure = scene("sure", [PLATE], [(0.9, PLATE), lone(0.5)])
    unsure = scene("unsure", [PLATE], [(0.4, PLATE)])
    choice, own = chosen(bench(sure, unsure), modes=["nms"])
    assert (choice.worth, own.topk) == (1.0, 1)
    # As soon as a picture has two plates, two are left: topk costs no object.
    both = scene("both", [PLATE, PLATE + 200], [(0.9, PLATE), (0.8, PLATE + 200)])
    choice, own = chosen(bench(sure, unsure, both), modes=["nms"])
    assert own.topk in (-1, 2) and choice.worth == pytest.approx(2 * 4 / (5 + 4))


def test_narrow_plates_are_neither_hit_nor_missed():
    narrow = [200.0, 200, 210, 204]
    scenes = [scene("a", [PLATE], [(0.9, PLATE)]), scene("b", [narrow], [(0.8, narrow)])]
    made = bench(*scenes, neutral=20.0)
    choice, _ = chosen(made)
    found = made.figures(made.shown(choice))
    assert choice.worth == found["f1"] == 1.0 and found["recall"] == 1.0


def test_goals_trade_precision_for_recall():
    found = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False), (0.4, False), (0.3, True)]
    scenes = [
        scene(f"{k}", [PLATE] if right else [], [(sure, PLATE)]) for k, (sure, right) in enumerate(found)
    ]
    made = bench(*scenes)
    for goal, precision, recall in (("precision=1", 1.0, 0.5), ("recall=1", 4 / 7, 1.0), ("f1", 0.75, 0.75)):
        choice, _ = chosen(made, goal)
        measured = made.figures(made.shown(choice))
        assert (measured["precision"], measured["recall"]) == (pytest.approx(precision), recall)
    assert measured["false_alarms_per_image"] == pytest.approx(1 / 3)
    assert (measured["images"], measured["images_without_objects"]) == (7, 3)


def test_without_anything_to_find_nvinfer_s_threshold_stays():
    for scenes in ([scene("a", [], [lone(0.9)])], [scene("a", [PLATE], [])]):
        for mode in AXES:
            choice, own = chosen(bench(*scenes), modes=[mode])
            assert choice.worth == 0.0 and own.pre_cluster_threshold == 0.2


def test_each_class_has_its_own_threshold_and_one_mode():
    boxes, nothing = PLATE[None], np.zeros((0, 4))
    pictures, decoded = [], []
    for k, (plate, car, wrong) in enumerate([(0.9, 0.3, 0.6), (0.8, 0.4, 0.5)]):
        pictures += [
            Picture(f"{k}", "s", {"plate": boxes, "car": boxes}, {}),
            Picture(f"{k}x", "s", {"plate": nothing, "car": nothing}, {}),
        ]
        decoded += [
            Decoded({"plate": (boxes, np.array([plate])), "car": (boxes, np.array([car]))}, (1.0, 1.0)),
            Decoded({"plate": (boxes, np.array([wrong])), "car": (nothing, np.zeros(0))}, (1.0, 1.0)),
        ]
    made = Bench(pictures, decoded, ("plate", "car"), 0.0)
    choice = made.choose(np.full(4, True), Goal())
    assert choice.worth == 1.0 and choice.mode == "nms"
    assert 0.6 < choice.settings["plate"].pre_cluster_threshold < 0.8
    assert choice.settings["car"].pre_cluster_threshold < 0.3
    written = choice.to_json()
    assert {name: one["cluster_mode"] for name, one in written.items()} == {"plate": 2, "car": 2}


boxes_of_one = st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(2, 100))


@given(
    st.lists(st.tuples(st.booleans(), st.lists(boxes_of_one, max_size=12)), min_size=2, max_size=5),
    st.sampled_from(sorted(AXES)),
)
@settings(max_examples=60)
def test_the_settings_give_the_figures_that_they_were_chosen_for(pictures, mode):
    # Thresholds and topk are read off one clustering; here they cut before and after it, as nvinfer has it.
    scenes = [
        scene(
            f"{k}",
            [PLATE] if truth else [],
            [(sure / 100, moved(4 * x - 24, 3 * y)) for x, y, sure in found],
        )
        for k, (truth, found) in enumerate(pictures)
    ]
    made = bench(*scenes)
    choice, own = chosen(made, modes=[mode])
    measured = made.figures(made.shown(choice))
    assert (measured["f1"] or 0.0) == pytest.approx(choice.worth)
    if mode not in SWEEPING_POST:
        assert own.post_cluster_threshold == 0.0
