"""An evaluation of a model file: groups of the split, and records that were kept from training."""

from __future__ import annotations

import contextlib
import json
import sys
from types import SimpleNamespace

import pandas as pd
from test_evaluation_files import NEUTRAL, SIZE, Timed, of, picture, settings, six

from detectnet.contract import Contract
from detectnet.deploy.evaluating import evaluate_model

RECORDS = {
    "validation": six(),
    "kept": [of("kept", picture("x", [], [(0, 0.85, (100, 100, 200, 150))])), of("kept", picture("y"))],
}


class Predictions(Timed):
    contract = Contract(SIZE, SIZE, ("plate",))


@contextlib.contextmanager
def predicted(model, records, experiment, *, threads):
    yield Predictions([one for name in records for one in RECORDS[name]])


def test_groups_and_unseen_records_reach_the_metrics(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "detectnet.deploy.predict", SimpleNamespace(predict_onnx=predicted))
    evaluation, post = settings(more=f"{NEUTRAL} average_precision_mode: INTEGRATE")
    experiment = SimpleNamespace(evaluation_config=evaluation, postprocessing_config=post)
    split = tmp_path / "split.csv"
    lines = [f"images/{stem}.jpg,s,{'film' if stem in 'abf' else stem},validation" for stem in "abcdef"]
    split.write_text("\n".join(["image,source,group,fold", *lines]) + "\n")
    out = tmp_path / "out"
    metrics = evaluate_model(
        "model.onnx", ["validation"], experiment, out, stage="onnx", split=split, unseen=["kept"]
    )
    half = pd.read_csv(out / "pictures.csv").set_index("image")["half"]
    assert half["images/a"] == half["images/b"] == half["images/f"] != half["images/e"]
    assert metrics["images"] == 6 and metrics["unseen_negatives"]["images"] == 2
    assert json.loads((out / "metrics.json").read_text()) == metrics

    plain = evaluate_model("model.onnx", ["validation"], experiment, out, stage="onnx")
    assert plain["unseen_negatives"] is None
    assert plain["results"] == metrics["results"]
    half = pd.read_csv(out / "pictures.csv").set_index("image")["half"]
    assert half["images/a"] != half["images/b"]
