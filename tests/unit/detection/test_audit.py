"""Suspicions about labels, each kind on pictures made by hand."""

import numpy as np
import pytest

from detectnet.detection.audit import COLUMNS, Twins, audit, offsets
from detectnet.detection.detections import Detections
from detectnet.detection.scoring import Picture

LABEL = (100.0, 100.0, 140.0, 120.0)


def picture(name, truth=(), found=(), source="src", kind="plate"):
    """``found``: (box, confidence)."""
    boxes = np.array([box for box, _ in found], dtype=np.float64).reshape(-1, 4)
    confidence = np.array([value for _, value in found], dtype=np.float64)
    detections = Detections(boxes, confidence, confidence, np.ones(len(found), np.int64))
    truth = np.array(truth, dtype=np.float64).reshape(-1, 4)
    return Picture(f"images/{name}", source, {kind: truth}, {"tlt": {kind: detections}})


def right(count=8, confidence=2.0):
    """Pictures whose label is found exactly: what makes a confidence a certainty."""
    return [picture(f"right{index}", [LABEL], [(LABEL, confidence)]) for index in range(count)]


def table(pictures, **options):
    folds = {(one.source, one.frame_id): "training" for one in pictures}
    return audit(pictures, folds, **options)


def only(found, kind):
    assert found["kind"].tolist() == [kind]
    return found.iloc[0]


def test_agreement_is_no_suspicion():
    found = table(right())
    assert len(found) == 0
    assert found.columns.tolist() == list(COLUMNS)


def test_a_confident_detection_without_a_label_is_missed():
    """Eight of nine detections of this confidence are right, so it is certain to 8/9."""
    box = (300.0, 300.0, 340.0, 312.0)
    row = only(table([*right(), picture("bare", [], [(box, 2.0)])]), "missed")
    assert (
        tuple(row[["x1", "y1", "x2", "y2"]])
        == tuple(row[["found_x1", "found_y1", "found_x2", "found_y2"]])
        == box
    )
    assert (row.image, row.source, row.fold, row["class"]) == ("images/bare", "src", "training", "plate")
    assert (row.score, row.confidence, row.iou) == (pytest.approx(8 / 9), 2.0, 0.0)


def test_certainty_is_the_share_that_is_right_at_a_confidence():
    """At 1.0 one of four is right: not certain, although 9 of the 12 from there up are."""
    box = (300.0, 300.0, 340.0, 312.0)
    low = [picture(f"low{index}", [], [(box, 1.0)]) for index in range(3)]
    assert len(table([*right(), picture("x", [LABEL], [(LABEL, 1.0)]), *low])) == 0


def test_a_detection_of_a_part_or_in_an_ignored_region_is_not_missed():
    inside = picture("part", [LABEL], [((102.0, 102.0, 112.0, 112.0), 2.0), (LABEL, 2.0)])
    ignored = picture("ignored", [], [((300.0, 300.0, 340.0, 312.0), 2.0)])
    regions = {("src", "images/ignored"): np.array([[290.0, 290.0, 350.0, 320.0]])}
    assert len(table([*right(), inside, ignored], ignored=regions)) == 0


def test_a_label_twice_as_large_is_loose_and_its_sides_are_named():
    """The IoU is 0.5; the label has 10 px more on the left and on the right."""
    label = (90.0, 100.0, 130.0, 120.0)
    row = only(table([*right(), picture("wide", [label], [((100.0, 100.0, 120.0, 120.0), 2.0)])]), "loose")
    assert tuple(row[["x1", "y1", "x2", "y2"]]) == label
    assert (row.iou, row.score) == (0.5, pytest.approx(0.5))
    assert row.detail == "label's left 10 px outside, right 10 px outside"


def test_a_label_beside_the_detection_is_shifted():
    """28 of 52 columns are shared."""
    found = (112.0, 100.0, 152.0, 120.0)
    row = only(table([*right(), picture("beside", [LABEL], [(found, 2.0)])]), "shifted")
    assert row.iou == pytest.approx(28 / 52)
    assert row.detail == "label's left 12 px outside, right 12 px inside"


