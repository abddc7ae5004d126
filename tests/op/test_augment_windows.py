"""Windows into pictures, and how zoom and aspect are drawn: pixels and boxes go the same way."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from detectnet.network.augmentation import (
    AugmentationSettings,
    Scene,
    apply,
    draw,
    labels_of,
    transform_boxes,
)

WHOLE, CONTENT, WINDOW = (320, 192), (300, 150), (160, 96)
DRAWS = 1500
PLAIN = AugmentationSettings(*WHOLE, fill=0.0)


def windowed(**fields):
    return dataclasses.replace(PLAIN, **fields).window(*WINDOW)


def rectangle(box, size=CONTENT, ground=0):
    picture = np.full((size[1], size[0], 3), ground, np.uint8)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = 255
    return picture


def hull(picture):
    rows, columns = np.nonzero(picture[..., 1] >= 128)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def places(made, count=DRAWS, **given_):
    """Where the content's corners lie in the changed pictures, (count, 4)."""
    corners = np.array([[0, 0, *given_.get("content", WHOLE)]])
    made = [transform_boxes(corners, draw(made, 5, n, **given_).matrix)[0] for n in range(count)]
    return np.array(made).round(9)


@given(
    sample=st.integers(0, 10**6),
    hflip=st.sampled_from([0.0, 0.5]),
    vflip=st.sampled_from([0.0, 0.5]),
    zoom=st.sampled_from([(1.0, 1.0), (0.6, 1.7), (1.5, 3.0)]),
    log=st.booleans(),
    aspect=st.sampled_from([1.0, 1.4]),
    rotate=st.sampled_from([0.0, 0.3]),
    translate=st.sampled_from([(0, 0), (25, 15)]),
    window=st.booleans(),
    resampling=st.sampled_from(["LINEAR", "AREA", "NEAREST"]),
)
@effort(max_examples=300, deadline=None)
def test_boxes_stay_on_their_objects(sample, window, resampling, zoom, log, **fields):
    box = (120, 60, 190, 90)
    made = dataclasses.replace(
        PLAIN, zoom=zoom, log_zoom=log, resampling=(resampling,), object_window=1.0, **fields
    )
    made = made.window(*WINDOW) if window else made
    scene = Scene(rectangle(box), np.array([box], float), np.zeros(1, np.int32), ("plate",))
    change = draw(made, 3, sample, content=scene.size, objects=scene.boxes)
    labels = labels_of(scene, change.matrix, made)
    picture = apply(scene.picture, change, made)
    assert picture.shape == (made.height, made.width, 3)
    if labels.kept[0] and (labels.boxes[0, 2:] - labels.boxes[0, :2]).min() > 6:
        assert hull(picture) == pytest.approx(labels.boxes[0], abs=1.5)


def test_a_window_at_the_scale_of_the_picture_is_a_part_of_it_pixel_by_pixel():
    made = windowed()
    picture = np.random.default_rng(0).integers(0, 256, (CONTENT[1], CONTENT[0], 3), np.uint8)
    for sample in range(50):
        change = draw(made, 1, sample, content=CONTENT)
        x, y = (int(one) for one in change.matrix[2, :2])
        assert np.array_equal(change.matrix[:2], np.eye(3)[:2])
        assert np.array_equal(apply(picture, change, made), picture[y : y + 96, x : x + 160])


@pytest.mark.parametrize("zoom", [0.5, 1.0, 1.4])
@pytest.mark.parametrize("flips", [{}, {"hflip": 1.0, "vflip": 1.0}])
def test_a_window_shows_content_and_no_padding_where_the_content_is_larger(zoom, flips):
    made = windowed(zoom=(zoom, zoom), translate=(60, 60), **flips)
    picture = np.full((CONTENT[1], CONTENT[0], 3), 200, np.uint8)
    for sample in range(100):
        seen = apply(picture, draw(made, 2, sample, content=CONTENT), made)
        inner = seen[1:-1, 1:-1]  # a content that ends within a pixel fades there
        assert inner.min() >= 199


def test_the_place_of_a_window_is_uniform_over_the_content():
    found = -places(windowed(), content=CONTENT)[:, :2]
    for values, most in zip(found.T, (CONTENT[0] - WINDOW[0], CONTENT[1] - WINDOW[1]), strict=True):
        assert values.min() == 0
        assert values.max() == most
        assert values.mean() == pytest.approx(most / 2, abs=4 * most / math.sqrt(12 * DRAWS))
        assert values.std() == pytest.approx(most / math.sqrt(12), rel=0.07)


def test_a_content_that_is_smaller_than_the_window_is_seen_whole_anywhere():
    small = (100, 60)
    found = places(windowed(), content=small)
    assert (found[:, 2:] - found[:, :2] == small).all()
    assert found[:, :2].min(axis=0).tolist() == [0, 0]
    assert found[:, 2:].max(axis=0).tolist() == list(WINDOW)


def test_the_scale_of_a_window_is_that_of_the_networks_input():
    """Zoom r makes the content smaller by r, not by r and the size of the window."""
    whole = dataclasses.replace(PLAIN, zoom=(0.5, 2.0))
    for sample in range(50):
        full = draw(whole, 4, sample)
        part = draw(whole.window(*WINDOW), 4, sample)
        assert part.matrix[:2, :2] == pytest.approx(full.matrix[:2, :2])


