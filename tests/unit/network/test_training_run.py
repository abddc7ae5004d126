"""Whole trainings of a tiny network: repeatable, resumable after any stop, and honest about what they did."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import record_files

from detectnet.detection.collecting import PictureResult
from detectnet.errors import UserError
from detectnet.imports import files_used
from detectnet.network import plan
from detectnet.network.checkpoints import only_trainer
from detectnet.network.model import load_model
from detectnet.network.predict import predict_keras
from detectnet.network.step import adam
from detectnet.network.trainer import Trainer
from detectnet.network.training import OUTPUTS, train
from detectnet.network.validation import Validator
from detectnet.network.weights import read_hdf5

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
CLOCKS = ["seconds", "data_wait", "pictures_per_second"]
EVERY_STEP = "checkpoint_seconds: 1e-6"


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return record_files.write_shard(folder, 18), record_files.write_shard(folder, 6, fold=0, seed=9)


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """A training that nothing disturbs."""
    out = tmp_path_factory.mktemp("whole")
    train(record_files.experiment(), [shards[0]], [shards[1]], out)
    return out


def assert_same_result(one, other):
    left, right = (pd.read_csv(out / "history.csv").drop(columns=CLOCKS) for out in (one, other))
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    for a, b in zip(load_model(one / "model.keras").weights, load_model(other / "model.keras").weights):
        assert np.array_equal(a.numpy(), b.numpy()), a.path


def crash_at(monkeypatch, step, action):
    inner = Trainer._one

    def one(self, *args):
        if self.state.step == step:
            action()
        inner(self, *args)

    monkeypatch.setattr(Trainer, "_one", one)


def test_outputs_are_complete_and_say_how_they_were_made(whole):
    assert {path.name for path in whole.iterdir()} == {*OUTPUTS, "checkpoints", "events"}
    provenance = json.loads((whole / "provenance.json").read_text())
    assert provenance["records"]["training"]["pictures"] == 18
    assert provenance["seed"] == 7
    assert provenance["steps"] == 15
    assert provenance["threads"] == 2
    assert provenance["pictures_per_second"] > 0
    history = pd.read_csv(whole / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["step"].tolist() == [5, 10, 15]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert history["validation_loss"].notna().all()
    lines = [json.loads(line) for line in (whole / "status.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["STARTED", *["RUNNING"] * 3, "SUCCESS"]
    assert [line["epoch"] for line in lines[1:4]] == [1, 2, 3]


def test_both_model_files_hold_the_same_weights(whole):
    stored = read_hdf5(whole / "model.hdf5")
    model = load_model(whole / "model.keras")
    layer = model.get_layer("block_4a_conv_2")
    assert np.array_equal(stored["block_4a_conv_2"]["kernel"], layer.kernel.numpy())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_training(whole, shards, tmp_path):
    train(record_files.experiment(), [shards[0]], [shards[1]], tmp_path)
    assert_same_result(whole, tmp_path)


def test_a_finished_training_is_not_done_again(whole, shards, monkeypatch):
    crash_at(monkeypatch, 0, lambda: pytest.fail("a step was made"))
    before = (whole / "model.keras").stat().st_mtime_ns
    train(record_files.experiment(), [shards[0]], [shards[1]], whole)
    assert (whole / "model.keras").stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 7, 10])
def test_a_crash_and_a_second_start_equal_an_undisturbed_training(whole, shards, tmp_path, monkeypatch, step):
    def crash():
        raise RuntimeError("power cut")

    experiment = record_files.experiment(training=EVERY_STEP)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        crash_at(patch, step, crash)
        train(experiment, [shards[0]], [shards[1]], tmp_path)
    assert not (tmp_path / "model.keras").exists()
    assert "FAILURE" in (tmp_path / "running.jsonl").read_text().splitlines()[-1]
    assert not (tmp_path / "status.jsonl").exists()
    train(experiment, [shards[0]], [shards[1]], tmp_path)
    assert_same_result(whole, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("best", "start"), [(1, 0), (2, 5)])
def test_lost_best_weights_are_trained_again(shards, tmp_path, monkeypatch, best, start):
    """Cut off after epoch 2 of 3, steps 5 and 10: both checkpoints need epoch 1's weights, one epoch 2's."""
    inner = Validator.run

    def run(self, weights, epoch):
        reached = {best: 0.9}.get(epoch, 0.1 if epoch > best else None)
        return replace(inner(self, weights, epoch), map=reached)

    def cut():
        path = next((tmp_path / "cut").glob("checkpoints/*/best.npz"))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        raise RuntimeError("power cut")

    monkeypatch.setattr(Validator, "run", run)
    arguments = record_files.experiment(), [shards[0]], [shards[1]]
    train(*arguments, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        crash_at(patch, 10, cut)
        train(*arguments, tmp_path / "cut")
    steps = []
    one = Trainer._one
    monkeypatch.setattr(
        Trainer, "_one", lambda self, *args: steps.append(self.state.step) or one(self, *args)
    )
    train(*arguments, tmp_path / "cut")
    assert steps == list(range(start, 15))
    assert_same_result(tmp_path / "whole", tmp_path / "cut")
    made = json.loads((tmp_path / "cut" / "provenance.json").read_text())
    assert made["weights"] == {"chosen": "best validation mAP", "epoch": best, "mAP": 0.9}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_and_the_next_start_goes_on(whole, shards, tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        crash_at(patch, 6, lambda: os.kill(os.getpid(), number))
        train(record_files.experiment(), [shards[0]], [shards[1]], tmp_path)
    assert stopped.value.code == 128 + number
    assert [path.name for path in sorted(tmp_path.glob("checkpoints/*/step-*"))][-1] == "step-000000007.npz"
    assert not (tmp_path / "provenance.json").exists()
    assert not (tmp_path / "status.jsonl").exists()
    train(record_files.experiment(), [shards[0]], [shards[1]], tmp_path)
    assert_same_result(whole, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "status.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == [
        "STARTED",
        "RUNNING",
        "STOPPED",
        "STARTED",
        "RUNNING",
        "RUNNING",
        "SUCCESS",
    ]
    assert signal.Signals(number).name in lines[2]["message"]
    assert lines[4]["message"] == "epoch 2 of 3"
    assert not (tmp_path / "running.jsonl").exists()


@pytest.mark.slow
def test_a_fresh_start_that_is_stopped_does_not_go_on_from_the_old_checkpoints(
    shards, tmp_path, monkeypatch, caplog
):
    experiment = record_files.experiment(epochs="1")
    train(experiment, [shards[0]], [], tmp_path)

    def stop():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        crash_at(patch, 0, stop)
        train(experiment, [shards[0]], [], tmp_path, resume=False)
    assert not list(tmp_path.glob("checkpoints/*/*.npz"))
    made = []
    crash_at(monkeypatch, 0, lambda: made.append("first step"))
    train(experiment, [shards[0]], [], tmp_path)
    assert made == ["first step"]


def test_nothing_measured_is_null_and_not_zero(shards, tmp_path):
    """Three steps are warm-up, so a training of as many has timed nothing."""
    train(record_files.experiment(epochs="1", batch="6"), [shards[0]], [], tmp_path, threads=1)
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["steps"] == 3
    assert provenance["pictures_per_second"] is None
    assert provenance["threads"] == 1


def test_a_second_trainer_is_refused_and_leaves_the_first_ones_log_alone(shards, tmp_path):
    (tmp_path / "running.jsonl").write_text("first\n")
    with only_trainer(tmp_path / "checkpoints"), pytest.raises(UserError, match="still running") as caught:
        train(record_files.experiment(), [shards[0]], [], tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "Wait for it" in str(caught.value)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["checkpoints", "running.jsonl"]
    assert (tmp_path / "running.jsonl").read_text() == "first\n"


def test_only_code_that_trains_decides_whether_to_go_on(monkeypatch, tmp_path):
    scripts = shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    network = scripts / "detectnet/network"
    monkeypatch.setattr(plan, "__file__", str(network / "plan.py"))

    def code_after_change(path):
        with path.open("a") as handle:
            handle.write("# changed\n")
        files_used.cache_clear()
        return plan._code()

    before = plan._code()
    assert code_after_change(network / "pruning.py") == before
    assert code_after_change(scripts / "detectnet/logs.py") == before
    for decisive in (network / "loss.py", scripts / "detectnet/detection/cluster.py"):
        after = code_after_change(decisive)
        assert after != before
        before = after


@pytest.mark.slow
def test_a_changed_spec_does_not_go_on_from_old_checkpoints(whole, shards, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        crash_at(patch, 6, lambda: os.kill(os.getpid(), signal.SIGTERM))
        train(record_files.experiment(rate="0.001"), [shards[0]], [shards[1]], tmp_path)
    train(record_files.experiment(), [shards[0]], [shards[1]], tmp_path)
    assert_same_result(whole, tmp_path)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_with_the_terms_named(shards, tmp_path):
    with pytest.raises(UserError, match="cost_plate") as caught:
        train(record_files.experiment(rate="1e30"), [shards[0]], [], tmp_path)
    assert "max_learning_rate" in str(caught.value)


def test_without_validation_the_last_weights_are_written(shards, tmp_path):
    train(record_files.experiment(epochs="1"), [shards[0]], [], tmp_path)
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["weights"] == {"chosen": "last", "epoch": 1, "mAP": None}
    assert pd.read_csv(tmp_path / "history.csv")["mAP"].isna().all()


def test_bfloat16_trains_and_writes_a_plain_float32_model(shards, tmp_path):
    train(record_files.experiment(training="mixed_bfloat16: true"), [shards[0]], [], tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    model = load_model(tmp_path / "model.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_load_graph_trains_the_given_network(whole, shards, tmp_path):
    experiment = record_files.experiment(epochs="1", model="load_graph: true", depth="18")
    train(experiment, [shards[0]], [], tmp_path, initial_model=whole / "model.keras")
    given, made = load_model(whole / "model.keras"), load_model(tmp_path / "model.keras")
    assert [layer.name for layer in made.layers] == [layer.name for layer in given.layers]
    before, after = (one.get_layer("conv1").kernel.numpy() for one in (given, made))
    assert 0 < np.abs(before - after).max() < 0.1


def test_load_graph_without_a_model_is_refused(shards, tmp_path):
    with pytest.raises(UserError, match="load_graph"):
        train(record_files.experiment(model="load_graph: true"), [shards[0]], [], tmp_path)


def test_predictions_come_once_per_picture_with_their_truth(whole, shards):
    experiment = record_files.experiment()
    with predict_keras(whole / "model.keras", [shards[1]], experiment) as predictions:
        made = list(predictions)
    assert len(made) == len(predictions) == 6
    assert isinstance(made[0], PictureResult)
    assert [one.frame_id for one in made] == [f"images/cars_0_{number}" for number in range(6)]
    assert made[0].cov.shape == (1, 6, 6)
    assert made[0].bbox.shape == (4, 6, 6)
    rng = np.random.default_rng(9)
    model = load_model(whole / "model.keras")
    for one in made:
        picture, boxes = record_files.picture(rng)
        assert np.array_equal(one.truth_boxes, np.float32(boxes).reshape(-1, 4))
        assert one.truth_classes == ["plate"] * len(boxes)
        bbox, cov = model(picture[np.newaxis] / np.float32(255), training=False)
        assert one.cov == pytest.approx(np.moveaxis(cov.numpy()[0], -1, 0), abs=1e-5)
        assert one.bbox == pytest.approx(np.moveaxis(bbox.numpy()[0], -1, 0), abs=1e-4)


def test_adam_is_the_epsilon_hat_form():
    """lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps): not the paper's, where gradients are small."""
    optimizer = adam(record_files.experiment())
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    optimizer.learning_rate.assign(0.01)
    m = v = 0.0
    expected = 1.0
    for step, gradient in enumerate([1e-8, 3e-8, -2e-8], start=1):
        optimizer.apply([keras.ops.array([gradient])], [variable])
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        rate = 0.01 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        expected -= rate * m / (np.sqrt(v) + 1e-8)
        assert variable.numpy()[0] == pytest.approx(expected, abs=2e-7)


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing_but_time(whole, shards, tmp_path):
    spec = tmp_path / "spec.cfg"
    spec.write_text(record_files.experiment(training=EVERY_STEP).to_text())
    out = tmp_path / "out"
    command = [sys.executable, SCRIPTS / "train_detector.py", "--spec", spec, "--training", shards[0]]
    command += ["--validation", shards[1], "--out", out]
    for steps in (2, 9):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while not list(out.glob(f"checkpoints/*/step-{steps:09d}.npz")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert not (out / "provenance.json").exists()
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0
    assert_same_result(whole, out)
