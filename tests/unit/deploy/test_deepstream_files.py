"""The DeepStream folder, read back as DeepStream's own parser would and held against the contract."""

from __future__ import annotations

import configparser
import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from small_networks import CLUSTERING, contract

from detectnet.deploy.deepstream import (
    StreamSettings,
    app_text,
    figures_of,
    infer_text,
    translated,
    write_folder,
)
from detectnet.detection.cluster import ClusterSettings
from detectnet.detection.folders import score_folders
from detectnet.errors import UserError

NMS = {"clustering_algorithm": "NMS", "coverage_threshold": 0.2, "nms_confidence_threshold": 0.35}


def parsed(path):
    parser = configparser.ConfigParser(
        delimiters="=", comment_prefixes="#", inline_comment_prefixes=None, interpolation=None
    )
    parser.optionxform = str
    parser.read_string(path.read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def written(tmp_path, wanted, stream=None, metrics=None):
    model = tmp_path / "given.onnx"
    model.write_bytes(b"the model")
    write_folder(wanted, model, tmp_path / "out", stream, metrics=metrics)
    out = tmp_path / "out"
    return out, parsed(out / "config_infer_primary.txt"), parsed(out / "config_deepstream.txt")


def numbers(text):
    return [float(part) for part in text.split(";") if part]


def test_the_folder_is_complete_and_its_references_stay_inside(tmp_path):
    out, infer, app = written(tmp_path, contract())
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config_deepstream.txt",
        "config_infer_primary.txt",
        "kitti",
        "labels.txt",
        "model.onnx",
    ]
    assert list((out / "kitti").iterdir()) == []
    assert (out / "model.onnx").read_bytes() == b"the model"
    assert (out / "labels.txt").read_text().splitlines() == ["plate", "car"]
    named = [
        infer["property"]["onnx-file"],
        infer["property"]["labelfile-path"],
        app["primary-gie"]["config-file"],
    ]
    assert all((out / name).is_file() for name in named)
    # nvinfer names the engine that it builds after model, batch, GPU and precision, and looks for it first.
    assert infer["property"]["model-engine-file"] == "model.onnx_b1_gpu0_fp16.engine"


@pytest.mark.parametrize(
    "wanted",
    [
        contract(),
        contract(640, 384, ("plate",)),
        contract(channels=1, channel_order="GRAY", offsets=(3.0,), scale=0.01),
        contract(scale=1.0, channel_order="BGR", input_name="input_1:0", cov_name="output_cov/Sigmoid:0"),
    ],
    ids=["two classes", "wide", "grey", "embedded"],
)
def test_every_value_of_the_contract_arrives(tmp_path, wanted):
    _, infer, _ = written(tmp_path, wanted)
    found = infer["property"]
    assert np.float32(found["net-scale-factor"]) == np.float32(wanted.scale)
    assert numbers(found["offsets"]) == list(wanted.offsets)
    assert numbers(found["infer-dims"]) == [wanted.channels, wanted.height, wanted.width]
    assert int(found["model-color-format"]) == {"RGB": 0, "BGR": 1, "GRAY": 2}[wanted.channel_order]
    assert set(found["output-blob-names"].split(";")) == {wanted.cov_name, wanted.bbox_name}
    assert int(found["num-detected-classes"]) == len(wanted.classes)
    assert (found["network-mode"], found["network-type"], found["process-mode"]) == ("2", "0", "1")
    assert (found["maintain-aspect-ratio"], found["scaling-filter"]) == ("1", "1")
    assert "symmetric-padding" not in found
    assert not any(key.startswith(("tlt", "uff")) for key in found)
    sections = [section for section in infer if section != "property"]
    assert sections == [f"class-attrs-{index}" for index in range(len(wanted.classes))]


def test_dbscan_thresholds(tmp_path):
    _, infer, _ = written(tmp_path, contract(), StreamSettings(width=192, height=64))
    assert infer["property"]["cluster-mode"] == "1"
    assert {key: float(value) for key, value in infer["class-attrs-1"].items()} == {
        "pre-cluster-threshold": 0.3,
        "post-cluster-threshold": 0,
        "topk": -1,
        "eps": 0.4,
        "minBoxes": 1,  # the summed coverage 0.5 of a core point takes one cell; 0 would switch DBSCAN off
        "dbscan-min-score": 0.5,
        "detected-min-h": 8,  # 4 pixels of the network are 8 of a frame of twice its width
    }


def test_nms_thresholds(tmp_path):
    wanted = dataclasses.replace(contract(), clustering={"plate": NMS, "car": NMS})
    _, infer, _ = written(tmp_path, wanted)
    assert infer["property"]["cluster-mode"] == "2"
    assert {key: float(value) for key, value in infer["class-attrs-0"].items()} == {
        "pre-cluster-threshold": 0.2,
        "nms-iou-threshold": 0.3,
        "post-cluster-threshold": 0.35,
        "topk": -1,
    }


