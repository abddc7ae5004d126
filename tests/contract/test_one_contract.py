"""One spec through every consumer of its contract: ONNX file, runtime, DeepStream files, predictions."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from detectnet import spec
from detectnet.contract import Contract
from detectnet.data.kitti import Label, read_detections
from detectnet.data.pictures import save_jpeg
from detectnet.data.tfrecord import example, write_shard
from detectnet.deploy import rtx
from detectnet.deploy.form import Form
from detectnet.deploy.onnx_export import export_file
from detectnet.deploy.predict import predict_onnx
from detectnet.deploy.runtime import Detector
from detectnet.errors import UserError
from detectnet.network.model import build_model, save_model
from detectnet.network.predict import predict_keras

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "config" / "specs" / "demo" / "experiment_config.cfg"


def script(name, *arguments):
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def experiment():
    return spec.load(SPEC, "experiment")


@pytest.fixture(scope="module")
def shards(tmp_path_factory, experiment):
    """Three noisy pictures at network size with one label each."""
    folder, wanted = tmp_path_factory.mktemp("records"), spec.contract_of(experiment)
    random, messages = np.random.default_rng(0), []
    for number in range(3):
        path = folder / f"{number}.jpg"
        save_jpeg(path, random.integers(0, 256, (wanted.height, wanted.width, 3), dtype=np.uint8))
        labels = [Label("plate", box=(20.0, 30.0, 90.0 + number, 60.0))]
        messages.append(example(f"images/{number}", wanted.width, wanted.height, labels, path.read_bytes()))
    path = folder / "scenes-fold-000-of-002-shard-00000-of-00001"
    write_shard(path, messages)
    return [path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, experiment, shards):
    """A folder that the export script wrote from a fresh network of the demo's spec."""
    folder, wanted = tmp_path_factory.mktemp("run"), spec.contract_of(experiment)
    model = build_model(experiment.model_config, wanted.classes, wanted.height, wanted.width)
    # Boxes of about 210 pixels at every cell, so that there is something to cluster.
    model.get_layer("output_bbox").bias.assign(np.full(4, 3.0))
    save_model(model, folder / "model.keras")
    options = ["--model", folder / "model.keras", "--spec", SPEC, "--out", folder / "export"]
    done = script("export_onnx", *options, "--validation", *shards, "--pictures", 2)
    assert done.returncode == 0, done.stderr
    return folder


pytestmark = pytest.mark.slow


def test_the_export_holds_the_spec_s_contract(exported, experiment):
    wanted = spec.contract_of(experiment)
    written = Contract.from_json(json.loads((exported / "export" / "contract.json").read_text()))
    inside = Detector.from_onnx(exported / "export" / "model.onnx").contract
    assert inside == wanted
    assert written.model_sha256 and written != wanted
    assert {**written.to_json(), "model_sha256": None} == wanted.to_json()
    parity = json.loads((exported / "export" / "parity.json").read_text())
    assert parity["pictures"] == 2
    assert parity["largest_difference"]["cov"]["value"] < 1e-3


def test_the_export_seals_the_measured_threshold(exported, experiment, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"deployed": {"threshold": 0.62}, "results": []}))
    options = ["--model", exported / "model.keras", "--spec", SPEC, "--out", tmp_path / "export"]
    done = script("export_onnx", *options, "--metrics", tmp_path / "metrics.json")
    assert done.returncode == 0, done.stderr
    inside = Detector.from_onnx(tmp_path / "export" / "model.onnx").contract
    assert inside.clustering["plate"]["dbscan_confidence_threshold"] == 0.62
    spec_s = spec.contract_of(experiment).clustering["plate"]
    assert inside.clustering["plate"]["coverage_threshold"] == spec_s["coverage_threshold"]
    options = ["--onnx", tmp_path / "export" / "model.onnx", "--out", tmp_path / "deepstream"]
    done = script("write_deepstream", *options, "--contract", tmp_path / "export" / "contract.json")
    assert done.returncode == 0, done.stderr
    assert "dbscan-min-score=0.62\n" in (tmp_path / "deepstream" / "config_infer_primary.txt").read_text()


