"""The DeepStream folder, read back as DeepStream's own parser would and held against the contract."""

from __future__ import annotations

import configparser
import dataclasses

import numpy as np
import pytest
from small_networks import CLUSTERING, contract

from detectnet.deploy.deepstream import StreamSettings, class_attributes, infer_text, write_folder
from detectnet.detection.cluster import ClusterSettings
from detectnet.errors import UserError

# What nvinfer and deepstream-app of DeepStream 6.0 read, for a primary detector made from an ONNX file.
PROPERTY = """gpu-id net-scale-factor offsets model-color-format onnx-file model-engine-file labelfile-path
    infer-dims output-blob-names batch-size network-mode network-type num-detected-classes process-mode
    interval gie-unique-id cluster-mode maintain-aspect-ratio symmetric-padding scaling-filter
    scaling-compute-hw workspace-size output-tensor-meta filter-out-class-ids"""
CLASS_ATTRIBUTES = """pre-cluster-threshold post-cluster-threshold eps group-threshold minBoxes
    dbscan-min-score nms-iou-threshold topk roi-top-offset roi-bottom-offset detected-min-w detected-min-h
    detected-max-w detected-max-h border-color bg-color"""
APP = {
    "application": "enable-perf-measurement perf-measurement-interval-sec gie-kitti-output-dir",
    "tiled-display": "enable rows columns width height gpu-id nvbuf-memory-type",
    "source0": """enable type uri num-sources gpu-id latency camera-width camera-height camera-fps-n
        camera-fps-d camera-v4l2-dev-node camera-csi-sensor-id""",
    "streammux": """gpu-id live-source batch-size batched-push-timeout width height enable-padding
        nvbuf-memory-type""",
    "primary-gie": """enable gpu-id batch-size gie-unique-id interval nvbuf-memory-type bbox-border-color0
        config-file""",
    "osd": "enable gpu-id border-width text-size text-color text-bg-color font show-clock nvbuf-memory-type",
    "sink0": "enable type sync source-id container codec enc-type bitrate profile output-file",
    "sink1": "enable type sync source-id gpu-id nvbuf-memory-type",
    "tests": "file-loop",
}
NMS = {"clustering_algorithm": "NMS", "coverage_threshold": 0.2, "nms_confidence_threshold": 0.35}


def parsed(path):
    parser = configparser.ConfigParser(
        delimiters="=", comment_prefixes="#", inline_comment_prefixes=None, interpolation=None
    )
    parser.optionxform = str
    parser.read_string(path.read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def written(tmp_path, wanted, stream=None):
    model = tmp_path / "given.onnx"
    model.write_bytes(b"the model")
    write_folder(wanted, model, tmp_path / "out", stream)
    out = tmp_path / "out"
    return out, parsed(out / "config_infer_primary.txt"), parsed(out / "config_deepstream.txt")


def numbers(text):
    return [float(part) for part in text.split(";") if part]


def test_the_folder_is_complete_and_its_references_stay_inside(tmp_path):
    out, infer, app = written(tmp_path, contract())
    assert sorted(path.name for path in out.iterdir()) == [
        "config_deepstream.txt",
        "config_infer_primary.txt",
        "labels.txt",
        "model.onnx",
    ]
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


def test_only_keys_of_this_version_are_written(tmp_path):
    _, infer, app = written(tmp_path, contract())
    assert set(infer.pop("property")) <= set(PROPERTY.split())
    for keys in infer.values():
        assert set(keys) <= set(CLASS_ATTRIBUTES.split())
    assert set(app) == set(APP)
    for section, keys in app.items():
        assert set(keys) <= set(APP[section].split())


@pytest.mark.parametrize(
    "wanted",
    [
        contract(),
        contract(640, 384, ("plate",)),
        contract(channels=1, channel_order="GRAY", offsets=(3.0,), scale=0.01),
    ],
    ids=["two classes", "wide", "grey"],
)
def test_every_value_of_the_contract_arrives(tmp_path, wanted):
    _, infer, _ = written(tmp_path, wanted)
    found = infer["property"]
    assert np.float32(found["net-scale-factor"]) == np.float32(wanted.scale)
    assert numbers(found["offsets"]) == list(wanted.offsets)
    assert numbers(found["infer-dims"]) == [wanted.channels, wanted.height, wanted.width]
    assert int(found["model-color-format"]) == {"RGB": 0, "GRAY": 2}[wanted.channel_order]
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
    }


@pytest.mark.parametrize(("samples", "boxes"), [(0, 1), (0.05, 1), (1, 1), (4, 4)])
def test_min_boxes_is_the_least_number_of_cells(samples, boxes):
    assert class_attributes(ClusterSettings(dbscan_min_samples=samples))["minBoxes"] == boxes


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
    [{"bbox_scale": 20.0}, {"bbox_offset": 0.0}, {"padding": 127}, {"letterbox": "centre"}, {"stride": 8}],
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
    for path in first.iterdir():
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
