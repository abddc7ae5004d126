"""An evaluation of a model file: groups of the split, and records that were kept from training."""

from __future__ import annotations

import contextlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
from test_evaluation_files import NEUTRAL, SIZE, Timed, of, picture, settings, six

from detectnet.contract import Contract
from detectnet.data import manifest
from detectnet.data.pictures import save_jpeg
from detectnet.deploy.evaluating import DeepStreamRequest, evaluate_model
from detectnet.detection.goals import Goal

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


class Square:
    """A network that finds the plate of picture a, on pictures that are red."""

    def __init__(self, model, threads):
        assert (model, threads) == ("model.onnx", 1)

    def __call__(self, inputs):
        (found,), (empty,) = ([one for one in six() if one.frame_id[-1] == stem] for stem in "ad")
        shown = [found if one[0].max() > 0.9 else empty for one in inputs]
        return np.stack([one.cov for one in shown]), np.stack([one.bbox for one in shown])


def test_deepstream_looks_at_the_originals_of_the_records(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "detectnet.deploy.predict", SimpleNamespace(predict_onnx=predicted))
    monkeypatch.setattr("detectnet.deploy.runtime.OnnxNetwork", Square)
    folder = tmp_path / "kitti" / "s"
    rows = []
    for stem in "abcdef":
        picture = np.full((SIZE, SIZE, 3), (255 if stem == "a" else 0, 0, 0), np.uint8)
        save_jpeg(folder / "images" / f"{stem}.jpg", picture)
        rows.append((f"images/{stem}.jpg", "", SIZE, SIZE, "", "", stem, "s", 1))
    manifest.write(folder / "manifest.csv", pd.DataFrame(rows, columns=manifest.COLUMNS))
    evaluation, post = settings(more=f"{NEUTRAL} average_precision_mode: INTEGRATE")
    experiment = SimpleNamespace(evaluation_config=evaluation, postprocessing_config=post)
    wanted = DeepStreamRequest(tmp_path / "kitti", Goal("recall", 0.3), "2", (640, 480))
    found = evaluate_model(
        "model.onnx", ["validation"], experiment, tmp_path, stage="onnx", threads=1, deepstream=wanted
    )
    summary = found["deepstream"]
    assert (summary["goal"], summary["mode"]) == ({"recall": 0.3}, "nms")
    views = [(one["scaling"], one["frame"]) for one in summary["measured"]]
    assert views == [("bilinear", "source"), ("nearest", "source"), ("bilinear", "640x480")]
    # The plate of a is one of three that count; in a stretched frame the same output means another place.
    assert [one["recall"] for one in summary["measured"]] == [1 / 3, 1 / 3, 0.0]
    assert found["mAP"] == found["deployed"]["recall"] == 1 / 3
