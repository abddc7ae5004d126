"""The moving average of the weights, against the recursion worked by hand."""

import numpy as np
import pytest
import record_files
import tensorflow as tf
from networks import network

from detectnet.network.averaging import WeightAverage
from detectnet.network.inputs import InputSettings, plain_feed
from detectnet.network.loss import LossSettings
from detectnet.network.predict import records_of
from detectnet.network.step import TrainingStep, adam


def test_early_steps_weigh_less_than_the_decay_says():
    model = network(size=64, use_batch_norm=False)
    average = WeightAverage(model, 0.5)
    bias = next(one for one in model.weights if one.name == "bias")
    held = average.variables[[id(one) for one in model.weights].index(id(bias))]
    expected = 0.0
    for step, value in enumerate([4.0, -2.0, 1.0, 0.5, 8.0, 3.0, 3.0, 3.0, 5.0, 6.0], start=1):
        bias.assign(np.full(bias.shape, value))
        average.update(tf.constant(step))
        decay = min(0.5, (1 + step) / (10 + step))  # 2/11, 3/12, ... and from the eighth on 0.5
        expected = decay * expected + (1 - decay) * value
        assert held.numpy() == pytest.approx(np.full(held.shape, expected), rel=1e-6)


def test_inside_the_block_the_network_has_the_averages_and_after_it_its_own_weights():
    model = network(size=64)
    average = WeightAverage(model, 0.9)
    for number, one in enumerate(average.variables):
        one.assign(tf.fill(one.shape, float(number)))
    own = [one.numpy() for one in model.weights]
    with pytest.raises(RuntimeError), average.applied():
        assert [one.numpy().max() for one in model.weights] == list(range(len(model.weights)))
        raise RuntimeError
    assert all(np.array_equal(one.numpy(), old) for one, old in zip(model.weights, own, strict=True))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_every_step_averages_all_weights_and_the_statistics_of_batch_normalisation(tmp_path, policy):
    experiment = record_files.experiment()
    records = records_of(experiment, [record_files.write_shard(tmp_path, 8)])
    loss = LossSettings.from_spec(experiment)
    model = network(size=96, width_multiplier=0.125, policy=policy)
    step = TrainingStep(model, adam(experiment), loss, ema_decay=0.3)
    expected = [one.numpy().astype(np.float64) for one in model.weights]
    names = {one.name for one in model.weights}
    assert {"moving_mean", "moving_variance", "gamma", "kernel"} <= names
    weights = tf.constant(loss.initial_weight, tf.float32)
    feed = plain_feed(records, InputSettings.from_spec(experiment), batch=4)
    for done, (pictures, targets) in enumerate([*feed] * 2, start=1):
        step(pictures, targets, 1e-2, weights)
        decay = min(0.3, (1 + done) / (10 + done))
        expected = [
            decay * one + (1 - decay) * weight.numpy()
            for one, weight in zip(expected, model.weights, strict=True)
        ]
    for one, average, weight in zip(expected, step.average.variables, model.weights, strict=True):
        assert average.numpy() == pytest.approx(one, rel=1e-4, abs=1e-6), weight.path
