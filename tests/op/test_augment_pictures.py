"""Augmentation, by hand and in tf.data: boxes stay on their objects, and every draw can be repeated."""

import colorsys
import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from detectnet.network.augmentation import (
    AugmentationSettings,
    Change,
    apply,
    clip_boxes,
    draw,
    transform_boxes,
)

PLAIN = AugmentationSettings(320, 192, fill=0.0)
EVERYTHING = dataclasses.replace(
    PLAIN,
    hflip=0.5,
    vflip=0.3,
    zoom=(0.6, 1.7),
    translate=(25, 15),
    rotate=0.3,
    resampling=("LINEAR", "AREA", "NEAREST"),
    brightness=0.05,
    contrast=0.2,
    hue=25.0,
    saturation=0.2,
    grey=0.2,
    blur=1.5,
    noise=0.03,
    jpeg_quality=40,
)
NOTHING = draw(PLAIN, 0, 0)


def rectangle(box, settings=PLAIN):
    picture = np.zeros((settings.height, settings.width, 3), np.uint8)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = 255
    return picture


def bounds(picture):
    rows, columns = np.nonzero(picture[..., 1] >= 128)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize("sample", range(40))
def test_boxes_stay_on_their_objects(sample):
    space = dataclasses.replace(
        PLAIN,
        hflip=0.5,
        vflip=0.5,
        zoom=(0.6, 1.7),
        translate=(25, 15),
        rotate=0.3,
        resampling=("LINEAR", "AREA", "NEAREST"),
    )
    box = (90, 50, 230, 130)
    change = draw(space, 7, sample)
    boxes, keep = clip_boxes(transform_boxes(np.array([box]), change.matrix), space)
    assert keep.all()
    assert bounds(apply(rectangle(box), change, space)) == pytest.approx(boxes[0], abs=1.5)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hflip": 1.0}, (320 - 110, 40, 320 - 70, 60)),
        ({"vflip": 1.0}, (70, 192 - 60, 110, 192 - 40)),
    ],
)
def test_flips_mirror_exactly(change, expected):
    settings = dataclasses.replace(PLAIN, **change)
    made = draw(settings, 1, 1)
    box = (70, 40, 110, 60)
    assert transform_boxes(np.array([box]), made.matrix)[0].tolist() == list(expected)
    assert np.array_equal(apply(rectangle(box), made, settings), rectangle(expected))


def test_zoom_above_one_makes_the_content_smaller_and_keeps_all_of_it():
    settings = dataclasses.replace(PLAIN, zoom=(2.0, 2.0))
    for sample in range(20):
        whole = transform_boxes(np.array([[0, 0, 320, 192]]), draw(settings, 3, sample).matrix)[0]
        assert whole[2:] - whole[:2] == pytest.approx([160, 96])
        assert (whole[:2] >= -1e-9).all()
        assert (whole[2:] <= [320 + 1e-9, 192 + 1e-9]).all()


def test_a_square_turned_by_45_degrees_has_the_hull_of_its_corners():
    settings = dataclasses.replace(PLAIN, rotate=np.pi / 4)
    angle = np.pi / 4
    matrix = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    box = transform_boxes(np.array([[-50.0, -50, 50, 50]]), matrix)[0]
    assert box == pytest.approx(np.array([-1, -1, 1, 1]) * 50 * np.sqrt(2))
    angles = [np.arctan2(m[0, 1], m[0, 0]) for m in (draw(settings, 0, n).matrix for n in range(200))]
    assert max(np.abs(angles)) <= angle
    assert max(angles) > 0.9 * angle  # radians: read as degrees it would hardly turn at all


def test_an_explicit_rotation_probability_of_zero_means_never():
    settings = dataclasses.replace(PLAIN, rotate=1.0, rotate_probability=0.0)
    assert all(np.array_equal(draw(settings, 0, n).matrix, np.eye(3)) for n in range(50))


def test_boxes_are_cut_to_the_picture_and_dropped_below_a_pixel():
    boxes = np.array([[-10, 5, 20, 30], [400, 5, 500, 30], [319.5, 0, 400, 50], [0, 0, 320, 192.0]])
    cut, keep = clip_boxes(boxes, PLAIN)
    assert keep.tolist() == [True, False, False, True]
    assert cut[keep].tolist() == [[0, 5, 20, 30], [0, 0, 320, 192]]


def test_uncovered_parts_take_the_fill():
    settings = dataclasses.replace(PLAIN, zoom=(2.0, 2.0), fill=0.5)
    made = apply(np.full((192, 320, 3), 255, np.uint8), draw(settings, 0, 0), settings)
    assert set(np.unique(made)) >= {128, 255}
    assert (made == 128).mean() == pytest.approx(0.75, abs=0.02)


def recolored(color, change):
    picture = np.full((192, 320, 3), np.round(255 * np.array(color)), np.uint8)
    return apply(picture, dataclasses.replace(NOTHING, **change), PLAIN)[0, 0] / 255