def test_the_export_seals_the_choice_for_deepstream_in_any_form(exported, experiment, shards, tmp_path):
    chosen = {"cluster_mode": 2, "pre_cluster_threshold": 0.35, "nms_iou_threshold": 0.25, "topk": 20}
    figures = {"deployed": {"threshold": 0.35}, "headline": {"threshold": 0.62}, "results": []}
    metrics = {**figures, "deepstream": {"classes": {"plate": chosen}}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    options = ["--model", exported / "model.keras", "--spec", SPEC, "--out", tmp_path / "export"]
    form = [
        "--batch",
        "dynamic",
        "--names",
        "tensorflow",
        "--preprocess",
        "embedded",
        "--channel-order",
        "BGR",
    ]
    given = ["--metrics", tmp_path / "metrics.json", "--validation", *shards, "--opset", "11"]
    done = script("export_onnx", *options, *form, *given)
    assert done.returncode == 0, done.stderr
    (tmp_path / "alone").mkdir()
    shutil.copy(tmp_path / "export" / "model.onnx", tmp_path / "alone" / "plates.onnx")
    inside = Detector.from_onnx(tmp_path / "alone" / "plates.onnx").contract
    assert chosen.items() <= inside.deepstream["plate"].items()
    assert inside.clustering["plate"]["dbscan_confidence_threshold"] == 0.62
    assert (inside.scale, inside.channel_order, inside.batch, inside.opset) == (1.0, "BGR", -1, 11)
    wanted = spec.contract_of(experiment)
    assert inside.shapes == {f"{name}:0": [-1, *shape[1:]] for name, shape in wanted.shapes.items()}
    parity = json.loads((tmp_path / "export" / "parity.json").read_text())
    assert parity["pictures"] == 3
    assert parity["largest_difference"]["cov"]["value"] < 1e-3


def test_the_onnx_tensors_are_the_contract_s(exported, experiment):
    graph = onnx.load(exported / "export" / "model.onnx").graph
    shapes = {
        value.name: [one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == spec.contract_of(experiment).shapes


def test_the_deepstream_folder_follows_it(exported, experiment, tmp_path):
    wanted, export = spec.contract_of(experiment), exported / "export"
    options = ["--onnx", export / "model.onnx", "--contract", export / "contract.json", "--out", tmp_path]
    done = script("write_deepstream", *options, "--width", 1280, "--height", 720, "--threshold", 0.4)
    assert done.returncode == 0, done.stderr
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.read_string((tmp_path / "config_infer_primary.txt").read_text())
    found = parser["property"]
    assert found["infer-dims"] == f"{wanted.channels};{wanted.height};{wanted.width}"
    assert float(found["net-scale-factor"]) == pytest.approx(wanted.scale)
    assert (tmp_path / "labels.txt").read_text().split() == list(wanted.classes)
    assert float(parser["class-attrs-0"]["dbscan-min-score"]) == 0.4
    assert float(parser["class-attrs-0"]["pre-cluster-threshold"]) == 0.005
    assert (tmp_path / "model.onnx").read_bytes() == (export / "model.onnx").read_bytes()


def test_a_contract_of_another_model_is_refused(exported, tmp_path):
    content = json.loads((exported / "export" / "contract.json").read_text())
    (tmp_path / "contract.json").write_text(json.dumps({**content, "model_sha256": "1" * 64}))
    options = ["--onnx", exported / "export" / "model.onnx", "--contract", tmp_path / "contract.json"]
    done = script("write_deepstream", *options, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "belongs to another model" in done.stderr
    assert "Traceback" not in done.stderr


def test_keras_and_onnx_give_the_same_predictions(exported, experiment, shards):
    onnx_path = exported / "export" / "model.onnx"
    with predict_keras(exported / "model.keras", shards, experiment) as before:
        assert before.seconds_per_image is None
        first = list(before)
        assert before.seconds_per_image > 0, "three pictures are one batch, and that is measured"
    with predict_onnx(onnx_path, shards, experiment, threads=1) as after:
        second = list(after)
        assert len(after) == 3
        assert after.seconds_per_image > 0
    for a, b in zip(first, second, strict=True):
        assert (a.frame_id, a.source, list(a.truth_classes)) == (b.frame_id, b.source, list(b.truth_classes))
        np.testing.assert_array_equal(a.truth_boxes, b.truth_boxes)
        np.testing.assert_allclose(a.cov, b.cov, atol=1e-4)
        np.testing.assert_allclose(a.bbox, b.bbox, atol=1e-3)


def test_a_file_of_two_pictures_predicts_the_same_for_three(exported, experiment, shards, tmp_path):
    wanted = Form(batch=2).of(spec.contract_of(experiment))
    export_file(exported / "model.keras", wanted, tmp_path / "two.onnx", tmp_path / "two.contract.json")
    with predict_onnx(exported / "export" / "model.onnx", shards, experiment, threads=1) as single:
        first = list(single)
    with predict_onnx(tmp_path / "two.onnx", shards, experiment, threads=1) as pairs:
        assert len(pairs) == 3
        second = list(pairs)
        assert pairs.seconds_per_image > 0
    for a, b in zip(first, second, strict=True):
        assert a.frame_id == b.frame_id
        np.testing.assert_allclose(a.cov, b.cov, atol=1e-5)
        np.testing.assert_allclose(a.bbox, b.bbox, atol=1e-4)


def test_predictions_need_the_spec_of_the_network(exported, experiment, shards):
    preprocessing = experiment.augmentation_config.preprocessing
    other = SPEC.read_text().replace(
        f"output_image_width: {preprocessing.output_image_width}", "output_image_width: 640"
    )
    with (
        pytest.raises(UserError, match=r"width is 320 in the exported network.*640"),
        predict_onnx(exported / "export" / "model.onnx", shards, spec.parse(other, "experiment")),
    ):
        pass


@pytest.mark.skipif(not rtx.available(), reason=rtx.HOW_TO_INSTALL)
def test_nvidia_s_parser_takes_the_export(exported, tmp_path):
    done = script("build_engine", "--model", exported / "export" / "model.onnx", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    built = json.loads((tmp_path / "build.json").read_text())
    assert (tmp_path / built["engine"]).stat().st_size == built["bytes"]


def test_every_inference_command_finds_the_same(exported, tmp_path):
    picture = tmp_path / "in" / "gate.jpg"
    save_jpeg(picture, np.random.default_rng(4).integers(0, 256, (360, 640, 3), dtype=np.uint8))
    models = exported / "export" / "model.onnx", exported / "model.keras"
    runs = {
        "detect": ("detect", "--model", models[0], "--output", tmp_path / "detect", picture.parent),
        "onnx": ("infer_pictures", "--model", models[0], "--source", picture, "--out", tmp_path / "onnx"),
        "keras": ("infer_pictures", "--model", models[1], "--source", picture, "--out", tmp_path / "keras"),
    }
    for name, command in runs.items():
        done = script(*command, *(["--spec", SPEC] if name == "keras" else []))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / "images_annotated" / "gate.jpg").is_file()
    labels = {name: tmp_path / name / "labels" / "gate.txt" for name in runs}
    assert labels["detect"].read_bytes() == labels["onnx"].read_bytes()
    (names, boxes, confidence), expected = (read_detections(labels[name]) for name in ("keras", "onnx"))
    assert names == expected[0] == ["plate"] * len(names) and names
    np.testing.assert_allclose(boxes, expected[1], atol=0.01)
    np.testing.assert_allclose(confidence, expected[2], rtol=1e-4)