def test_a_second_detection_that_agrees_settles_it():
    both = [((112.0, 100.0, 152.0, 120.0), 2.0), ((101.0, 100.0, 140.0, 120.0), 0.1)]
    assert len(table([*right(), picture("settled", [LABEL], both)])) == 0


def test_a_wide_label_that_nothing_finds_is_spurious():
    """Eight of the nine labels of this width are found."""
    row = only(table([*right(), picture("none", [LABEL], [])]), "spurious")
    assert row.score == pytest.approx(8 / 9)
    assert np.isnan(row.confidence) and np.isnan(row.found_x1)
    faint = picture("faint", [LABEL], [((120.0, 100.0, 200.0, 140.0), 0.01)])
    assert len(table([*right(), faint])) == 0
    assert len(table([*right(), picture("narrow", [(0.0, 0.0, 19.0, 9.0)], [])])) == 0


def test_a_label_under_eight_pixels_is_tiny():
    row = only(table([*right(), picture("dot", [(10.0, 10.0, 16.0, 13.0)], [])]), "tiny")
    assert (row.score, row.detail) == (0.25, "6.0 px wide")


def twins(mirrored=False):
    return [Twins(("src", "images/right0"), ("src", "images/twin"), mirrored, 0.8)]


def test_near_duplicates_must_be_labelled_alike():
    sizes = {("src", "images/right0"): (640, 480), ("src", "images/twin"): (320, 240)}
    pictures = [*right(), picture("twin")]
    row = only(table(pictures, twins=twins(), sizes=sizes), "duplicate")
    assert (row.image, row.score) == ("images/twin", 0.8)
    assert tuple(row[["x1", "y1", "x2", "y2"]]) == (50, 50, 70, 60)
    assert row.detail == "labelled in images/right0 of src"
    same = [*right(), picture("twin", [(50.0, 51.0, 70.0, 60.0)], [((50.0, 51.0, 70.0, 60.0), 2.0)])]
    assert len(table(same, twins=twins(), sizes=sizes)) == 0


def test_the_place_is_mirrored_in_a_mirrored_twin():
    sizes = dict.fromkeys([("src", "images/right0"), ("src", "images/twin")], (640, 480))
    row = only(table([*right(), picture("twin")], twins=twins(True), sizes=sizes), "duplicate")
    assert tuple(row[["x1", "y1", "x2", "y2"]]) == (500, 100, 540, 120)


def test_twins_of_which_no_label_agrees_say_nothing():
    """A car that drove on between two frames."""
    sizes = dict.fromkeys([("src", "images/right0"), ("src", "images/twin")], (640, 480))
    moved = picture("twin", [(200.0, 200.0, 240.0, 220.0)], [((200.0, 200.0, 240.0, 220.0), 2.0)])
    assert len(table([*right(), moved], twins=twins(), sizes=sizes)) == 0


def test_the_order_of_the_pictures_does_not_matter():
    box = (300.0, 300.0, 340.0, 312.0)
    pictures = [
        *right(),
        picture("b", [], [(box, 2.0)]),
        picture("a", [], [(box, 2.0)]),
        picture("c", [LABEL]),
    ]
    found = table(pictures)
    assert found["image"].tolist() == ["images/a", "images/b", "images/c"]
    assert found.equals(table(pictures[::-1]))


def test_the_offset_of_each_source_is_the_median():
    """Detections of 0.8 and 1.0 of the labels' width in one source, all exact in the other."""
    narrow = [
        picture(f"n{index}", [LABEL], [((100.0, 100.0, 100.0 + width, 122.0), 2.0)], source="tight")
        for index, width in enumerate((32.0, 32.0, 40.0))
    ]
    made = offsets([*right(3), *narrow]).set_index("source")
    assert made.loc["src", ["labels", "width", "height", "right", "down"]].tolist() == [3, 1, 1, 0, 0]
    # 32 of 40 px: the centre lies 4 px, a tenth of the width, to the left; 22 of 20 px: 1 px lower
    assert made.loc["tight"].tolist() == ["plate", 3, 0.8, 1.1, -0.1, 0.05]


def test_pictures_without_labels_and_detections_are_fine():
    assert len(table([picture("empty")])) == 0
    assert len(offsets([picture("empty")])) == 0