@pytest.mark.parametrize(("samples", "boxes"), [(0, 1), (0.05, 1), (1, 1), (4, 4)])
def test_min_boxes_is_the_least_number_of_cells(samples, boxes):
    assert translated(ClusterSettings(dbscan_min_samples=samples)).settings.min_boxes == boxes


def test_the_stream_keeps_its_size_through_the_multiplexer(tmp_path):
    _, _, app = written(tmp_path, contract(), StreamSettings("file:///data/gate.mp4", 1280, 720))
    assert app["source0"]["uri"] == "file:///data/gate.mp4"
    for section in ("streammux", "tiled-display"):
        assert (app[section]["width"], app[section]["height"]) == ("1280", "720")
    assert app["streammux"]["batch-size"] == app["primary-gie"]["batch-size"] == "1"
    assert app["streammux"]["enable-padding"] == "0"
    assert app["streammux"]["live-source"] == "0"
    assert (app["sink0"]["enable"], app["sink0"]["type"]) == ("1", "3")


def test_writing_kitti_files_is_one_comment_away(tmp_path):
    out, _, app = written(tmp_path, contract())
    assert "gie-kitti-output-dir" not in app["application"]
    lines = (out / "config_deepstream.txt").read_text().splitlines()
    start = lines.index("[application]")
    assert "#gie-kitti-output-dir=kitti" in lines[start : lines.index("[tiled-display]")]


@pytest.mark.parametrize(
    ("uri", "keys"),
    [
        ("rtsp://camera/stream", {"type": "4", "uri": "rtsp://camera/stream"}),
        ("v4l2:1", {"type": "1", "camera-v4l2-dev-node": "1", "camera-width": "1280"}),
        ("csi:0", {"type": "5", "camera-csi-sensor-id": "0", "camera-height": "720"}),
    ],
)
def test_cameras_are_live(tmp_path, uri, keys):
    _, _, app = written(tmp_path, contract(), StreamSettings(uri, 1280, 720))
    assert keys.items() <= app["source0"].items()
    assert app["streammux"]["live-source"] == "1"


def test_an_unknown_source_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"ftp://x.*rtsp://.*csi:0"):
        written(tmp_path, contract(), StreamSettings("ftp://x"))


@pytest.mark.parametrize(
    "change",
    [
        {"bbox_scale": 20.0},
        {"bbox_offset": 0.0},
        {"padding": 127},
        {"letterbox": "centre"},
        {"interpolation": "cubic"},
        {"channel_order": "HSV"},
        {"stride": 8},
    ],
)
def test_what_nvinfer_cannot_do_is_refused(tmp_path, change):
    with pytest.raises(UserError, match="built into nvinfer"):
        written(tmp_path, contract(**change))


def test_one_cluster_mode_for_all_classes(tmp_path):
    wanted = dataclasses.replace(contract(), clustering={"plate": NMS, "car": CLUSTERING})
    with pytest.raises(UserError, match="one cluster-mode"):
        written(tmp_path, wanted)


def test_equal_contracts_give_equal_files(tmp_path):
    first, second = (written(tmp_path / name, contract())[0] for name in self_made(tmp_path))
    for path in filter(Path.is_file, first.iterdir()):
        assert path.read_bytes() == (second / path.name).read_bytes()


def self_made(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        yield name


@pytest.mark.parametrize(("precision", "mode"), [("fp16", "2"), ("fp32", "0")])
def test_the_precision_of_the_engine_and_where_the_file_is_from(precision, mode):
    text = infer_text(
        contract(), StreamSettings(), model="a.onnx", origin="a.contract.json", precision=precision
    )
    found = configparser.ConfigParser()
    found.read_string(text)
    assert found["property"]["network-mode"] == mode
    assert found["property"]["model-engine-file"] == f"a.onnx_b1_gpu0_{precision}.engine"
    assert "Made from a.contract.json." in text.splitlines()[0]
    assert text.count("for frames of 1920x1080, where an input pixel is 20.0 of them") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cov_name": "heat"}, r"'heat'.*'cov' in it"),
        ({"bbox_name": "cov_bbox"}, r"'cov_bbox'.*without 'cov'"),
        ({"classes": ("plate;car",)}, "labels.txt"),
        ({"classes": ("plate\ncar",)}, "labels.txt"),
    ],
)
def test_names_that_nvinfer_cannot_find_or_read_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path, dataclasses.replace(contract(), **change))