@pytest.mark.parametrize("made", [windowed(object_window=1.0), windowed(object_window=1.0, zoom=(0.8, 1.5))])
def test_a_window_around_an_object_holds_it_whole_and_chooses_all_alike(made):
    objects = np.array([[10.0, 20, 60, 44], [250, 100, 299, 149], [140, 30, 150, 36]])
    held = np.zeros((DRAWS, 3), bool)
    for sample in range(DRAWS):
        boxes = transform_boxes(objects, draw(made, 6, sample, content=CONTENT, objects=objects).matrix)
        held[sample] = np.all((boxes[:, :2] >= -1e-9) & (boxes[:, 2:] <= np.array(WINDOW) + 1e-9), axis=1)
    assert held.any(axis=1).all()
    # by chance a window around one of them holds another one too
    assert held.mean(axis=0).min() > 1 / 3 - 4 * math.sqrt(2 / 9 / DRAWS)


def test_the_object_lies_at_any_place_of_its_window():
    box = np.array([[140.0, 70, 170, 80]])
    made = windowed(object_window=1.0)
    corners = np.array(
        [transform_boxes(box, draw(made, 7, n, content=CONTENT, objects=box).matrix)[0] for n in range(DRAWS)]
    )
    # x: windows begin from 10 to 140, both inside of the content; y: from 0 to 54, where the content ends
    for values, low, high in ((corners[:, 0], 0, 130), (corners[:, 1], 16, 70)):
        assert (values.min(), values.max()) == pytest.approx((low, high))
        assert values.mean() == pytest.approx((low + high) / 2, abs=4 * (high - low) / math.sqrt(12 * DRAWS))


def test_a_window_into_an_object_that_is_larger_shows_nothing_else():
    box = np.array([[20.0, 10, 280, 140]])
    for sample in range(100):
        change = draw(windowed(object_window=1.0), 8, sample, content=CONTENT, objects=box)
        x1, y1, x2, y2 = transform_boxes(box, change.matrix)[0]
        assert x1 <= 0 <= WINDOW[0] <= x2
        assert y1 <= 0 <= WINDOW[1] <= y2


def test_whole_pictures_are_laid_around_objects_only_where_zoom_shows_a_part():
    objects = np.array([[10.0, 10, 40, 25]])
    asked = dataclasses.replace(PLAIN, zoom=(0.4, 2.0), object_window=1.0, translate=(30, 30))
    not_asked = dataclasses.replace(asked, object_window=0.0)
    for sample in range(200):
        change, usual = (draw(one, 9, sample, objects=objects) for one in (asked, not_asked))
        if change.zoom >= 1:
            assert np.array_equal(change.matrix, usual.matrix)
        else:
            box = transform_boxes(objects, change.matrix)[0]
            assert (box >= -1e-9).all()
            assert (box[2:] <= np.array(WHOLE) + 1e-9).all()


def test_objects_are_asked_for_as_often_as_told():
    objects = np.array([[10.0, 10, 12, 12]])
    asked, never = windowed(object_window=0.3), windowed()
    moved = sum(
        not np.array_equal(draw(asked, 1, n, objects=objects).matrix, draw(never, 1, n).matrix)
        for n in range(DRAWS)
    )
    # a window that holds the corner by chance may be the same one
    assert moved / DRAWS == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / DRAWS))


def test_log_uniform_zoom_is_below_one_as_often_as_above():
    made = dataclasses.replace(PLAIN, zoom=(0.5, 2.0), log_zoom=True)
    logs = np.log2([draw(made, 1, n).zoom for n in range(DRAWS)])
    assert np.abs(logs).max() <= 1
    assert logs.mean() == pytest.approx(0, abs=4 * 2 / math.sqrt(12 * DRAWS))
    assert logs.std() == pytest.approx(2 / math.sqrt(12), rel=0.05)


def test_aspect_stretches_one_side_as_much_as_it_shrinks_the_other():
    made = dataclasses.replace(PLAIN, aspect=1.5)
    found = places(made)
    width, height = (found[:, 2:] - found[:, :2]).T / np.array(WHOLE)[:, None]
    assert width * height == pytest.approx(np.ones(DRAWS))
    logs = np.log(width / height) / np.log(1.5)
    assert np.abs(logs).max() <= 1
    assert logs.mean() == pytest.approx(0, abs=4 * 2 / math.sqrt(12 * DRAWS))
    assert logs.std() == pytest.approx(2 / math.sqrt(12), rel=0.05)


@given(share=st.floats(0.05, 1.0), sample=st.integers(0, 10**4))
@effort(max_examples=100, deadline=None)
def test_an_object_of_which_too_little_is_seen_is_neither_object_nor_background(share, sample):
    boxes = np.array([[100, 40, 160, 70], [-20, 50, 20, 80], [200, 90, 260, 120.0]])
    scene = Scene(rectangle((0, 0, 1, 1)), boxes, np.array([0, 0, -1], np.int32), ("plate",) * 3)
    made = windowed(visible_share=share)
    change = draw(made, 1, sample, content=CONTENT)
    labels = labels_of(scene, change.matrix, made)
    x, y = change.matrix[2, :2]
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        # by hand: the window's part of the box, of the box's part of the picture
        inside = [(min(e, o + s) - max(b, o, 0)) for b, e, o, s in ((x1, x2, x, 160), (y1, y2, y, 96))]
        seen = max(inside[0], 0) * max(inside[1], 0)
        whole = (x2 - max(x1, 0)) * (y2 - y1)
        assert labels.kept[number] == (seen >= share * whole and min(inside) >= 1)
        assert labels.hidden[number] == (number < 2 and 0 < seen < share * whole)
