"""Any contract and any settings: what is written is read back with the contract's values."""

from __future__ import annotations

import configparser
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.contract import Contract
from detectnet.deploy.deepstream import StreamSettings, app_text, infer_text
from detectnet.deploy.deepstream.keys import check

SHARE = st.floats(0, 1, allow_subnormal=False)
NUMBER = st.floats(0, 1e6, allow_subnormal=False)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=";"), min_size=1
)
SIZE = st.integers(1, 80).map(lambda cells: 16 * cells)
# A field of the choice -> the key that carries it, and the modes that look at it.
KEYS = {
    "pre_cluster_threshold": ("pre-cluster-threshold", {1, 2, 3, 4}),
    "post_cluster_threshold": ("post-cluster-threshold", {1, 2, 3}),
    "eps": ("eps", {1, 3}),
    "min_boxes": ("minBoxes", {1, 3}),
    "dbscan_min_score": ("dbscan-min-score", {1, 3}),
    "nms_iou_threshold": ("nms-iou-threshold", {2, 3}),
    "topk": ("topk", {1, 2, 3, 4}),
}


def choice(mode):
    return st.fixed_dictionaries(
        {
            "cluster_mode": st.just(mode),
            "pre_cluster_threshold": st.floats(0, 2, allow_subnormal=False),
            "post_cluster_threshold": SHARE,
            "eps": SHARE,
            "min_boxes": st.integers(0, 100),
            "dbscan_min_score": NUMBER,
            "nms_iou_threshold": SHARE,
            "topk": st.integers(-1, 300),
        }
    )


@st.composite
def clusterings(draw, classes):
    algorithm = draw(st.sampled_from(["DBSCAN", "NMS", "HYBRID"]))
    one = st.fixed_dictionaries(
        {
            "clustering_algorithm": st.just(algorithm),
            "coverage_threshold": SHARE,
            "minimum_bounding_box_height": st.integers(0, 50),
            "dbscan_eps": SHARE,
            "dbscan_min_coverage": st.floats(0.01, 10),
            "dbscan_confidence_threshold": NUMBER,
            "nms_iou_threshold": st.floats(0.01, 1),
            "nms_confidence_threshold": SHARE,
        }
    )
    return {name: draw(one) for name in classes}


@st.composite
def contracts(draw):
    classes = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
    order = draw(st.sampled_from(["RGB", "BGR", "GRAY"]))
    channels = 1 if order == "GRAY" else 3
    mode = draw(st.sampled_from([None, 1, 2, 3, 4]))
    ending = draw(st.sampled_from(["", ":0"]))
    return Contract(
        draw(SIZE),
        draw(SIZE),
        classes,
        draw(clusterings(classes)),
        {name: draw(choice(mode)) for name in classes} if mode else {},
        channels=channels,
        channel_order=order,
        scale=draw(st.sampled_from([1 / 255, 1.0]) | st.floats(1e-6, 10)),
        offsets=tuple(draw(st.lists(st.floats(0, 255), min_size=channels, max_size=channels))),
        letterbox=draw(st.sampled_from(["top-left", "stretch"])),
        interpolation=draw(st.sampled_from(["linear", "nearest"])),
        batch=draw(st.sampled_from([-1, 1, 2, 16])),
        cov_name=f"output_cov/Sigmoid{ending}",
        bbox_name=f"output_bbox/BiasAdd{ending}",
    )


URIS = st.one_of(
    st.from_regex(r"(file:///|rtsp://)[A-Za-z0-9_/.:?=&@{}%-]{1,40}", fullmatch=True),
    st.from_regex(r"(v4l2|csi):[0-9]{1,2}", fullmatch=True),
)
STREAMS = st.builds(
    StreamSettings,
    uri=URIS,
    width=st.integers(16, 8000),
    height=st.integers(16, 8000),
    frame_rate=st.integers(1, 240),
    sink=st.sampled_from(["file", "window", "rtsp", "fake"]),
    tracker=st.sampled_from(["none", "iou", "nvdcf"]),
    interval=st.integers(0, 30),
    kitti=st.booleans(),
    display=st.booleans(),
)


def parsed(text):
    # Strict: a second group or key of the same name is an error.
    parser = configparser.ConfigParser(delimiters="=", comment_prefixes="#", interpolation=None, strict=True)
    parser.optionxform = str
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def numbers(text):
    return [float(part) for part in text.split(";")]