def test_one_stream_does_not_fill_a_static_batch(tmp_path):
    with pytest.raises(UserError, match=r"takes 4 pictures.*batch of 1"):
        written(tmp_path, contract(batch=4))
    _, infer, app = written(tmp_path, contract(batch=-1))
    assert infer["property"]["batch-size"] == app["primary-gie"]["batch-size"] == "1"
    # Whoever has an app of his own gets the batch of his export, in the name of the engine as well.
    assert "\nbatch-size=4\n" in infer_text(contract(batch=4), StreamSettings())
    assert "model.onnx_b4_gpu0_fp16.engine" in infer_text(contract(batch=4), StreamSettings())


CHOSEN = {"cluster_mode": 2, "pre_cluster_threshold": 0.45, "nms_iou_threshold": 0.15, "topk": 7}
# What nvinfer looks at in a mode, by its documentation.
USED = {
    1: {"pre-cluster-threshold": 0.45, "post-cluster-threshold": 0.5, "eps": 0.6, "minBoxes": 3}
    | {"dbscan-min-score": 1.5, "topk": 7},
    2: {"pre-cluster-threshold": 0.45, "post-cluster-threshold": 0.5, "nms-iou-threshold": 0.15, "topk": 7},
    3: {"pre-cluster-threshold": 0.45, "post-cluster-threshold": 0.5, "eps": 0.6, "minBoxes": 3}
    | {"dbscan-min-score": 1.5, "nms-iou-threshold": 0.15, "topk": 7},
    4: {"pre-cluster-threshold": 0.45, "topk": 7},
}


@pytest.mark.parametrize("mode", USED)
def test_what_was_chosen_on_the_validation_fold_goes_before_the_clustering_of_the_spec(tmp_path, mode):
    more = {"post_cluster_threshold": 0.5, "eps": 0.6, "min_boxes": 3, "dbscan_min_score": 1.5}
    chosen = {"plate": {**CHOSEN, **more, "cluster_mode": mode}, "car": {"cluster_mode": mode}}
    _, infer, _ = written(tmp_path, contract(deepstream=chosen))
    assert infer["property"]["cluster-mode"] == str(mode)
    assert {key: float(value) for key, value in infer["class-attrs-0"].items()} == USED[mode]
    assert float(infer["class-attrs-1"]["pre-cluster-threshold"]) == 0.2  # nvinfer's own
    assert set(infer["class-attrs-1"]) == set(USED[mode])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"plate": CHOSEN}, "cluster_mode is None"),
        ({"plate": CHOSEN, "car": {"cluster_mode": 1}}, "one cluster-mode"),
        ({"plate": {"cluster_mode": 0}, "car": {"cluster_mode": 0}}, r"always -0.1.*1, 2, 3, 4"),
        ({"plate": {**CHOSEN, "eps_": 1}, "car": CHOSEN}, r"eps_.*'eps'"),
    ],
)
def test_a_choice_that_nvinfer_cannot_follow_is_refused(tmp_path, chosen, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path, contract(deepstream=chosen))


def metrics_file(tmp_path, classes, goal="f1"):
    expected = {"precision": 0.9, "recall": 0.75, "f1": 0.8182, "false_alarms_per_image": None}
    summary = {"goal": goal, "classes": classes, "expected": expected}
    (tmp_path / "metrics.json").write_text(json.dumps({"deepstream": summary}))
    return tmp_path / "metrics.json"


def test_the_expected_figures_stand_beside_the_thresholds_that_gave_them(tmp_path):
    wanted = contract(deepstream={"plate": CHOSEN, "car": CHOSEN})
    metrics = metrics_file(tmp_path, wanted.deepstream, {"precision": 0.95})
    out, *_ = written(tmp_path, wanted, metrics=metrics)
    head = (out / "config_infer_primary.txt").read_text().split("[property]")[0]
    assert "for a precision of 0.95; at IoU 0.5" in head
    figures = "precision 0.900, recall 0.750, F1 0.818, false alarms per empty picture unknown."
    assert figures in head
    assert figures in (out / "README.md").read_text()


def test_figures_of_other_settings_are_not_shown(tmp_path):
    wanted = contract(deepstream={"plate": CHOSEN, "car": CHOSEN})
    others = {"plate": CHOSEN, "car": {**CHOSEN, "topk": 8}}
    assert figures_of(wanted, metrics_file(tmp_path, others)) is None
    assert figures_of(contract(), metrics_file(tmp_path, others)) is None
    (tmp_path / "metrics.json").write_text("{}")
    assert figures_of(wanted, tmp_path / "metrics.json") is None


