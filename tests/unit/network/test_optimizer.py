"""Adam's extensions, against the formulas: decoupled weight decay, and the norm of all gradients."""

import numpy as np
import pytest
import record_files
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from networks import network

from detectnet.network.loss import LossSettings
from detectnet.network.schedule import Patience, SoftStartAnnealing, schedule_of
from detectnet.network.step import TrainingStep, adam
from detectnet.network.targets import Targets
from detectnet.spec import parse

LOSS = LossSettings.from_spec(record_files.experiment())


def experiment(extension):
    text = record_files.experiment().to_text()
    return parse(text.replace("adam {", f"adam {{ {extension}", 1), "experiment")


def step_of(model, extension, rate=0.01):
    """Weights after one step on a fixed batch."""
    rng = np.random.default_rng(0)
    cov = tf.constant(rng.integers(0, 17, (2, 4, 4, 1)) / 16, tf.float32)
    targets = Targets(cov, cov, tf.constant(rng.normal(size=(2, 4, 4, 4)), tf.float32))
    pictures = tf.constant(rng.integers(0, 256, (2, 64, 64, 3), np.uint8))
    step = TrainingStep(model, adam(experiment(extension)), LOSS)
    step(pictures, targets, rate, tf.constant(LOSS.initial_weight, tf.float32))
    return {one.path: one.numpy() for one in model.weights}


def test_weight_decay_shrinks_the_kernels_of_convolutions_and_nothing_else():
    """w - rate * decay * w, beside Adam's own step (Loshchilov and Hutter 2019)."""
    start = {one.path: one.numpy() for one in network(size=64).weights}
    plain, decayed = step_of(network(size=64), ""), step_of(network(size=64), "weight_decay: 0.5")
    kernels = {path for path in start if path.endswith("kernel")}
    assert len(kernels) == 15
    for path, values in start.items():
        shrunk = values * 0.01 * 0.5 if path in kernels else 0
        assert decayed[path] == pytest.approx(plain[path] - shrunk, abs=2e-7), path


def test_a_step_with_a_clipped_gradient_is_adams_step_for_the_smaller_one():
    """The first moments after one step are (1 - beta1) times the gradient: their ratio is the factor."""
    moments = {}
    for limit in (0.0, 1e-3):
        model = network(size=64)
        optimizer = adam(experiment(f"clip_norm: {limit}"))
        step = TrainingStep(model, optimizer, LOSS)
        rng = np.random.default_rng(0)
        cov = tf.ones((2, 4, 4, 1))
        targets = Targets(cov, cov, tf.ones((2, 4, 4, 4)))
        pictures = tf.constant(rng.integers(0, 256, (2, 64, 64, 3), np.uint8))
        step(pictures, targets, 0.01, tf.constant(LOSS.initial_weight, tf.float32))
        count = len(model.trainable_variables)
        moments[limit] = [one.numpy() for one in optimizer.variables if "momentum" in one.path]
        assert len(moments[limit]) == count
    whole = np.concatenate([one.ravel() for one in moments[0.0]]) / 0.1
    clipped = np.concatenate([one.ravel() for one in moments[1e-3]]) / 0.1
    assert np.linalg.norm(whole) > 1e-2
    assert np.linalg.norm(clipped) == pytest.approx(1e-3, rel=1e-4)
    assert clipped == pytest.approx(whole * 1e-3 / np.linalg.norm(whole), rel=1e-3, abs=1e-9)


COSINE = SoftStartAnnealing(2e-5, 2e-3, 0.1, 0.5, cosine=True)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 2e-5), (50, 2e-4), (100, 2e-3), (500, 2e-3), (750, 1.01e-3), (1000, 2e-5)]
)
def test_half_a_cosine_falls_by_half_in_half_of_the_time(step, expected):
    assert COSINE.rate(step, 1000, Patience()) == pytest.approx(expected, rel=1e-9)


@given(st.integers(501, 999))
def test_the_cosine_is_numpys_window(step):
    """The falling half of a Hann window."""
    window = np.hanning(2 * 500 + 1)[500:]
    expected = 2e-5 + (2e-3 - 2e-5) * window[step - 500]
    assert COSINE.rate(step, 1000, Patience()) == pytest.approx(expected, rel=1e-9)


def test_the_shape_is_read_from_the_spec():
    text = record_files.experiment().to_text()
    made = schedule_of(
        parse(text.replace("annealing: 0.7", "annealing: 0.7 annealing_shape: COSINE"), "experiment"), 5
    )
    assert made.cosine
    assert not schedule_of(record_files.experiment(), 5).cosine
