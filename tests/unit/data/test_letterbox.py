"""The letterbox rule against sizes worked by hand, OpenCV itself and properties of its boxes."""

import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet.data.letterbox import letterbox, letterbox_geometry
from detectnet.errors import UserError

sides = st.integers(1, 5000)


@pytest.mark.parametrize(
    ("picture", "network", "scaled"),
    [
        ((1280, 720), (640, 640), (640, 360)),
        ((1920, 1080), (640, 640), (640, 360)),
        ((720, 1280), (640, 640), (360, 640)),
        ((640, 640), (640, 640), (640, 640)),
        ((359, 284), (640, 640), (640, 506)),  # 506.29...
        ((918, 1632), (640, 640), (360, 640)),
        ((1001, 667), (640, 640), (640, 426)),  # 426.45...
        ((1000, 999), (640, 640), (640, 639)),  # 639.36: truncated, not rounded up to a square
        ((1024, 683), (640, 640), (640, 426)),  # 426.875: truncated, not 427
        ((49, 49), (640, 640), (640, 640)),  # 49 * (640 / 49) is below 640 in floating point
        ((100, 100), (960, 544), (544, 544)),
        ((1920, 1080), (960, 544), (960, 540)),
        ((1280, 720), (320, 640), (320, 180)),
        ((10, 5000), (640, 640), (1, 640)),
        ((5000, 2), (640, 640), (640, 1)),  # 0.256: never without pixels
    ],
)
def test_sizes_worked_by_hand(picture, network, scaled):
    geometry = letterbox_geometry(*picture, *network)
    assert (geometry.width, geometry.height) == scaled
    assert (geometry.scale_x, geometry.scale_y) == (scaled[0] / picture[0], scaled[1] / picture[1])


@given(sides, sides, st.integers(16, 1280), st.integers(16, 1280))
def test_picture_fits_and_fills_one_side(width, height, net_width, net_height):
    geometry = letterbox_geometry(width, height, net_width, net_height)
    assert 1 <= geometry.width <= net_width
    assert 1 <= geometry.height <= net_height
    assert geometry.width == net_width or geometry.height == net_height
    exact = min(Fraction(net_width, width), Fraction(net_height, height))
    assert geometry.width == max(1, math.floor(width * exact))
    assert geometry.height == max(1, math.floor(height * exact))


@pytest.mark.parametrize("name", ["linear", "area", "nearest"])
@pytest.mark.parametrize("size", [(1000, 601), (601, 1000), (120, 90)])
def test_pixels_are_opencvs_at_the_top_left_and_zero_beyond(name, size):
    width, height = size
    rgb = np.random.default_rng(0).integers(1, 256, (height, width, 3), dtype=np.uint8)
    padded, geometry = letterbox(rgb, 320, 256, name)
    flag = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "nearest": cv2.INTER_NEAREST}[name]
    truth = cv2.resize(rgb, (geometry.width, geometry.height), interpolation=flag)
    assert padded.shape == (256, 320, 3)
    assert padded.dtype == np.uint8
    np.testing.assert_array_equal(padded[: geometry.height, : geometry.width], truth)
    assert not padded[geometry.height :].any()
    assert not padded[:, geometry.width :].any()


def test_a_drawn_rectangle_lies_where_forward_says():
    rgb = np.zeros((750, 1000, 3), dtype=np.uint8)
    rgb[300:450, 200:500] = 255
    padded, geometry = letterbox(rgb, 640, 640, "area")
    rows, columns = np.nonzero(padded[..., 0] > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(geometry.forward(np.array([[200.0, 300, 500, 450]])), [seen], atol=0.5)


@given(sides, sides, st.lists(st.tuples(*[st.floats(-100, 5000)] * 4), max_size=4))
def test_inverse_undoes_forward(width, height, rows):
    geometry = letterbox_geometry(width, height, 640, 384)
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    np.testing.assert_allclose(geometry.inverse(geometry.forward(boxes)), boxes, rtol=1e-12, atol=1e-9)


@given(sides, sides)
def test_the_whole_picture_becomes_the_whole_scaled_picture(width, height):
    geometry = letterbox_geometry(width, height, 640, 384)
    corner = geometry.forward(np.array([[0, 0, width, height]]))
    np.testing.assert_allclose(corner, [[0, 0, geometry.width, geometry.height]], rtol=1e-12)


def test_float32_boxes_stay_float32():
    geometry = letterbox_geometry(1000, 500, 640, 640)
    assert geometry.forward(np.ones((3, 4), np.float32)).dtype == np.float32


def test_grey_pictures_have_no_third_axis():
    assert letterbox(np.ones((10, 20), np.uint8), 64, 64)[0].shape == (64, 64)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="linear, area, nearest"):
        letterbox(np.zeros((4, 4, 3), np.uint8), 8, 8, "cubic")
    with pytest.raises(UserError, match="0x5"):
        letterbox_geometry(0, 5, 640, 640)