def blocks(text, name):
    """Each group of a name with whether it is active, its comment marks taken off."""
    found, current = [], None
    for line in text.splitlines():
        bare = line.removeprefix("#")
        if bare.startswith("["):
            current = {} if bare == f"[{name}]" else None
            if current is not None:
                found.append((line[0] != "#", current))
        elif current is not None and "=" in bare and not line.startswith("# "):
            key, _, value = bare.partition("=")
            current[key] = value
    return found


@pytest.mark.parametrize(
    ("uri", "kind"), [("file:///a b.mp4", "3"), ("rtsp://a/b", "4"), ("v4l2:2", "1"), ("csi:1", "5")]
)
def test_every_source_is_there_and_the_chosen_one_is_active(uri, kind):
    found = blocks(app_text(StreamSettings(uri, 1280, 720)), "source0")
    assert [(active, keys["type"]) for active, keys in found if active] == [(True, kind)]
    assert sorted(keys["type"] for _, keys in found) == ["1", "3", "4", "5"]
    assert all(keys["enable"] == "1" for _, keys in found)


@pytest.mark.parametrize(("sink", "kind"), [("fake", "1"), ("window", "2"), ("file", "3"), ("rtsp", "4")])
@pytest.mark.parametrize(("uri", "sync"), [("file:///a.mp4", "1"), ("csi:0", "0")])
def test_every_sink_is_there_and_the_chosen_one_is_active(sink, kind, uri, sync):
    found = blocks(app_text(StreamSettings(uri, sink=sink)), "sink0")
    assert [keys["type"] for active, keys in found if active] == [kind]
    assert sorted(keys["type"] for _, keys in found) == ["1", "2", "3", "4"]
    # What is watched plays at the speed of the film; a file is written as fast as it goes.
    expected = {"1": "0", "2": sync, "3": "0", "4": sync}
    assert {keys["type"]: keys["sync"] for _, keys in found} == expected


@pytest.mark.parametrize(
    ("tracker", "enable", "file"), [("none", "0", "IOU"), ("iou", "1", "IOU"), ("nvdcf", "1", "NvDCF_perf")]
)
def test_the_tracker(tmp_path, tracker, enable, file):
    _, _, app = written(tmp_path, contract(), StreamSettings(tracker=tracker))
    found = app["tracker"]
    assert found["enable"] == enable
    assert found["ll-config-file"].endswith(f"/samples/configs/deepstream-app/config_tracker_{file}.yml")
    assert found["ll-lib-file"].endswith("/lib/libnvds_nvmultiobjecttracker.so")


def test_the_other_settings(tmp_path):
    stream = StreamSettings("v4l2:0", interval=2, kitti=True, display=False, frame_rate=15)
    _, infer, app = written(tmp_path, contract(), stream)
    assert infer["property"]["interval"] == app["primary-gie"]["interval"] == "2"
    assert app["application"]["gie-kitti-output-dir"] == "kitti"
    assert app["osd"]["enable"] == "0"
    assert app["source0"]["camera-fps-n"] == "15"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sink": "files"}, "'files'.*Did you mean 'file'"),
        ({"tracker": "nvdc"}, "Did you mean 'nvdcf'"),
    ],
)
def test_a_mistyped_setting_names_the_nearest(settings, message):
    with pytest.raises(UserError, match=message):
        StreamSettings(**settings)


@pytest.mark.parametrize("uri", ["v4l2:", "csi:first", "file:video.mp4", "rtsp:camera", "csi:-1", ""])
def test_half_a_source_is_refused(uri):
    with pytest.raises(UserError, match="no source that deepstream-app plays"):
        app_text(StreamSettings(uri))


def test_deepstream_s_detections_are_scored_as_the_page_says(tmp_path):
    """Files as deepstream-app names and writes them, against labels renamed by the commands of README.md."""
    out, *_ = written(tmp_path, contract())
    (rename,) = [line for line in (out / "README.md").read_text().splitlines() if "mkdir -p truth" in line]
    (tmp_path / "labels").mkdir()
    for name, left in (("gate", 10), ("yard", 200)):
        box = f"{left}.00 20.00 {left + 60}.00 40.00"
        (tmp_path / "labels" / f"{name}.txt").write_text(f"plate 0.00 0 0.00 {box} 0 0 0 0 0 0 0\n")
    subprocess.run(["bash", "-c", rename], cwd=tmp_path, check=True)
    for number, left in enumerate((10, 200)):
        box = f"{left}.000000 20.000000 {left + 60}.000000 40.000000"
        line = f"plate 0.0 0 0.0 {box} 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.830000\n"
        (out / "kitti" / f"00_000_{number:06d}.txt").write_text(line)
    scored = score_folders(tmp_path / "truth", out / "kitti")
    assert (scored["images"], scored["objects"], scored["mAP"]) == (2, 2, 1.0)
