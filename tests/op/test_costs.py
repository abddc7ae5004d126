"""The cost, eager and compiled, against plain loops: random grids, masks and weights."""

import math

import numpy as np
import pytest
import tensorflow as tf

from detectnet.network.loss import LossSettings, costs, renewed_weights, weighted
from detectnet.network.targets import Targets

CLASSES = 3
WEIGHT = (0.5, 0.3, 0.2)
FOREGROUND = (0.05, 0.4, 0.9)
SETTINGS = LossSettings(
    classes=("a", "b", "c"),
    class_weight=WEIGHT,
    foreground_weight=FOREGROUND,
    initial_weight=((1 / 11, 10 / 11), (0.5, 0.5), (1.0, 0.0)),
    weight_target=((1.0, 10.0), (1.0, 1.0), (3.0, 1.0)),
    autoweighting=True,
    weight_range=(0.0001, 0.9999),
)


def eager(*tensors):
    return costs(*tensors, SETTINGS)


def compiled(*tensors):
    return tf.function(lambda *inner: costs(*inner, SETTINGS))(*tensors)


def in_tf_data(*tensors):
    return next(iter(tf.data.Dataset.from_tensors(tensors).map(lambda *inner: costs(*inner, SETTINGS))))


def scene(seed, masked, batch=2, rows=3, columns=4):
    rng = np.random.default_rng(seed)
    shape = (batch, rows, columns, CLASSES)
    truth = rng.integers(0, 17, shape) / 16 * rng.integers(0, 2, shape)
    weight = truth / rng.uniform(1, 9, shape)
    mask = {
        "none": None,
        "full": rng.integers(0, 3, (*shape, 2)) / 2,
        "source": rng.uniform(0, 3, (batch, 1, 1, 1, 2)),
    }[masked]
    return {
        "cov": rng.uniform(0, 1, shape),
        "bbox": rng.normal(size=(*shape[:3], 4 * CLASSES)),
        "truth": truth,
        "weight": weight,
        "distance": rng.normal(size=(*shape[:3], 4 * CLASSES)),
        "mask": mask,
    }


def scalar(given, kind):
    """Both mean costs of a class."""
    batch, rows, columns, _ = given["truth"].shape
    mask = given["mask"]
    if mask is not None:
        mask = np.broadcast_to(mask, (batch, rows, columns, CLASSES, 2))
    entropy = distance = 0.0
    for place in np.ndindex(batch, rows, columns):
        t, p = given["truth"][place][kind], given["cov"][place][kind]
        both = (1.0, 1.0) if mask is None else mask[place][kind]
        share = FOREGROUND[kind] if t > 0.5 else 1 - FOREGROUND[kind]
        entropy -= both[0] * share * (t * math.log(p + 1e-5) + (1 - t) * math.log(1 - p + 1e-5))
        for side in range(4):
            error = abs(given["bbox"][place][4 * kind + side] - given["distance"][place][4 * kind + side])
            distance += both[1] * given["weight"][place][kind] * error
    cells = batch * rows * columns
    return entropy / cells, distance / (4 * cells)


@pytest.mark.parametrize("run", [eager, compiled, in_tf_data])
@pytest.mark.parametrize("masked", ["none", "full", "source"])
@pytest.mark.parametrize("batch", [1, 3])
def test_random_grids_equal_the_scalar_implementation(run, masked, batch):
    for seed in range(5):
        given = scene(seed, masked, batch)
        tensors = {
            name: None if value is None else tf.constant(value, tf.float32) for name, value in given.items()
        }
        targets = Targets(tensors["truth"], tensors["weight"], tensors["distance"], tensors["mask"])
        made = run(tensors["cov"], tensors["bbox"], targets).numpy()
        expected = [scalar(given, kind) for kind in range(CLASSES)]
        assert made == pytest.approx(np.array(expected), rel=1e-4, abs=1e-7)
        objective = np.random.default_rng(seed).uniform(0, 1, (CLASSES, 2))
        total = sum(
            WEIGHT[kind] * (objective[kind, 0] * one + objective[kind, 1] * other)
            for kind, (one, other) in enumerate(expected)
        )
        assert weighted(tf.constant(made), tf.constant(objective), SETTINGS).numpy() == pytest.approx(
            total, rel=1e-4
        )


def test_a_masked_cell_still_counts_in_the_mean():
    """Of four equal cells one is masked: three quarters of the cost are left."""
    half = tf.fill((1, 2, 2, CLASSES), 0.5)
    nothing = tf.zeros((1, 2, 2, 4 * CLASSES))
    mask = np.ones((1, 2, 2, CLASSES, 2), np.float32)
    mask[0, 0, 0] = 0
    whole = costs(half, nothing, Targets(half, half, nothing + 1), SETTINGS).numpy()
    left = costs(half, nothing, Targets(half, half, nothing + 1, tf.constant(mask)), SETTINGS).numpy()
    assert left == pytest.approx(0.75 * whole, rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_weights_over_several_epochs_equal_the_scalar_rule(seed):
    rng = np.random.default_rng(seed)
    current = np.array(SETTINGS.initial_weight)
    expected = current.tolist()
    for _ in range(4):
        sums = rng.uniform(0, 1, (CLASSES, 2)) * 10.0 ** rng.integers(-8, 1, (CLASSES, 2))
        sums *= rng.integers(0, 4, (CLASSES, 2)) > 0
        current = renewed_weights(current, sums, SETTINGS)
        for kind in range(CLASSES):
            gains = [
                SETTINGS.weight_target[kind][one] / sums[kind][one] if sums[kind][one] else 0.0
                for one in range(2)
            ]
            if sum(gains):
                expected[kind] = [min(max(gain / sum(gains), 0.0001), 0.9999) for gain in gains]
        assert current == pytest.approx(np.array(expected), rel=1e-9)
