"""Trainings that validation steers: they anneal, stop, and can be resumed at any step."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import record_files

from detectnet.detection.evaluation import evaluate
from detectnet.detection.tao_table import tao_table
from detectnet.errors import UserError
from detectnet.network import validation
from detectnet.network.predict import predict_keras
from detectnet.network.schedule import EarlyStopping
from detectnet.network.trainer import Trainer
from detectnet.network.training import train

SCHEDULE = """early_stopping_annealing_schedule { min_learning_rate: 5e-6 max_learning_rate: 2e-3
  soft_start_epochs: 1 annealing_epochs: 1 patience_steps: 1 }"""
COSTS = {1: 1.0, 2: 0.8, 3: 0.9, 4: 0.95}  # annealing after epoch 3, the end after epoch 4
CLOCKS = ["seconds", "data_wait", "pictures_per_second"]


@pytest.fixture
def shards(tmp_path):
    return record_files.write_shard(tmp_path, 8), record_files.write_shard(tmp_path, 4, fold=0, seed=9)


@pytest.fixture(autouse=True)
def judged(monkeypatch):
    """The costs that the schedule is told, by epoch, in the place of the true ones; those are kept."""
    inner, true = EarlyStopping.validated, {}

    def validated(self, patience, step, epoch, cost):
        true[epoch] = cost
        return inner(self, patience, step, epoch, COSTS[epoch])

    monkeypatch.setattr(EarlyStopping, "validated", validated)
    return true


def experiment():
    return record_files.experiment(epochs="9", schedule=SCHEDULE, training="checkpoint_seconds: 1e-6")


@pytest.mark.slow
def test_training_anneals_when_patience_runs_out_and_stops_when_it_does_again(shards, tmp_path, judged):
    train(experiment(), [shards[0]], [shards[1]], tmp_path / "out")
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    # the last step of each epoch of two: half-way up, at the top twice, half-way down
    middle = np.sqrt(5e-6 * 2e-3)
    assert history["learning_rate"].to_numpy() == pytest.approx([middle, 2e-3, 2e-3, middle])
    assert history["validation_loss"].tolist() == pytest.approx(list(judged.values()))
    assert history["mAP"].notna().all()  # TAO computes none in this mode
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["steps"] == 8
    last = [json.loads(line) for line in (tmp_path / "out" / "status.jsonl").read_text().splitlines()][-1]
    assert last["status"] == "SUCCESS"


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 7])
def test_a_resumed_training_anneals_and_stops_at_the_same_steps(shards, tmp_path, monkeypatch, step):
    train(experiment(), [shards[0]], [shards[1]], tmp_path / "whole")
    inner = Trainer._one

    def crash(self, *args):
        if self.state.step == step:
            raise RuntimeError("power cut")
        inner(self, *args)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Trainer, "_one", crash)
        train(experiment(), [shards[0]], [shards[1]], tmp_path / "cut")
    train(experiment(), [shards[0]], [shards[1]], tmp_path / "cut")
    whole, cut = (
        pd.read_csv(tmp_path / name / "history.csv").drop(columns=CLOCKS) for name in ("whole", "cut")
    )
    pd.testing.assert_frame_equal(whole, cut, check_exact=True)
    models = [
        keras.models.load_model(tmp_path / name / "model.keras", compile=False) for name in ("whole", "cut")
    ]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("names", [[], ["dontcare"]])
def test_a_validation_without_objects_keeps_the_last_weights(shards, tmp_path, names):
    """Negatives only: costs are validated, a mAP there is not, and the last epoch is not the last planned."""
    held_out = tmp_path / record_files.SHARD.format(source="none", fold=0)
    with record_files.tf.io.TFRecordWriter(str(held_out)) as writer:
        picture = record_files.encoded(np.zeros((96, 96, 3), np.uint8))
        writer.write(record_files.example("images/0", [(10, 20, 58, 44)] * len(names), names, picture))
    train(experiment(), [shards[0]], [held_out], tmp_path / "out")
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["weights"] == {"chosen": "last", "epoch": 4, "mAP": None}
    assert [one["cause"] for one in provenance["preflight"]] == ["class-without-boxes"]
    with predict_keras(tmp_path / "out" / "model.keras", [held_out], experiment()) as found:
        config, clustering = experiment().evaluation_config, experiment().postprocessing_config
        metrics = evaluate(found, found.contract, config, clustering, "train", tmp_path / "metrics")
    assert (metrics["images"], metrics["objects"], metrics["mAP"]) == (1, 0, None)
    assert "plate" in tao_table(metrics, "SAMPLE")


@pytest.mark.slow
def test_a_map_of_zero_is_explained_where_the_training_ends_before_its_last_epoch(
    shards, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO", logger="detectnet")
    inner = validation.rows
    monkeypatch.setattr(validation, "rows", lambda *args, **how: [{**inner(*args, **how)[0], "mAP": 0.0}])
    train(experiment(), [shards[0]], [shards[1]], tmp_path / "out")
    said = [one.getMessage() for one in caplog.records]
    explained = [index for index, text in enumerate(said) if "Likely causes" in text]
    assert len(explained) == 2
    assert explained[1] > next(index for index, text in enumerate(said) if "Stopping after epoch 4" in text)


def test_without_pictures_to_validate_on_it_is_refused(shards, tmp_path):
    with pytest.raises(UserError, match="no pictures to validate on") as caught:
        train(experiment(), [shards[0]], [], tmp_path / "out")
    assert "soft_start_annealing_schedule" in str(caught.value)
