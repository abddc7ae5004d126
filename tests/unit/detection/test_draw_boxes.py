"""Annotated pictures: where lines and labels are, measured in the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from detectnet.detection.draw import OUTCOME_COLOURS, annotate

RED = (200, 10, 10)


def painted(rgb, colour):
    """Bounding x1, y1, x2, y2 (inclusive) of the pixels of a colour."""
    rows, columns = np.nonzero((rgb == colour).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_a_box_is_outlined_where_it_is_and_the_picture_is_not_changed():
    picture = np.full((100, 200, 3), 50, np.uint8)
    made = annotate(picture, np.array([[20.0, 30, 80, 60]]), colours=RED, linewidth=1)
    assert painted(made, RED) == (20, 30, 80, 60)
    assert (made[31:60, 21:80] == 50).all()
    assert (picture == 50).all()


@pytest.mark.parametrize("size", [(240, 160), (640, 640), (1920, 1080)])
def test_lines_and_letters_grow_with_the_picture_and_stay_in_it(size):
    width, height = size
    box = np.array([[0.6, 0.5, 0.7, 0.6]]) * [width, height, width, height]
    made = annotate(np.zeros((height, width, 3), np.uint8), box, ["plate 0.93"], RED)
    x1, y1, x2, _ = painted(made, RED)
    label = made[y1 : int(box[0, 1]) - 5, x1:x2]
    assert max(10, max(size) / 45) <= box[0, 1] - y1 <= max(20, max(size) / 25)
    assert (label == 255).all(axis=2).any() or (label > 200).all(axis=2).any(), (
        "light letters on a dark ground"
    )


@pytest.mark.parametrize("box", [(0, 0, 60, 12), (560, 2, 639, 30), (600, 620, 639, 639), (-20, -20, 30, 30)])
def test_labels_of_boxes_at_the_edges_are_whole(box):
    blank = np.zeros((640, 640, 3), np.uint8)
    middle = annotate(blank, np.array([[300.0, 300, 360, 312]]), ["plate 0.93"], RED, linewidth=1)
    edge = annotate(blank, np.array([box], dtype=float), ["plate 0.93"], RED, linewidth=1)
    # Green is in the letters only.
    assert (edge[..., 1] > 128).sum() == (middle[..., 1] > 128).sum() > 100


def test_each_box_has_its_own_colour():
    made = annotate(
        np.zeros((100, 100, 3), np.uint8),
        np.array([[5.0, 5, 30, 30], [50, 50, 80, 80]]),
        colours=[OUTCOME_COLOURS["hit"], OUTCOME_COLOURS["false"]],
    )
    assert tuple(made[5, 10]) == OUTCOME_COLOURS["hit"]
    assert tuple(made[50, 60]) == OUTCOME_COLOURS["false"]


def test_no_boxes_leave_the_picture_as_it_is():
    picture = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(annotate(picture, np.zeros((0, 4))), picture)
