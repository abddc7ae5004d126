"""Stages of progressive input: their steps, their work, and the network at another size."""

import keras
import numpy as np
import pytest
import record_files
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from networks import network, outputs, pictures, randomize

from detectnet.errors import UserError
from detectnet.network.model import at_size
from detectnet.network.reporting import WARM_UP_STEPS, Clock
from detectnet.network.stages import Stage, stages_of, work_left
from detectnet.spec import SpecError


def experiment(*stages):
    text = " ".join(f"input_stages {{ until: {until} width: {w} height: {h} }}" for until, w, h in stages)
    return record_files.experiment(training=text)


def test_without_stages_every_step_is_at_full_size():
    assert stages_of(experiment(), 15) == (Stage(0, 15, 96, 96, 1.0),)


def test_stages_end_at_the_next_whole_step_and_the_rest_is_at_full_size():
    made = stages_of(experiment((0.3, 48, 48), (0.75, 96, 48)), 10)
    assert made == (Stage(0, 3, 48, 48, 0.25), Stage(3, 8, 96, 48, 0.5), Stage(8, 10, 96, 96, 1.0))


@pytest.mark.parametrize(
    ("until", "total", "end"), [(0.55, 100, 55), (0.07, 100, 7), (0.6, 5, 3), (0.01, 7, 1)]
)
def test_a_share_counts_as_it_is_written(until, total, end):
    """0.55 x 100 is 55.00000000000001 in binary, which rounded up would be 56."""
    assert stages_of(experiment((until, 48, 48)), total)[0].end == end


def test_the_last_stage_may_last_to_the_end():
    assert [one.width for one in stages_of(experiment((1.0, 48, 48)), 10)] == [48]


def test_a_stage_without_a_step_is_left_out():
    made = stages_of(experiment((0.5, 48, 48), (0.6, 64, 64)), 1)
    assert made == (Stage(0, 1, 48, 48, 0.25),)


@pytest.mark.parametrize(
    ("stages", "named"),
    [
        (((0.5, 48, 48), (0.5, 64, 64)), "until"),
        (((0.5, 48, 48), (0.2, 64, 64)), "until"),
        (((0.5, 112, 96),), "width"),
        (((0.5, 96, 112),), "height"),
        (((0.5, 50, 48),), "multiple of 16"),
        (((1.5, 48, 48),), "until"),
    ],
)
def test_stages_that_cannot_be_are_refused_on_their_line(stages, named):
    with pytest.raises(SpecError, match=named):
        experiment(*stages)


@given(st.integers(0, 40))
def test_the_work_left_is_that_of_every_step_to_come(step):
    stages = stages_of(experiment((0.3, 48, 48), (0.75, 96, 48)), 40)
    per_step = [0.25] * 12 + [0.5] * 18 + [1.0] * 10
    assert work_left(stages, step) == pytest.approx(sum(per_step[step:]))


def timed(clock, seconds, steps=WARM_UP_STEPS + 2):
    for _ in range(steps):
        clock.add(seconds, 0.0)


def test_the_time_to_the_end_goes_by_the_work_of_the_steps_to_come():
    clock = Clock(batch=8)
    clock.restart(0.25)
    assert clock.eta(1) == "?"
    timed(clock, 1.0)
    assert clock.eta(15) == "0:01:00"  # four seconds for a step of full size
    clock.restart(1.0)
    assert clock.eta(15) == "0:01:00"
    timed(clock, 9.0, WARM_UP_STEPS)
    assert clock.eta(15) == "0:01:00"  # they compile
    timed(clock, 6.0, 1)
    assert clock.eta(15) == "0:01:30"
    assert clock.pictures_per_second == pytest.approx(8 / 6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_at_another_size_the_outputs_are_those_of_a_network_of_that_size(policy):
    given_model = randomize(network(size=96, policy=policy))
    built = network(size=64, policy=policy)
    built.set_weights(given_model.get_weights())
    small = at_size(given_model, 64, 64)
    assert small.output_names == given_model.output_names
    for one, other in zip(outputs(small, pictures(64)), outputs(built, pictures(64)), strict=True):
        assert np.array_equal(one, other)


def test_at_its_own_size_a_network_is_itself():
    model = network(size=64)
    assert at_size(model, 64, 64) is model


def test_training_at_another_size_reaches_the_same_variables():
    """Gradients, the optimizer's and those of batch normalisation; the graph of the network itself stays."""
    model = randomize(network(size=96))
    small = at_size(model, 64, 32)
    assert [id(one) for one in small.weights] == [id(one) for one in model.weights]
    before = [one.numpy() for one in model.weights]
    optimizer = keras.optimizers.SGD(0.1)
    with tf.GradientTape() as tape:
        cost = sum(tf.reduce_mean(one**2) for one in small(tf.random.uniform((2, 64, 32, 3)), training=True))
    variables = model.trainable_variables
    optimizer.apply(tape.gradient(cost, [one.value for one in variables]), variables)
    unchanged = [
        one.path for one, old in zip(model.weights, before, strict=True) if np.array_equal(one.numpy(), old)
    ]
    # a bias before batch normalisation has no gradient but rounding errors
    assert not [path for path in unchanged if not path.endswith("bias")]
    assert model.input_shape == (None, 96, 96, 3)
    assert model.get_layer("conv1").output.shape == (None, 48, 48, 16)


def test_a_stage_larger_than_the_network_is_refused_without_the_checks_of_a_file():
    given_spec = experiment((0.5, 96, 96))
    given_spec.augmentation_config.preprocessing._values["output_image_width"] = 64
    with pytest.raises(UserError, match="96 x 96"):
        stages_of(given_spec, 10)
