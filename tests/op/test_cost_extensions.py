"""Focal and GIoU costs, eager and compiled, against plain loops over corners; and their gradients."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from detectnet.network.loss import THINNEST, LossSettings, costs, giou
from detectnet.network.targets import Targets

PLAIN = LossSettings(
    classes=("a", "b"),
    class_weight=(0.5, 0.5),
    foreground_weight=(0.05, 0.6),
    initial_weight=((0.5, 0.5), (0.5, 0.5)),
    weight_target=((1.0, 1.0), (1.0, 1.0)),
    autoweighting=False,
    weight_range=(0.0001, 0.9999),
)
CLASSES, GRID = 2, (2, 3, 4)
UNIT = 35.0  # pixels


def corner_giou(one, other):
    """Of boxes given as x1 y1 x2 y2, each with x1 < x2 and y1 < y2."""

    def area(box):
        return (box[2] - box[0]) * (box[3] - box[1])

    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    intersection = wide * high if wide > 0 and high > 0 else 0.0
    union = area(one) + area(other) - intersection
    hull = area((*map(min, one[:2], other[:2]), *map(max, one[2:], other[2:])))
    return intersection / union - (hull - union) / hull


def sides(box, x, y):
    """A box in pixels as the network's four numbers at a point."""
    return [(x - box[0]) / UNIT, (y - box[1]) / UNIT, (box[2] - x) / UNIT, (box[3] - y) / UNIT]


def random_box(rng):
    x, y = rng.uniform(-20, 60, 2)
    return x, y, x + rng.uniform(2, 90), y + rng.uniform(2, 40)


def scene(seed, masked):
    rng = np.random.default_rng(seed)
    shape = (*GRID, CLASSES)
    truth = rng.integers(0, 17, shape) / 16 * rng.integers(0, 2, shape)
    boxes = np.array([random_box(rng) for _ in range(2 * truth.size)]).reshape(2, *shape, 4)
    points = rng.uniform(0, 60, (*shape, 2))
    return {
        "cov": rng.uniform(0, 1, shape),
        "truth": truth,
        "weight": truth / rng.uniform(1, 9, shape),
        "boxes": boxes,
        "points": points,
        "mask": rng.integers(0, 3, (*shape, 2)) / 2 if masked else None,
    }


def tensors_of(given):
    made = np.array(
        [
            [sides(given["boxes"][part][place], *given["points"][place]) for part in (0, 1)]
            for place in np.ndindex(*GRID, CLASSES)
        ]
    )
    bbox, aimed = (made[:, part].reshape(*GRID, 4 * CLASSES).astype(np.float32) for part in (0, 1))
    mask = None if given["mask"] is None else tf.constant(given["mask"], tf.float32)
    truth, weight, cov = (tf.constant(given[name], tf.float32) for name in ("truth", "weight", "cov"))
    return cov, tf.constant(bbox), Targets(truth, weight, tf.constant(aimed), mask)


def scalar(given, kind, gamma, giou_weight):
    entropy = boxes = 0.0
    for place in np.ndindex(*GRID):
        at = (*place, kind)
        truth, cov = given["truth"][at], given["cov"][at]
        both = (1.0, 1.0) if given["mask"] is None else given["mask"][at]
        share = PLAIN.foreground_weight[kind] if truth > 0.5 else 1 - PLAIN.foreground_weight[kind]
        cross = -(truth * math.log(cov + 1e-5) + (1 - truth) * math.log(1 - cov + 1e-5))
        entropy += both[0] * share * cross * abs(truth - cov) ** gamma
        found, aimed = (given["boxes"][part][at] for part in (0, 1))
        distance = sum(abs(a - b) for a, b in zip(found, aimed, strict=True)) / UNIT / 4
        overlap = corner_giou(tuple(found), tuple(aimed))
        boxes += both[1] * given["weight"][at] * (distance + giou_weight * (1 - overlap))
    return entropy / math.prod(GRID), boxes / math.prod(GRID)


