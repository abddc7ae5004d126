"""Two evaluations compared: hand-worked differences, a slow paired bootstrap, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import compare_detectors
from detectnet.detection.comparison import compare
from detectnet.errors import UserError

PICTURES = [("far", "images/0"), ("far", "007"), ("near", "images/0"), ("near", "NA")]
BOXES = {
    ("far", "images/0"): [(0, 0, 40, 20), (100, 0, 112, 6)],
    ("far", "007"): [(0, 0, 60, 30)],
    ("near", "images/0"): [(10, 10, 50, 30)],
}
BETTER = [
    ("far", "images/0", 0.9, (0, 0, 40, 20)),
    ("far", "007", 0.8, (0, 0, 60, 30)),
    ("near", "NA", 0.7, (0, 0, 30, 30)),
    ("near", "images/0", 0.6, (10, 10, 50, 30)),
]
WORSE = [
    ("far", "images/0", 0.5, (0, 0, 30, 20)),  # IoU 0.75
    ("far", "007", 0.4, (0, 0, 60, 19)),  # IoU 0.63
    ("near", "NA", 0.8, (0, 0, 30, 30)),
    ("near", "NA", 0.2, (0, 0, 30, 30)),
]


def evaluation(folder, found, pictures=PICTURES, boxes=BOXES, neutral=20.0):
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps({"minimum_width_neutral": neutral}))
    listed = [(image, source, 1, len(boxes.get((source, image), ()))) for source, image in pictures]
    pd.DataFrame(listed, columns=["image", "source", "half", "objects"]).to_csv(
        folder / "pictures.csv", index=False
    )
    edges = ["x1", "y1", "x2", "y2"]
    truth = [(image, source, "plate", *box) for (source, image), own in boxes.items() for box in own]
    truth = pd.DataFrame(truth, columns=["image", "source", "class", *edges])
    truth.assign(outcome="missed", confidence="").to_csv(folder / "ground_truth.csv", index=False)
    rows = [(image, source, "plate", confidence, *box) for source, image, confidence, box in found]
    rows = pd.DataFrame(rows, columns=["image", "source", "class", "confidence", *edges])
    rows.assign(outcome="fp", iou=0.0).to_csv(folder / "detections.csv", index=False)
    return folder


@pytest.fixture
def two(tmp_path):
    return evaluation(tmp_path / "a", BETTER), evaluation(tmp_path / "b", WORSE)


def at(table, source, iou):
    (row,) = table[(table["source"] == source) & (table["iou"] == iou)].to_dict("records")
    return row


def test_average_precision_and_differences_worked_by_hand(two):
    table = compare(*two)
    assert table["source"].tolist() == ["all", "far", "near"] * 2
    every = at(table, "all", 0.5)
    # A: hits .9 and .8, false .7, hit .6 of three plates. B: false .8, hits .5 and .4, false .2.
    assert (every["images"], every["objects"]) == (4, 3)
    assert every["A"] == pytest.approx(2 / 3 + 1 / 3 * 3 / 4)
    assert every["B"] == pytest.approx(2 / 3 * 2 / 3)
    assert every["difference"] == pytest.approx(every["B"] - every["A"])
    assert (at(table, "far", 0.5)["A"], at(table, "far", 0.5)["B"]) == (1.0, 1.0)
    assert (at(table, "far", 0.5)["low"], at(table, "far", 0.5)["share_B_worse"]) == (0.0, 0.0)
    assert (at(table, "far", 0.7)["A"], at(table, "far", 0.7)["B"]) == (1.0, 0.5)
    assert (at(table, "near", 0.5)["A"], at(table, "near", 0.5)["B"]) == (0.5, 0.0)


def test_the_neutral_width_is_that_of_the_evaluations_or_the_one_given(two):
    assert at(compare(*two, minimum_width=0), "all", 0.5)["objects"] == 4
    assert at(compare(*two, minimum_width=45), "all", 0.5)["objects"] == 1


def slow(found, times):
    """AP at IoU 0.5 of a resample; every detection of a plate of this set is a hit of it."""
    drawn = [
        one for (key, often) in zip(PICTURES, times) for one in found if one[:2] == key for _ in range(often)
    ]
    drawn.sort(key=lambda one: -one[2])
    hit = np.array([one[:2] in BOXES for one in drawn], dtype=float)
    truths = sum(often for key, often in zip(PICTURES, times) if key in BOXES)
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    best = [precision[k:].max() for k in range(len(hit))]
    return float(hit @ best) / truths if truths else np.nan


def test_the_interval_is_that_of_a_slow_paired_bootstrap(two):
    row = at(compare(*two), "all", 0.5)
    # Sorted by source and image, as the evaluation has them: far/007 first.
    order = sorted(range(4), key=lambda index: PICTURES[index])
    drawn = np.random.default_rng(0).multinomial(4, np.full(4, 1 / 4), size=1000)
    differences = []
    for times in drawn:
        own = np.zeros(4, int)
        own[order] = times
        differences.append(slow(WORSE, own) - slow(BETTER, own))
    differences = np.array(differences)
    differences = differences[np.isfinite(differences)]
    assert (row["low"], row["high"]) == pytest.approx(np.percentile(differences, [2.5, 97.5]).tolist())
    assert row["share_B_worse"] == pytest.approx((differences < 0).mean())


def test_a_detector_is_not_worse_than_itself(two):
    table = compare(two[0], two[0])
    assert (table[["difference", "low", "high", "share_B_worse"]] == 0).all().all()


def test_a_source_without_objects_has_no_figures(tmp_path):
    boxes = {key: own for key, own in BOXES.items() if key[0] == "far"}
    sides = [evaluation(tmp_path / name, found, boxes=boxes) for name, found in (("a", BETTER), ("b", WORSE))]
    row = at(compare(*sides), "near", 0.5)
    assert (row["images"], row["objects"]) == (2, 0)
    assert np.isnan([row[name] for name in ("A", "B", "difference", "low", "high", "share_B_worse")]).all()


def test_the_script_writes_the_table(two, tmp_path):
    out = tmp_path / "table.csv"
    compare_detectors.main(compare_detectors.arguments().parse_args([*map(str, two), "--out", str(out)]))
    written = pd.read_csv(out)
    expected = compare(*two)
    assert list(written) == [
        *("source", "iou", "images", "objects", "A", "B"),
        *("difference", "low", "high", "share_B_worse"),
    ]
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)


def test_other_pictures_or_labels_are_refused(two, tmp_path):
    fewer = evaluation(tmp_path / "fewer", WORSE, pictures=PICTURES[:3])
    with pytest.raises(UserError, match=r"different pictures: 1 rows.*near NA") as raised:
        compare(two[0], fewer)
    assert str(two[0] / "pictures.csv") in str(raised.value)
    moved = BOXES | {("far", "007"): [(0, 0, 60, 31)]}
    with pytest.raises(UserError, match=r"ground truth of the two evaluations differs: 2 rows.*far 007"):
        compare(two[0], evaluation(tmp_path / "moved", WORSE, boxes=moved))
    with pytest.raises(UserError, match=r"below 20 px in one and below 8 px in the other.*--minimum-width"):
        compare(two[0], evaluation(tmp_path / "other", WORSE, neutral=8.0))
    twice = BOXES | {("far", "007"): [(0, 0, 60, 30)] * 2}
    listed = evaluation(tmp_path / "twice", WORSE, boxes=twice)
    (listed / "pictures.csv").write_text((two[0] / "pictures.csv").read_text())
    with pytest.raises(UserError, match="ground truth of the two evaluations differs: 1 rows"):
        compare(two[0], listed)


def test_folders_that_are_no_new_evaluation_are_refused(two, tmp_path):
    (two[1] / "pictures.csv").unlink()
    with pytest.raises(UserError, match=r"pictures\.csv.*does not exist|does not exist.*made anew"):
        compare(*two)
    (two[1] / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match="older version"):
        compare(*two)
    empty = [evaluation(tmp_path / name, [], boxes={}) for name in ("c", "d")]
    with pytest.raises(UserError, match="no ground truth to compare on"):
        compare(*empty)
