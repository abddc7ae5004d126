"""Loss masks against a scalar version that asks every sample point, by hand and through tf.data."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.network.masks import LabelFilter, MaskSettings, draw_mask, with_mask
from detectnet.network.targets import TargetSettings, rasterize

COV, BBOX = 0, 1
ALL = ((0, COV), (0, BBOX), (1, COV), (1, BBOX))
GRID = (4, 6)  # 96 x 64 pixels


def config(*filters, **fields):
    return MaskSettings(GRID, 16, 2, filters, **fields)


def drawn(boxes, classes, names, made):
    return draw_mask(np.float32(boxes).reshape(-1, 4), np.array(classes), names, made)


def masked_cells(mask, kind, objective):
    return {(int(row), int(column)) for row, column in np.argwhere(mask[..., kind, objective] != 1)}


def test_without_filters_nothing_is_masked():
    assert not MaskSettings().active
    assert (drawn([(0, 0, 96, 64)], [0], ["car"], config()) == 1).all()


def test_a_rectangle_masks_the_cells_of_whose_sample_points_it_has_one():
    """Points of a cell of 16 pixels lie at 1.6, 4.8, 8, 11.2 and 14.4 pixels."""
    everything = config(LabelFilter(ALL, size=(0, 0, np.inf, np.inf)))
    # from 14.4 in column 0 to before 17.6 in column 1; from after 14.4 in row 0: row 1 alone
    mask = drawn([(14.4, 14.5, 17.6, 30)], [0], ["car"], everything)
    assert masked_cells(mask, 0, COV) == {(1, 0)}
    mask = drawn([(14.4, 14.5, 17.7, 33.7)], [0], ["car"], everything)
    assert masked_cells(mask, 0, COV) == {(1, 0), (1, 1), (2, 0), (2, 1)}
    assert masked_cells(drawn([(5, 5, 7, 7)], [0], ["car"], everything), 0, COV) == set()  # between points


def test_limits_of_size_are_inclusive_and_hold_for_both_sides():
    one = config(LabelFilter(ALL, size=(20, 10, 40, 30)))
    for box, hit in (
        ((0, 0, 20, 10), True),
        ((0, 0, 40, 30), True),
        ((0, 0, 19.5, 10), False),
        ((0, 0, 20, 9.5), False),
        ((0, 0, 40.5, 30), False),
        ((0, 0, 40, 30.5), False),
    ):
        assert bool(masked_cells(drawn([box], [0], ["car"], one), 0, COV)) is hit


def test_a_crop_chooses_what_overlaps_it_and_not_what_touches_it():
    one = config(LabelFilter(ALL, crop=(32, 16, 64, 48)))
    for box, hit in (
        ((0, 0, 33, 17), True),
        ((40, 20, 50, 30), True),
        ((0, 0, 32, 40), False),
        ((0, 0, 40, 16), False),
        ((64, 20, 90, 30), False),
        ((40, 48, 50, 64), False),
    ):
        assert bool(masked_cells(drawn([box], [0], ["car"], one), 0, COV)) is hit


def test_size_and_crop_mask_objects_of_the_class_alone_and_names_mask_any():
    boxes, kinds, names = [(0, 0, 16, 16), (32, 0, 48, 16)], [0, -1], ["car", "DontCare"]
    by_size = drawn(boxes, kinds, names, config(LabelFilter(ALL, size=(0, 0, np.inf, np.inf))))
    assert masked_cells(by_size, 0, COV) == masked_cells(by_size, 0, BBOX) == {(0, 0)}
    assert masked_cells(by_size, 1, COV) == set()
    by_name = drawn(boxes, kinds, names, config(LabelFilter(ALL, names=frozenset(["dontcare"]))))
    for kind, objective in ALL:
        assert masked_cells(by_name, kind, objective) == {(0, 2)}


def test_one_filter_is_enough_and_each_masks_its_own_classes_and_objectives():
    boxes, kinds, names = [(0, 0, 16, 16), (32, 0, 64, 32), (80, 48, 96, 64)], [0, 0, 1], ["a", "b", "c"]
    small = LabelFilter(((0, COV),), size=(0, 0, 20, 20))
    left = LabelFilter(((0, COV), (1, BBOX)), crop=(40, 0, 96, 64))
    mask = drawn(boxes, kinds, names, config(small, left, multiplier=0.25))
    assert masked_cells(mask, 0, COV) == {(0, 0), (0, 2), (0, 3), (1, 2), (1, 3)}
    assert masked_cells(mask, 0, BBOX) == masked_cells(mask, 1, COV) == set()
    assert masked_cells(mask, 1, BBOX) == {(3, 5)}
    assert set(np.unique(mask)) == {0.25, 1.0}


def scalar(boxes, classes, names, filters):
    """Which cells are masked, point by point, in plain Python, after the description."""
    hit = set()
    for kind in range(2):
        for objective in (COV, BBOX):
            for (x1, y1, x2, y2), label, name in zip(boxes, classes, names, strict=True):
                inner = outer = False
                for one in filters:
                    if (kind, objective) not in one.masked:
                        continue
                    if one.names is not None:
                        outer |= name in one.names
                    elif one.size is not None:
                        wide, high, widest, highest = one.size
                        inner |= wide <= x2 - x1 <= widest and high <= y2 - y1 <= highest
                    else:
                        left, top, right, bottom = one.crop
                        inner |= x1 < right and x2 > left and y1 < bottom and y2 > top
                if not (outer or (inner and label == kind)):
                    continue
                for row in range(GRID[0]):
                    for column in range(GRID[1]):
                        xs = [16 * (column + i / 10) for i in (1, 3, 5, 7, 9)]
                        ys = [16 * (row + i / 10) for i in (1, 3, 5, 7, 9)]
                        if any(x1 <= x < x2 for x in xs) and any(y1 <= y < y2 for y in ys):
                            hit.add((row, column, kind, objective))
    return hit


@st.composite
def scenes(draw):
    # eighths of a pixel are never on a sample point and exact in single precision
    coordinate = st.integers(-160, 900).map(lambda value: value / 8 + 1 / 16)
    extent = st.integers(0, 640).map(lambda value: value / 8)
    corners = draw(st.lists(st.tuples(coordinate, coordinate, extent, extent), max_size=6))
    boxes = [(x, y, x + wide, y + high) for x, y, wide, high in corners]
    classes = [draw(st.integers(-1, 1)) for _ in boxes]
    names = [draw(st.sampled_from(["car", "van", "dontcare"])) for _ in boxes]
    kind = st.one_of(
        st.just({"size": (8.0, 0.0, 40.0, np.inf)}),
        st.just({"crop": (20.0, 10.0, 60.0, np.inf)}),
        st.just({"names": frozenset(["dontcare", "van"])}),
    )
    masked = st.lists(st.sampled_from(ALL), min_size=1, max_size=4, unique=True).map(tuple)
    filters = [LabelFilter(draw(masked), **draw(kind)) for _ in range(draw(st.integers(1, 3)))]
    return boxes, classes, names, filters


@settings(max_examples=150, derandomize=True)
@given(scenes())
def test_any_scene_equals_the_scalar_implementation(case):
    boxes, classes, names, filters = case
    mask = drawn(boxes, classes, names, config(*filters))
    assert {tuple(map(int, one)) for one in np.argwhere(mask == 0)} == scalar(boxes, classes, names, filters)


TARGETS = TargetSettings(96, 64, ((0.5, 0.5),) * 2, ((0.4, 0.4),) * 2, (1.0, 1.0), 0.4)
BOX = (16.0, 16, 96, 64)


def eager(function, *tensors):
    return function(*tensors)


def in_tf_data(function, *tensors):
    return next(iter(tf.data.Dataset.from_tensors(tensors).map(function)))


@pytest.mark.parametrize("run", [eager, in_tf_data], ids=["eager", "tf.data"])
@pytest.mark.parametrize("preserve", [False, True])
def test_preserved_cells_are_those_in_which_the_class_is_drawn(run, preserve):
    made = config(LabelFilter(ALL, size=(0, 0, np.inf, np.inf)), multiplier=0.5, preserve=preserve)
    masks = np.stack([draw_mask(np.float32([BOX]), np.array([0]), ["car"], made)] * 2)

    def targets(boxes, classes, masks, weights):
        return with_mask(rasterize(boxes, classes, TARGETS), masks, weights, made)

    found = run(
        targets,
        tf.constant([[BOX], [BOX]], tf.float32),
        tf.constant([[0], [-1]], tf.int32),
        tf.constant(masks),
        tf.constant([1.0, 3.0]),
    )
    cov, mask = found.cov.numpy(), found.mask.numpy()
    assert mask.shape == (2, *GRID, 2, 2)
    covered = cov[0, ..., 0] > 0
    assert covered.any()
    inside = np.zeros(GRID, bool)
    inside[1:4, 1:6] = True
    assert (covered & inside).sum() < inside.sum()  # the corners of a rectangle stick out of its ellipse
    expected = np.where(inside & ~(covered & preserve), 0.5, 1)
    for objective in (COV, BBOX):
        assert np.array_equal(mask[0, ..., 0, objective], expected)
        assert np.array_equal(mask[1, ..., 0, objective], np.where(inside, 1.5, 3))
    assert (mask[..., 1, :] == np.array([1, 3])[:, None, None, None]).all()
