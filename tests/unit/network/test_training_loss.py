"""Cost and autoweighting against numbers computed by hand, and against scikit-learn's cross-entropy."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from detectnet.network.loss import LossSettings, costs, renewed_weights, weighted
from detectnet.network.targets import Targets


def loss(classes=1, **values):
    given = {
        "classes": tuple("abc"[:classes]),
        "class_weight": (1 / classes,) * classes,
        "foreground_weight": (0.05,) * classes,
        "initial_weight": ((1 / 11, 10 / 11),) * classes,
        "weight_target": ((1.0, 10.0),) * classes,
        "autoweighting": True,
        "weight_range": (0.0001, 0.9999),
    }
    return LossSettings(**{**given, **values})


def grid(values):
    return tf.constant(np.float32(values).reshape(1, 1, -1, 1))


def cost_of(truth, predicted, settings=None):
    nothing = tf.zeros((1, 1, len(truth), 4))
    targets = Targets(grid(truth), grid(np.zeros(len(truth))), nothing)
    return costs(grid(predicted), nothing, targets, settings or loss()).numpy()


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"), [(1, 0.6, 0.02554), (0, 0.1, 0.1001), (3 / 16, 0.2, 0.4589)]
)
def test_coverage_cost_of_the_reference_numbers(truth, predicted, expected):
    assert cost_of([truth], [predicted])[0, 0] == pytest.approx(expected, rel=1e-3)


def test_the_foreground_weight_starts_above_one_half():
    below, above = cost_of([0.5], [0.5])[0, 0], cost_of([0.5625], [0.5])[0, 0]
    assert below == pytest.approx(0.95 * np.log(2), rel=1e-3)
    assert above == pytest.approx(0.05 * np.log(2), rel=1e-3)


def test_the_mean_goes_over_empty_cells_too():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 2, 40), rng.uniform(0.01, 0.99, 40)
    weight = np.where(truth > 0.5, 0.05, 0.95)
    expected = log_loss(truth, predicted, sample_weight=weight, normalize=False) / 40
    assert cost_of(truth, predicted)[0, 0] == pytest.approx(expected, rel=1e-3)


def test_box_cost_is_weighed_by_coverage_per_area_and_divided_by_all_elements():
    # two cells, four channels: |error| 1, 2, 3, 4 in the cell with weight 0.25, anything in the empty one
    bbox = tf.constant([[[[1.0, -2, 3, -4], [9, 9, 9, 9]]]])
    targets = Targets(grid([1, 0]), grid([0.25, 0]), tf.zeros((1, 1, 2, 4)))
    assert costs(grid([1, 0]), bbox, targets, loss()).numpy()[0, 1] == pytest.approx(0.25 * 10 / 8)


def test_channels_of_the_classes_are_not_mixed_up():
    rng = np.random.default_rng(1)
    cov, weight, truth = (rng.random((2, 3, 4, 2), np.float32) for _ in range(3))
    bbox, distance = (rng.random((2, 3, 4, 8), np.float32) for _ in range(2))
    made = costs(cov, bbox, Targets(*map(tf.constant, (truth, weight, distance))), loss(2)).numpy()
    for one in range(2):
        part = slice(4 * one, 4 * one + 4)
        error = np.abs(bbox[..., part] - distance[..., part]) * weight[..., one : one + 1]
        assert made[one, 1] == pytest.approx(error.mean(), rel=1e-5)


def test_class_weights_and_objective_weights_multiply():
    settings = loss(2, class_weight=(0.75, 0.25))
    total = weighted(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([[0.5, 0.5], [0.1, 0.9]]), settings)
    assert total.numpy() == pytest.approx(0.75 * 1.5 + 0.25 * 3.9)


def test_autoweighting_of_the_reference_numbers():
    made = renewed_weights(np.array([[1 / 11, 10 / 11]]), np.array([[0.02, 0.0005]]), loss())
    assert made[0] == pytest.approx([0.00249, 0.99751], abs=1e-5)


def test_autoweighting_clamps_without_normalising_again():
    made = renewed_weights(np.array([[0.5, 0.5]]), np.array([[1.0, 1e-9]]), loss(weight_range=(0.01, 0.9)))
    assert made.tolist() == [[0.01, 0.9]]


def test_a_class_without_any_cost_keeps_its_weights():
    current = np.array([[0.3, 0.7], [0.2, 0.8]])
    made = renewed_weights(current, np.array([[0.0, 0.0], [1.0, 1.0]]), loss(2))
    assert made[0].tolist() == [0.3, 0.7]
    assert made[1] == pytest.approx([1 / 11, 10 / 11])
    assert np.array_equal(renewed_weights(current, np.ones((2, 2)), loss(2, autoweighting=False)), current)