@settings(max_examples=150)
@given(contracts(), STREAMS)
def test_the_detector_s_file_says_what_the_contract_says(wanted, stream):
    found = parsed(infer_text(wanted, stream))
    for name, keys in found.items():
        check("nvinfer", name, keys)
    main = found.pop("property")
    assert float(main["net-scale-factor"]) == wanted.scale
    assert numbers(main["offsets"]) == list(wanted.offsets)
    assert numbers(main["infer-dims"]) == [wanted.channels, wanted.height, wanted.width]
    assert main["model-color-format"] == {"RGB": "0", "BGR": "1", "GRAY": "2"}[wanted.channel_order]
    assert main["maintain-aspect-ratio"] == {"top-left": "1", "stretch": "0"}[wanted.letterbox]
    assert main["scaling-filter"] == {"nearest": "0", "linear": "1"}[wanted.interpolation]
    assert set(main["output-blob-names"].split(";")) == {wanted.cov_name, wanted.bbox_name}
    assert int(main["num-detected-classes"]) == len(wanted.classes)
    assert int(main["batch-size"]) == (1 if wanted.batch == -1 else wanted.batch)
    assert int(main["interval"]) == stream.interval
    assert list(found) == [f"class-attrs-{index}" for index in range(len(wanted.classes))]
    for name, keys in zip(wanted.classes, found.values(), strict=True):
        expected = chosen(wanted, name) if wanted.deepstream else translation(wanted, name, stream)
        assert int(main["cluster-mode"]) == expected.pop("cluster-mode")
        assert {key: float(value) for key, value in keys.items()} == pytest.approx(expected, rel=0, abs=0)


def chosen(wanted, name):
    values = wanted.deepstream[name]
    mode = values["cluster_mode"]
    return {"cluster-mode": mode} | {
        key: values[field] for field, (key, modes) in KEYS.items() if mode in modes
    }


def translation(wanted, name, stream):
    """By hand, of TLT's clustering of a class."""
    tlt = wanted.clustering[name]
    both = {"pre-cluster-threshold": tlt["coverage_threshold"], "topk": -1}
    dbscan = {
        "eps": tlt["dbscan_eps"],
        "minBoxes": math.ceil(tlt["dbscan_min_coverage"]),
        "dbscan-min-score": tlt["dbscan_confidence_threshold"],
        "detected-min-h": math.ceil(tlt["minimum_bounding_box_height"] * frame_pixels(wanted, stream)),
    }
    nms = {"nms-iou-threshold": tlt["nms_iou_threshold"]}
    after = {"post-cluster-threshold": tlt["nms_confidence_threshold"]}
    return (
        both
        | {
            "DBSCAN": {"cluster-mode": 1, "post-cluster-threshold": 0, **dbscan},
            "NMS": {"cluster-mode": 2, **nms, **after},
            "HYBRID": {"cluster-mode": 3, **dbscan, **nms, **after},
        }[tlt["clustering_algorithm"]]
    )


def frame_pixels(wanted, stream):
    """Frame pixels in a pixel of the network, of heights."""
    down = stream.height / wanted.height
    return down if wanted.letterbox == "stretch" else max(down, stream.width / wanted.width)


@settings(max_examples=150)
@given(STREAMS)
def test_the_app_s_file_says_what_the_settings_say(stream):
    found = parsed(app_text(stream))
    for name, keys in found.items():
        check("deepstream-app", name, keys)
    source, sink = found["source0"], found["sink0"]
    scheme, _, rest = stream.uri.partition(":")
    kind, key = {
        "file": ("3", "uri"),
        "rtsp": ("4", "uri"),
        "v4l2": ("1", "camera-v4l2-dev-node"),
        "csi": ("5", "camera-csi-sensor-id"),
    }[scheme]
    assert (source["type"], source[key]) == (kind, stream.uri if key == "uri" else rest)
    if key != "uri":
        camera = [int(source[f"camera-{part}"]) for part in ("width", "height", "fps-n", "fps-d")]
        assert camera == [stream.width, stream.height, stream.frame_rate, 1]
    assert found["streammux"]["live-source"] == ("0" if scheme == "file" else "1")
    for group in ("streammux", "tiled-display"):
        assert (int(found[group]["width"]), int(found[group]["height"])) == (stream.width, stream.height)
    assert sink["type"] == {"fake": "1", "window": "2", "file": "3", "rtsp": "4"}[stream.sink]
    assert found["primary-gie"]["interval"] == str(stream.interval)
    assert ("gie-kitti-output-dir" in found["application"]) == stream.kitti
    assert found["osd"]["enable"] == str(int(stream.display))
    assert found["tracker"]["enable"] == ("0" if stream.tracker == "none" else "1")


def test_the_usual_scale_is_the_nearest_single_to_a_255th():
    found = parsed(infer_text(Contract(32, 32, ("plate",)), StreamSettings()))
    assert np.float32(found["property"]["net-scale-factor"]) == np.float32(1) / np.float32(255)