def test_hue_rotation_turns_the_hue_and_keeps_the_luminance():
    settings = dataclasses.replace(PLAIN, hue=60.0)
    color = np.array([0.6, 0.4, 0.35])
    for sample in range(20):
        made = recolored(color, {"color": draw(settings, 5, sample).color})
        assert made @ [0.299, 0.587, 0.114] == pytest.approx(color @ [0.299, 0.587, 0.114], abs=0.01)
    hues = [
        colorsys.rgb_to_hsv(*recolored(color, {"color": draw(settings, 5, sample).color}))[0]
        for sample in range(20)
    ]
    assert len({round(hue, 2) for hue in hues}) > 5


def test_contrast_leaves_its_center_and_brightness_shifts_all_channels_alike():
    contrast = dataclasses.replace(PLAIN, contrast=0.8, contrast_center=0.4)
    assert recolored([0.4] * 3, {"color": draw(contrast, 1, 2).color}) == pytest.approx([0.4] * 3, abs=0.005)
    bright = dataclasses.replace(PLAIN, brightness=0.1)
    shift = recolored([0.5, 0.3, 0.6], {"color": draw(bright, 1, 2).color}) - [0.5, 0.3, 0.6]
    assert np.ptp(shift) < 0.005
    assert abs(shift[0]) > 0.005


def test_no_draw_is_beyond_two_sigma():
    settings = dataclasses.replace(PLAIN, brightness=0.1)
    offsets = np.array([draw(settings, 0, sample).color[3, 0] for sample in range(2000)])
    assert np.abs(offsets).max() <= 0.2
    assert offsets.std() == pytest.approx(0.1 * 0.8796, rel=0.05)  # of a normal cut at two sigma


def test_grey_pictures_have_no_color():
    settings = dataclasses.replace(PLAIN, grey=1.0)
    assert np.ptp(recolored([0.9, 0.2, 0.1], {"color": draw(settings, 0, 0).color})) == 0


def test_camera_faults_do_what_they_are_called():
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (192, 320, 3), np.uint8), (0, 0), 2)
    noisy = apply(picture, dataclasses.replace(NOTHING, noise=0.05), PLAIN).astype(float) - picture
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.05)
    grey = np.full((192, 320, 3), 128, np.uint8)  # far from 0 and 255: nothing is cut
    noisy = apply(grey, dataclasses.replace(NOTHING, noise=0.02), PLAIN).astype(float) - grey
    assert noisy.mean() == pytest.approx(0, abs=0.1)  # cutting off decimals would make it half a level darker
    blurred = apply(picture, dataclasses.replace(NOTHING, blur=3.0), PLAIN)
    assert cv2.Laplacian(blurred, cv2.CV_64F).var() < 0.5 * cv2.Laplacian(picture, cv2.CV_64F).var()
    best, worst = (
        np.abs(
            apply(picture, dataclasses.replace(NOTHING, jpeg_quality=q), PLAIN).astype(int) - picture
        ).mean()
        for q in (100, 5)
    )
    assert best < 1.5 < worst


def test_area_averages_and_nearest_invents_no_value():
    settings = dataclasses.replace(PLAIN, zoom=(2.0, 2.0))
    stripes = np.zeros((192, 320, 3), np.uint8)
    stripes[:, ::2] = 200
    change = dataclasses.replace(draw(settings, 0, 1), color=NOTHING.color)
    area, nearest = (
        apply(stripes, dataclasses.replace(change, resampling=kind), settings) for kind in ("AREA", "NEAREST")
    )
    assert set(np.unique(nearest)) <= {0, 200}
    inside = area[area.max(axis=2) > 90]
    assert np.median(inside) == pytest.approx(100, abs=2)


def test_a_draw_depends_on_seed_and_sample_only():
    one, again, other = draw(EVERYTHING, 3, 11), draw(EVERYTHING, 3, 11), draw(EVERYTHING, 3, 12)
    picture = np.random.default_rng(0).integers(0, 256, (192, 320, 3), np.uint8)
    assert np.array_equal(apply(picture, one, EVERYTHING), apply(picture, again, EVERYTHING))
    assert not np.array_equal(one.matrix, other.matrix)
    assert not np.array_equal(one.matrix, draw(EVERYTHING, 4, 11).matrix)
    assert isinstance(one, Change)


def test_tf_data_gives_the_same_pictures():
    picture = np.random.default_rng(1).integers(0, 256, (192, 320, 3), np.uint8)

    def augmented(sample):
        return apply(picture, draw(EVERYTHING, 9, int(sample)), EVERYTHING)

    data = tf.data.Dataset.range(12).map(
        lambda sample: tf.numpy_function(augmented, [sample], tf.uint8), num_parallel_calls=4
    )
    for sample, made in enumerate(data):
        assert np.array_equal(made, augmented(sample))


def test_grey_input_keeps_its_one_channel():
    picture = np.random.default_rng(1).integers(0, 256, (192, 320, 1), np.uint8)
    assert apply(picture, draw(EVERYTHING, 2, 5), EVERYTHING).shape == (192, 320, 1)