@pytest.mark.parametrize("how", ["eager", "compiled", "tf.data"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("gamma", "weight"), [(0.5, 0.0), (2.0, 0.0), (0.0, 1.5), (1.0, 0.3)])
def test_costs_equal_the_scalar_implementation(how, masked, gamma, weight):
    settings = replace(PLAIN, focal_gamma=gamma, giou_weight=weight)
    for seed in range(3):
        scenery = scene(seed, masked)
        tensors = tensors_of(scenery)

        def run(*inner):
            return costs(*inner, settings)

        if how == "tf.data":
            made = next(iter(tf.data.Dataset.from_tensors(tensors).map(run)))
        else:
            made = (tf.function(run) if how == "compiled" else run)(*tensors)
        expected = [scalar(scenery, kind, gamma, weight) for kind in range(CLASSES)]
        assert made.numpy() == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)


def test_without_the_extensions_nothing_is_computed_for_them():
    tensors = tensors_of(scene(0, masked=True))
    graph = tf.function(lambda *inner: costs(*inner, PLAIN)).get_concrete_function(*tensors).graph
    assert not {"Maximum", "Pow"} & {one.type for one in graph.get_operations()}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 1, 1), (1, 0, 2, 1), 0.0),  # side by side: the hull is the union
        ((0, 0, 1, 1), (3, 0, 4, 1), -0.5),
        ((0, 0, 2, 2), (2, 2, 4, 4), -0.5),
        ((0, 0, 4, 4), (1, 1, 3, 3), 0.25),
    ],
)
def test_giou_of_boxes_worked_by_hand(one, other, expected):
    left, right = (tf.constant([-box[0], -box[1], box[2], box[3]], tf.float32) for box in (one, other))
    assert giou(left, right).numpy() == pytest.approx(expected, abs=1e-6)
    assert giou(right, left).numpy() == pytest.approx(expected, abs=1e-6)


SIDE = st.floats(-1e3, 1e3, width=32)
BOX = st.lists(st.one_of(SIDE, st.just(0.0)), min_size=4, max_size=4)


@given(BOX, BOX)
def test_giou_and_its_gradient_are_finite_for_any_box(one, other):
    """Also for boxes that are turned inside out, as an untrained head gives them."""
    boxes, aimed = tf.Variable(one, dtype=tf.float32), tf.constant(other, tf.float32)
    with tf.GradientTape() as tape:
        overlap = giou(boxes, aimed)
    assert np.isfinite(overlap.numpy())
    assert np.isfinite(tape.gradient(overlap, boxes).numpy()).all()


def test_a_box_without_any_width_has_giou_0_inside_another():
    assert giou(tf.constant([1.0, 1.0, -1.0, 1.0]), tf.constant([2.0, 2.0, 2.0, 2.0])).numpy() == (
        pytest.approx(0.0, abs=THINNEST)
    )


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_focal_gradients_are_finite_where_the_network_is_exactly_right_or_wrong(gamma):
    truth = tf.constant([[[[0.0, 1.0], [0.5, 0.0]], [[1.0, 0.25], [0.0, 1.0]]]])
    cov = tf.Variable([[[[0.0, 1.0], [0.5, 1.0]], [[0.0, 0.25], [1e-30, 0.9999999]]]])
    nothing = tf.zeros((1, 2, 2, 8))
    with tf.GradientTape() as tape:
        made = costs(cov, nothing, Targets(truth, truth, nothing), replace(PLAIN, focal_gamma=gamma))
        total = tf.reduce_sum(made)
    assert np.isfinite(made.numpy()).all()
    assert np.isfinite(tape.gradient(total, cov).numpy()).all()


def test_a_higher_gamma_leaves_less_of_an_easy_cell_than_of_a_hard_one():
    """Errors 0.1 and 0.9: with gamma 2 the easy cell keeps a hundredth of its cost, the hard one 0.81."""
    truth, nothing = tf.zeros((1, 1, 1, 2)), tf.zeros((1, 1, 1, 8))
    cov, targets = tf.constant([[[[0.1, 0.9]]]]), Targets(truth, truth, nothing)
    plain = costs(cov, nothing, targets, PLAIN).numpy()[:, 0]
    focal = costs(cov, nothing, targets, replace(PLAIN, focal_gamma=2.0)).numpy()[:, 0]
    assert focal / plain == pytest.approx([0.01, 0.81], rel=1e-5)
