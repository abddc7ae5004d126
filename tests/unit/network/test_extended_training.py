"""Whole trainings with small input first, averaged weights and a teacher: resumable, and honest."""

import json

import numpy as np
import pandas as pd
import pytest
import record_files
from networks import network, randomize

from detectnet.network.averaging import WeightAverage
from detectnet.network.checkpoints import Checkpoints
from detectnet.network.inputs import InputSettings
from detectnet.network.model import load_model, save_model
from detectnet.network.step import EvaluationStep, TrainingStep
from detectnet.network.trainer import Trainer
from detectnet.network.training import train

CLOCKS = ["seconds", "data_wait", "pictures_per_second"]
STAGE = "input_stages { until: 0.4 width: 64 height: 48 }"  # steps 0 to 5 of 15
AVERAGE = "ema_decay: 0.7"
LESSON = 'distillation { teacher_model_file: "%s" cov_weight: 0.5 bbox_weight: 0.5 }'


def extended(teacher):
    return record_files.experiment(training=f"{STAGE} {AVERAGE} {LESSON % teacher} checkpoint_seconds: 1e-6")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return record_files.write_shard(folder, 18), record_files.write_shard(folder, 6, fold=0, seed=9)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "model.keras"
    save_model(randomize(network(10, 96, width_multiplier=0.125)), path)
    return path


@pytest.fixture(scope="module")
def whole(shards, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    train(extended(teacher), [shards[0]], [shards[1]], out)
    return out


def assert_same_result(one, other):
    left, right = (pd.read_csv(out / "history.csv").drop(columns=CLOCKS) for out in (one, other))
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert (one / "model.keras").read_bytes() == (other / "model.keras").read_bytes()


def before_each_step(monkeypatch, action):
    inner = Trainer._one

    def one(self, pictures, targets):
        action(self, pictures)
        inner(self, pictures, targets)

    monkeypatch.setattr(Trainer, "_one", one)


def test_history_and_provenance_say_what_was_done(whole, teacher):
    history = pd.read_csv(whole / "history.csv")
    parts = history["task_loss"] + history["regularization_loss"] + history["distillation_loss"]
    assert history["loss"].to_numpy() == pytest.approx(parts.to_numpy(), rel=1e-5)
    assert {"cost_plate_cov", "cost_plate_bbox"} <= set(history.columns)
    made = json.loads((whole / "provenance.json").read_text())["teacher"]
    assert made["file"] == str(teacher)
    assert len(made["sha256"]) == 64


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 6, 9])
def test_a_crash_inside_a_stage_or_between_two_changes_nothing(
    whole, shards, teacher, tmp_path, monkeypatch, step
):
    def crash(trainer, pictures):
        if trainer.state.step == step:
            raise RuntimeError("power cut")

    experiment = extended(teacher)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power cut"):
        before_each_step(patch, crash)
        train(experiment, [shards[0]], [shards[1]], tmp_path)
    train(experiment, [shards[0]], [shards[1]], tmp_path)
    assert_same_result(whole, tmp_path)


@pytest.mark.slow
def test_small_pictures_come_first_and_validation_is_always_at_full_size(shards, tmp_path, monkeypatch):
    trained, validated = [], []
    inner = EvaluationStep.__call__

    def evaluate(self, pictures, targets):
        validated.append(tuple(pictures.shape[1:3]))
        return inner(self, pictures, targets)

    before_each_step(monkeypatch, lambda trainer, pictures: trained.append(tuple(pictures.shape[1:3])))
    monkeypatch.setattr(EvaluationStep, "__call__", evaluate)
    train(record_files.experiment(training=STAGE), [shards[0]], [shards[1]], tmp_path)
    assert trained == [(48, 64)] * 6 + [(96, 96)] * 9
    assert set(validated) == {(96, 96)}
    assert load_model(tmp_path / "model.keras").input_shape == (None, 96, 96, 3)


def test_without_stages_no_window_is_asked_for(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(InputSettings, "window", lambda *size: pytest.fail("a window"), raising=False)
    train(record_files.experiment(epochs="1"), [shards[0]], [], tmp_path)


def test_without_validation_the_averaged_weights_are_written(shards, tmp_path, monkeypatch):
    averages = []
    inner = WeightAverage.apply

    def apply(self):
        averages.append([one.numpy() for one in self.variables])
        inner(self)

    monkeypatch.setattr(WeightAverage, "apply", apply)
    train(record_files.experiment(epochs="1", training=AVERAGE), [shards[0]], [], tmp_path)
    written = load_model(tmp_path / "model.keras").weights
    assert all(np.array_equal(one.numpy(), two) for one, two in zip(written, averages[-1], strict=True))


@pytest.mark.slow
def test_the_averages_are_validated_and_the_best_of_them_are_kept(shards, tmp_path, monkeypatch):
    """What is written is, of the best epoch, what a step beside it says that the averages were."""
    averages, saved = {}, {}
    step, best = TrainingStep.__call__, Checkpoints.save_best

    def run(self, *args):
        result = step(self, *args)
        averages["now"] = [one.numpy() for one in self.average.variables]
        averages["own"] = [one.numpy() for one in self.model.weights]
        return result

    def keep(self, arrays, state):
        saved[state.best_epoch] = list(averages["now"])
        assert all(np.array_equal(arrays[f"{n:05d}"], one) for n, one in enumerate(averages["now"]))
        assert not all(np.array_equal(arrays[f"{n:05d}"], one) for n, one in enumerate(averages["own"]))
        best(self, arrays, state)

    monkeypatch.setattr(TrainingStep, "__call__", run)
    monkeypatch.setattr(Checkpoints, "save_best", keep)
    train(record_files.experiment(training=AVERAGE), [shards[0]], [shards[1]], tmp_path)
    made = json.loads((tmp_path / "provenance.json").read_text())["weights"]["epoch"]
    written = load_model(tmp_path / "model.keras").weights
    assert all(np.array_equal(one.numpy(), two) for one, two in zip(written, saved[made], strict=True))
