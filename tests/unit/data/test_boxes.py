"""Boxes against a scalar reading of the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectnet.data import boxes

corners = st.floats(-50, 700, allow_nan=False, width=32)
some_boxes = st.integers(0, 5).flatmap(lambda count: arrays(np.float64, (count, 4), elements=corners))


def scalar_iou(a, b, more):
    """Intersection over union of two boxes, written with max() and min() only."""

    def side(low, high):
        return max(0.0, high - low + more)

    both = side(max(a[0], b[0]), min(a[2], b[2])) * side(max(a[1], b[1]), min(a[3], b[3]))
    either = side(a[0], a[2]) * side(a[1], a[3]) + side(b[0], b[2]) * side(b[1], b[3]) - both
    return both / either if either > 0 else 0.0


@given(some_boxes, some_boxes, st.booleans())
def test_iou_is_the_scalar_definition(a, b, inclusive):
    found = boxes.iou(a, b, inclusive)
    assert found.shape == (len(a), len(b))
    expected = [[scalar_iou(one, other, int(inclusive)) for other in b] for one in a]
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), rtol=1e-12, atol=1e-12)


def test_iou_worked_by_hand():
    a = np.array([[0.0, 0.0, 10.0, 10.0]])
    b = np.array([[5.0, 0.0, 15.0, 10.0], [20.0, 20.0, 30.0, 30.0], [0.0, 0.0, 10.0, 10.0]])
    np.testing.assert_allclose(boxes.iou(a, b), [[50 / 150, 0, 1]])
    # one pixel more on each side: 6 x 11 shared of 2 x 121 - 66
    np.testing.assert_allclose(boxes.iou(a, b[:1], inclusive=True), [[66 / 176]])


def test_boxes_that_touch_share_an_edge_only_when_inclusive():
    left, right = np.array([[0.0, 0.0, 4.0, 4.0]]), np.array([[4.0, 0.0, 8.0, 4.0]])
    assert boxes.iou(left, right)[0, 0] == 0
    assert boxes.iou(left, right, inclusive=True)[0, 0] == pytest.approx(5 / 45)


@given(some_boxes, st.integers(1, 640), st.integers(1, 640))
def test_clip_is_numpy_clip_of_each_side(some, width, height):
    found = boxes.clip(some, width, height)
    np.testing.assert_array_equal(found[:, 0::2], np.clip(some[:, 0::2], 0, width))
    np.testing.assert_array_equal(found[:, 1::2], np.clip(some[:, 1::2], 0, height))


def test_clip_keeps_float32():
    assert boxes.clip(np.zeros((2, 4), np.float32), 10, 10).dtype == np.float32


@pytest.mark.parametrize(
    ("box", "minimum", "expected"),
    [
        ((0, 0, 1, 1), 1, True),
        ((0, 0, 0.99, 5), 1, False),
        ((0, 0, 0.5, 5), 0, True),
        ((3, 3, 3, 5), 0, False),
        ((5, 0, 3, 5), 0, False),
        ((0, 0, np.nan, 5), 0, False),
        ((0, 0, np.inf, 5), 0, False),
    ],
)
def test_valid(box, minimum, expected):
    assert boxes.valid(np.array(box, dtype=float), minimum) == expected


@given(some_boxes)
def test_valid_truncated_is_nvidias_rule(some):
    expected = [int(x1) < int(x2) and int(y1) < int(y2) for x1, y1, x2, y2 in some]
    assert boxes.valid_truncated(some).tolist() == expected


def test_area_without_extent_is_zero():
    assert boxes.area(np.array([[5.0, 5.0, 3.0, 9.0], [0.0, 0.0, 2.0, 3.0]])).tolist() == [0, 6]
