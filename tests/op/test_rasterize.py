"""The rasteriser, eager and in tf.data: hand-computed examples, and any scene against a scalar version."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detectnet.network.targets import Targets, TargetSettings, rasterize


def scene(width=960, height=544, radius=0.4, minimum=1.0, deadzone=0.67, classes=1, center=0.5):
    return TargetSettings(
        width,
        height,
        center=((center, center),) * classes,
        radius=((radius, radius),) * classes,
        minimum_radius=(minimum,) * classes,
        deadzone=deadzone,
    )


def eager(boxes, classes, config):
    return rasterize(tf.constant(boxes, tf.float32), tf.constant(classes, tf.int32), config)


def in_tf_data(boxes, classes, config):
    data = tf.data.Dataset.from_tensors((np.float32(boxes), np.int32(classes)))
    return next(iter(data.map(lambda one, other: rasterize(one, other, config))))


@pytest.fixture(params=[eager, in_tf_data], ids=["eager", "tf.data"])
def draw(request):
    def drawn(boxes, config, classes=None):
        boxes = np.float32(boxes).reshape(-1, 4)
        classes = [0] * len(boxes) if classes is None else classes
        made = request.param(boxes[np.newaxis], [classes], config)
        return Targets(*(one.numpy()[0] for one in made[:3]))

    return drawn


# Reference, worked example: 960x544, centre 0.5, radius 0.4, minimum 1, dead zone 0.67.
LARGE = (100, 60, 260, 188)


def test_large_box_covers_the_published_cells(draw):
    made = draw([LARGE], scene())
    rows = [
        [0, 3, 11, 12, 8, 0, 0],
        [0, 11, 16, 16, 16, 3, 0],
        [0, 8, 16, 16, 15, 1, 0],
        [0, 0, 3, 4, 1, 0, 0],
    ]
    assert (16 * made.cov[6:10, 8:15, 0]).tolist() == rows
    assert made.cov.sum() == 10
    assert made.cov_norm.sum() == pytest.approx(0.78125, abs=1e-6)
    assert made.cov_norm[7, 11, 0] == pytest.approx(0.078125, abs=1e-7)
    assert made.bbox[7, 11] == pytest.approx([2.185714, 1.5, 2.385714, 2.157143], abs=1e-5)


def test_faintly_covered_cell_has_the_whole_regression_target(draw):
    made = draw([LARGE], scene())
    assert made.cov[8, 13, 0] == 1 / 16
    assert made.cov_norm[8, 13, 0] == pytest.approx(0.0048828, abs=1e-6)
    assert made.bbox[8, 13] == pytest.approx([3.1, 1.957143, 1.471429, 1.7], abs=1e-5)
    assert not made.bbox[0].any()


def test_small_box_gets_the_minimum_ellipse(draw):
    made = draw([(200, 100, 220, 112)], scene())
    assert (16 * made.cov[5:8, 11:15, 0]).tolist() == [[0, 4, 4, 1], [7, 16, 16, 11], [1, 8, 8, 3]]
    assert made.cov.sum() * 16 == 4 + 4 + 1 + 7 + 16 + 16 + 11 + 1 + 8 + 8 + 3
    assert made.cov_norm[6, 12, 0] == pytest.approx(0.15, abs=1e-6)


@pytest.mark.parametrize("swapped", [False, True])
def test_nearer_box_clears_only_the_fringe_of_the_farther_one(draw, swapped):
    boxes = [LARGE, (180, 76, 340, 220)]
    made = draw(boxes[::-1] if swapped else boxes, scene())
    assert (16 * made.cov[6:11, 9:19, 0]).tolist() == [
        [3, 11, 12, 8, 0, 0, 0, 0, 0, 0],
        [11, 16, 16, 16, 0, 0, 6, 8, 2, 0],
        [8, 16, 16, 15, 0, 9, 16, 16, 15, 2],
        [0, 3, 4, 0, 0, 12, 16, 16, 16, 4],
        [0, 0, 0, 0, 0, 3, 14, 16, 9, 0],
    ]


def test_circle_on_a_grid_corner_covers_three_sixteenths_of_four_cells(draw):
    # grid box (1,1,3,3), radius 0.5 of the half extent 1
    made = draw([(16, 16, 48, 48)], scene(64, 64, radius=0.5, minimum=0.5))
    expected = np.zeros((4, 4))
    expected[1:3, 1:3] = 0.1875
    assert np.array_equal(made.cov[..., 0], expected)


def test_area_weight_of_a_box_of_two_cells(draw):
    # grid box (1,2,3,4), radius 0.6: semi-axes 0.6, so the area of the rectangle is 1.44
    made = draw([(16, 32, 48, 64)], scene(96, 96, radius=0.6, minimum=0.5, deadzone=1.0))
    covered = made.cov[..., 0] > 0
    assert made.cov_norm[..., 0][covered] == pytest.approx(made.cov[..., 0][covered] / 1.44, rel=1e-6)


def test_classes_do_not_touch_each_other(draw):
    boxes = [LARGE, (110, 64, 250, 190)]
    both = draw(boxes, scene(classes=2), classes=[0, 1])
    for index, box in enumerate(boxes):
        alone = draw([box], scene())
        assert np.array_equal(both.cov[..., index], alone.cov[..., 0])
        assert np.array_equal(both.bbox[..., 4 * index : 4 * index + 4], alone.bbox)


def test_padding_and_empty_pictures_draw_nothing(draw):
    made = draw([LARGE, (0, 0, 900, 500)], scene(), classes=[0, -1])
    assert np.array_equal(made.cov, draw([LARGE], scene()).cov)
    for nothing in (draw([], scene()), draw([LARGE], scene(), classes=[-1])):
        assert not any(one.any() for one in nothing[:3])


def test_decoding_gives_the_box_back(draw):
    made = draw([LARGE], scene())
    row, column = np.argwhere(made.cov[..., 0] > 0).T
    left, top, right, bottom = 35 * made.bbox[row, column].T
    x, y = 16 * column + 0.5, 16 * row + 0.5
    decoded = np.stack([x - left, y - top, x + right, y + bottom], axis=1)
    assert decoded == pytest.approx(np.tile(LARGE, (len(row), 1)), abs=1e-3)


def scalar(boxes, classes, config):
    """Point by point, in double precision, after the description; returns cov*16 and how near a tie was."""
    rows, columns = config.height // 16, config.width // 16
    count = len(config.minimum_radius)
    state = [[[(0, None)] * columns for _ in range(rows)] for _ in range(count)]
    closest = math.inf
    for number in sorted(range(len(boxes)), key=lambda one: boxes[one][3]):
        kind = classes[number]
        if kind < 0:
            continue
        x1, y1, x2, y2 = (side / 16 for side in boxes[number])
        fx, fy = config.center[kind]
        cx, cy = x1 + fx * (x2 - x1), y1 + fy * (y2 - y1)
        sx = cx - x1 if fx < 0.5 else x2 - cx
        sy = cy - y1 if fy < 0.5 else y2 - cy
        a, b = max(config.radius[kind][0] * sx, 0.1), max(config.radius[kind][1] * sy, 0.1)
        low = config.minimum_radius[kind]
        if a < low:
            a, b = low, low * b / a
        if b < low:
            a, b = low * a / b, low
        dz = config.deadzone
        wide, high = max((1 - dz) * a + dz * sx, a), max((1 - dz) * b + dz * sy, b)
        for row in range(rows):
            for column in range(columns):
                cover = dead = 0
                for j in (1, 3, 5, 7):
                    for i in (1, 3, 5, 7):
                        u, v = column + i / 8 - cx, row + j / 8 - cy
                        inner, outer = (u / a) ** 2 + (v / b) ** 2, (u / wide) ** 2 + (v / high) ** 2
                        closest = min(closest, abs(inner - 1), abs(outer - 1))
                        cover += inner < 1
                        dead += outer < 1
                best = state[kind][row][column][0]
                if dead > 0 and dead >= best:
                    state[kind][row][column], best = (0, None), 0
                if cover > 0 and cover >= best:
                    weight = cover / 16 / max(4 * a * b, 1)
                    sides = [column * 16 + 0.5, row * 16 + 0.5]
                    box = boxes[number]
                    regression = [
                        (sides[0] - box[0]) / 35,
                        (sides[1] - box[1]) / 35,
                        (box[2] - sides[0]) / 35,
                        (box[3] - sides[1]) / 35,
                    ]
                    state[kind][row][column] = (cover, (weight, regression))
    return state, closest


@st.composite
def scenes(draw):
    count = draw(st.integers(0, 5))
    coordinate = st.one_of(st.floats(-20, 150, width=32), st.floats(-500, 600, width=32))
    extent = st.one_of(st.floats(1, 120, width=32), st.floats(0, 1, width=32), st.floats(100, 900, width=32))
    boxes = []
    for _ in range(count):
        x, y = draw(coordinate), draw(coordinate)
        boxes.append((x, y, x + draw(extent), y + draw(extent)))
    # equal bottom edges have no defined order
    boxes = [box for index, box in enumerate(boxes) if all(box[3] != other[3] for other in boxes[:index])]
    classes = [draw(st.integers(-1, 2)) for _ in boxes]
    share = st.floats(0, 1)
    config = TargetSettings(
        128,
        96,
        center=((0.5, 0.5), (draw(share), 0.3), (draw(share), draw(share))),
        radius=((draw(st.floats(0.1, 1)), 0.4), (1.0, 0.7), (draw(st.floats(0.1, 1)),) * 2),
        minimum_radius=(draw(st.floats(0.2, 1)), 0.5, 1.0),
        deadzone=draw(st.floats(0, 1)),
    )
    return boxes, classes, config


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [eager, in_tf_data], ids=["eager", "tf.data"])
@settings(max_examples=40, derandomize=True)
@given(case=scenes())
def test_any_scene_equals_the_scalar_implementation(drawn, case):
    boxes, classes, config = case
    state, closest = scalar(boxes, classes, config)
    assume(closest >= 1e-4)  # on an ellipse a sample point may fall either way in single precision
    made = drawn(np.float32(boxes).reshape(1, -1, 4), np.int32(classes).reshape(1, -1), config)
    cov, cov_norm, bbox = (one.numpy()[0] for one in made[:3])
    for kind in range(3):
        for row in range(6):
            for column in range(8):
                cover, rest = state[kind][row][column]
                assert 16 * cov[row, column, kind] == cover
                weight, regression = rest or (0.0, [0.0] * 4)
                assert cov_norm[row, column, kind] == pytest.approx(weight, rel=1e-4, abs=1e-7)
                assert bbox[row, column, 4 * kind : 4 * kind + 4] == pytest.approx(regression, abs=1e-4)


def test_every_picture_of_a_batch_is_drawn_as_if_alone():
    config = scene(128, 96, classes=2)
    rng = np.random.default_rng(3)
    near = rng.uniform(0, 90, (4, 6, 2))
    boxes = np.concatenate([near, near + rng.uniform(5, 60, (4, 6, 2))], axis=2)
    classes = rng.integers(-1, 2, (4, 6))
    together = eager(boxes, classes, config)
    for index in range(4):
        alone = eager(boxes[index : index + 1], classes[index : index + 1], config)
        for one, other in zip(together[:3], alone[:3]):
            assert np.array_equal(one[index], other[0])
