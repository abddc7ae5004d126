"""How a frame gets into the network on the device, against OpenCV's own scaling and planted rectangles."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.contract import STRETCH
from detectnet.data.nvinfer_scaling import shown_to_network
from detectnet.errors import UserError

FILTERS = {"bilinear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("scaling", FILTERS)
@pytest.mark.parametrize(
    ("size", "inside"),
    # 1280x720 at 640: 640x360. 333x500 at 640: 426.24 -> 426 x 640. 100x50: 640x320.
    [((1280, 720), (640, 360)), ((333, 500), (426, 640)), ((100, 50), (640, 320))],
)
def test_the_scaler_is_opencv_s_and_the_rest_is_black(scaling, size, inside):
    picture = noise(*size)
    made, geometry = shown_to_network(picture, (640, 640), scaling)
    expected = cv2.resize(picture, inside, interpolation=FILTERS[scaling])
    np.testing.assert_array_equal(made[: inside[1], : inside[0]], expected)
    assert not made[inside[1] :].any() and not made[:, inside[0] :].any()
    assert (geometry.width, geometry.height) == inside


@pytest.mark.parametrize("scaling", FILTERS)
def test_the_frame_is_stretched_before_it_is_scaled(scaling):
    picture = noise(400, 300)
    made, geometry = shown_to_network(picture, (320, 320), scaling, frame=(1920, 1080))
    frame = cv2.resize(picture, (1920, 1080), interpolation=cv2.INTER_LINEAR)
    expected = cv2.resize(frame, (320, 180), interpolation=FILTERS[scaling])
    np.testing.assert_array_equal(made[:180], expected)
    # 400 px became 320, and 300 px 180.
    np.testing.assert_allclose(geometry.forward(np.array([100.0, 100, 400, 300])), [80, 60, 320, 180])


def test_a_frame_of_the_picture_s_own_size_changes_nothing():
    picture = noise(400, 300)
    plain, of_plain = shown_to_network(picture, (320, 320), "bilinear")
    framed, of_framed = shown_to_network(picture, (320, 320), "bilinear", frame=(400, 300))
    np.testing.assert_array_equal(plain, framed)
    assert of_plain == of_framed


def test_the_other_letterbox_and_padding():
    made, geometry = shown_to_network(noise(400, 300), (320, 320), "bilinear", rule=STRETCH)
    assert (geometry.width, geometry.height) == (320, 320)
    np.testing.assert_array_equal(made, cv2.resize(noise(400, 300), (320, 320)))
    padded, _ = shown_to_network(noise(400, 200), (320, 320), "bilinear", padding=114)
    assert (padded[160:] == 114).all()


def test_a_scaling_that_nvinfer_has_not_is_refused():
    with pytest.raises(UserError, match=r"nvinfer does not scale 'area'.*bilinear, nearest"):
        shown_to_network(noise(40, 30), (32, 32), "area")


@given(
    st.tuples(st.integers(60, 300), st.integers(60, 300)),
    st.one_of(st.none(), st.tuples(st.integers(60, 300), st.integers(60, 300))),
)
@settings(max_examples=40)
def test_boxes_follow_what_they_surround(size, frame):
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[20:50, 10:40] = 255
    made, geometry = shown_to_network(picture, (320, 320), "bilinear", frame=frame)
    rows, columns = np.nonzero(made[..., 0] > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    # Half a pixel of the coarsest of the grids on the way, and one of the last.
    slack = 1.5 + max(geometry.scale_x, geometry.scale_y)
    np.testing.assert_allclose(geometry.forward(np.array([10.0, 20, 40, 50])), found, atol=slack)
