"""Each field of the contract is changed, and everyone whom it concerns follows, or refuses aloud.

A field that is added to the contract fails these tests until it is said here whom it concerns.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from detectnet import spec
from detectnet.contract import Contract
from detectnet.data.pictures import load, save_jpeg
from detectnet.deploy import device_run
from detectnet.deploy.bundle import METADATA_KEY, labels_text, read_contract
from detectnet.deploy.deepstream import StreamSettings, infer_text
from detectnet.deploy.onnx_export import to_onnx
from detectnet.deploy.runtime import DEEPSTREAM, Detector, fitted, to_input
from detectnet.detection.cluster import detect
from detectnet.detection.settings import DeepStreamSettings
from detectnet.errors import UserError
from detectnet.files import sha256, write_json
from detectnet.network.inputs import InputSettings, fit_picture, to_network
from detectnet.network.model import build_model
from detectnet.network.records import Frame
from detectnet.network.targets import TargetSettings
from detectnet.spec.message import Message
from detectnet.spec.schema_model import MODEL_CONFIG

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "config" / "specs" / "demo" / "experiment_config.cfg").read_text()
CLUSTERING = {"coverage_threshold": 0.2, "dbscan_eps": 0.4, "dbscan_min_coverage": 0.1}
BASE = Contract(96, 64, ("plate",), {"plate": CLUSTERING})
CHOSEN = {"cluster_mode": 2, "pre_cluster_threshold": 0.45, "nms_iou_threshold": 0.15, "topk": 7}
PICTURE = np.random.default_rng(0).integers(0, 256, (60, 150, 3), dtype=np.uint8)

OF_THE_FILE = ("metadata", "graph", "runtime", "device")
ONNX = frozenset({"metadata", "graph"})
SCALED = {"metadata", "runtime", "device", "deepstream"}
CODED = {"metadata", "runtime", "decoder", "deepstream"}
FED = ONNX | SCALED
EVERYONE = FED | CODED
# Field -> its change, with the fields that must go with it, and whom it concerns: exactly these must follow.
CHANGES = {
    "width": ({"width": 112}, EVERYONE),
    "height": ({"height": 80}, EVERYONE),
    "classes": ({"classes": ("plate", "car")}, EVERYONE - {"device"}),
    "clustering": (
        {"clustering": {"plate": {**CLUSTERING, "coverage_threshold": 0.6, "dbscan_eps": 0.1}}},
        CODED,
    ),
    "deepstream": ({"deepstream": {"plate": CHOSEN}}, {"metadata", "deepstream"}),
    "channels": ({"channels": 1, "channel_order": "GRAY", "offsets": (0.0,)}, FED),
    "channel_order": ({"channel_order": "BGR"}, FED),
    "scale": ({"scale": 1.0}, FED),
    "offsets": ({"offsets": (1.0, 2.0, 3.0)}, FED),
    "letterbox": ({"letterbox": "stretch"}, SCALED),
    "interpolation": ({"interpolation": "nearest"}, SCALED),
    "padding": ({"padding": 114}, SCALED),
    "stride": ({"stride": 8}, EVERYONE),
    "bbox_scale": ({"bbox_scale": 20.0}, CODED),
    "bbox_offset": ({"bbox_offset": 8.0}, CODED),
    "batch": ({"batch": 3}, FED - {"device"}),
    "input_name": ({"input_name": "picture"}, ONNX | {"runtime", "device"}),
    "cov_name": ({"cov_name": "cov"}, FED),
    "bbox_name": ({"bbox_name": "bbox"}, FED),
    "opset": ({"opset": 12}, ONNX),
    "model_sha256": ({"model_sha256": "0" * 64}, {"sealed"}),
}
# What only says how the file is fed or read: the boxes stay.
SAME_BOXES = ("channel_order", "scale", "batch", "input_name", "cov_name", "bbox_name", "opset")
# Field -> a change of the spec from which the training and the contract take it.
OF_THE_SPEC = {
    "width": ("output_image_width: 320", "output_image_width: 352"),
    "height": ("output_image_height: 320", "output_image_height: 288"),
    "channels": ("output_image_channel: 3", "output_image_channel: 1"),
    "channel_order": ("output_image_channel: 3", "output_image_channel: 1"),
    "offsets": ("output_image_channel: 3", "output_image_channel: 1"),
    "letterbox": ("output_image_width: 320", "output_image_width: 320\n    enable_auto_resize: true"),
    "bbox_scale": ("scale: 35.0", "scale: 20.0"),
    "bbox_offset": ("offset: 0.5", "offset: 0.25"),
    "classes": ('name: "plate"', 'name: "other"'),
    "clustering": ("dbscan_eps: 0.3", "dbscan_eps: 0.4"),
}
# What no spec says: fixed for every training, and changed by an export that also changes the file.
FIXED = {"scale", "interpolation", "padding", "stride"}
# What a network gets by being exported and evaluated.
OF_THE_EXPORT = {"deepstream", "batch", "input_name", "cov_name", "bbox_name", "opset", "model_sha256"}
EVERY_FIELD = {one.name for one in dataclasses.fields(Contract)}


@functools.cache
def network(classes, *size):
    """A small network of height, width and channels that finds something in noise."""
    values = {"arch": "resnet", "num_layers": 10, "use_batch_norm": True, "width_multiplier": 0.125}
    config = Message(MODEL_CONFIG, "spec.cfg", "model_config", _values=values)
    made = build_model(config, classes, *size)
    random = np.random.default_rng(0)
    for layer in made.layers:
        for weight in layer.weights:
            if weight.name == "kernel":
                spread = 1 / np.sqrt(np.prod(weight.shape[:3]))
                weight.assign(random.normal(size=weight.shape).astype(np.float32) * spread)
    made.get_layer("output_bbox").bias.assign(np.full(4 * len(classes), 0.6))
    return made


class Sent(Exception):
    """All that a device needs has been handed over."""


def sent(path, wanted):
    """The pixels and the job that a device gets with one picture, as its records would hold it."""
    pixels, jobs = [], []
    host = SimpleNamespace(send=lambda files: pixels.extend(np.load(one) for one in files))

    def ask(host, action, job):
        jobs.append((action, job))
        raise Sent

    instead = {
        "read_build": lambda path: {"backend": "nano", "engine": "some.engine", "key": {}},
        "check_fresh": lambda *_: None,
        "probe": lambda *_: None,
        "ask": ask,
        "records_of": lambda *_: SimpleNamespace(frames=["the only one"]),
        "fit_picture": lambda *_: fitted(PICTURE, wanted)[0],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, made in instead.items():
            patch.setattr(device_run, name, made)
        with pytest.raises(Sent):
            device_run.measure(path, "build.json", [], spec.parse(SPEC, "experiment"), host, "out")
    ((action, job),) = jobs
    return action, json.dumps(job, sort_keys=True), [(one.dtype, one.shape, one.tobytes()) for one in pixels]


@functools.cache
def follow(name):
    """What each consumer makes of a contract with this field changed; a refusal is an answer too."""
    wanted = changed(name)
    answers = {
        "decoder": lambda: decoded(wanted),
        "deepstream": lambda: infer_text(wanted, StreamSettings()) + labels_text(wanted),
    }
    try:
        model = network(wanted.classes, wanted.height, wanted.width, wanted.channels)
        proto = to_onnx(model, wanted)
    except UserError as error:
        return {one: _answer(make) for one, make in answers.items()} | dict.fromkeys(OF_THE_FILE, str(error))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(proto, path)
        (entry,) = proto.metadata_props
        value, key = entry.value, entry.key
        assert key == METADATA_KEY
        del proto.metadata_props[:]
        answers["metadata"] = lambda: value
        answers["graph"] = lambda: proto.SerializeToString(deterministic=True)
        answers["runtime"] = lambda: asked(path)
        answers["device"] = lambda: sent(path, wanted)
        answers["sealed"] = lambda: sealed(wanted, path)
        return {one: _answer(make) for one, make in answers.items()}


def changed(name):
    return dataclasses.replace(BASE, **(CHANGES[name][0] if name else {}))


def _answer(make):
    try:
        return make()
    except UserError as error:
        return f"refused: {error}"


def decoded(wanted):
    random = np.random.default_rng(3)
    grid = (wanted.grid_height, wanted.grid_width)
    cov = random.random((len(wanted.classes), *grid), np.float32)
    bbox = random.random((4 * len(wanted.classes), *grid), np.float32)
    found = detect(cov, bbox, wanted)
    return repr({name: (one.boxes.tolist(), one.confidence.tolist()) for name, one in found.items()})


def sealed(wanted, path):
    """Whether contract.json beside a file is that file's; the sealed one is, whatever it was before."""
    digest = sha256(path)
    known = dataclasses.replace(wanted, model_sha256=wanted.model_sha256 or digest)
    write_json(path.with_name("contract.json"), known.to_json())
    return read_contract(path.with_name("contract.json"), path).model_sha256 == digest


def spying(calls):
    """A session that remembers what it is asked and fed."""

    class Spy(onnxruntime.InferenceSession):
        def run(self, outputs, feeds, *more):
            calls.append((outputs, {name: value.copy() for name, value in feeds.items()}))
            return super().run(outputs, feeds, *more)

    return Spy


def asked(path):
    """What the runtime feeds and asks the session for one picture, and what it finds."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detectnet.deploy.runtime.onnxruntime.InferenceSession", spying(calls))
        found = Detector.from_onnx(path, threads=1).detect(PICTURE)
    ((outputs, feeds),) = calls
    fed = [(name, value.shape, value.tobytes()) for name, value in feeds.items()]
    return outputs, fed, found.names, found.boxes.tolist(), found.confidence.tolist()


def test_every_field_is_changed_and_its_origin_is_known():
    assert set(CHANGES) == EVERY_FIELD
    parts = [set(OF_THE_SPEC), FIXED, OF_THE_EXPORT]
    assert set.union(*parts) == EVERY_FIELD
    assert sum(map(len, parts)) == len(EVERY_FIELD)
    for name, (change, _) in CHANGES.items():
        assert change[name] != getattr(BASE, name)


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_field_is_followed_by_those_whom_it_concerns(name):
    before, after = follow(None), follow(name)
    assert before["sealed"] is True
    # Of what cannot be exported nothing is sealed.
    assert {one for one in after if after[one] != before[one]} == CHANGES[name][1]


@pytest.mark.parametrize("name", SAME_BOXES)
def test_how_a_file_is_fed_and_read_does_not_change_what_is_found(name):
    (*_, boxes, confidence), (*_, other_boxes, other_confidence) = (
        follow(one)["runtime"] for one in (None, name)
    )
    assert boxes
    np.testing.assert_allclose(other_boxes, boxes, atol=0.02)
    np.testing.assert_allclose(other_confidence, confidence, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(EVERY_FIELD))
def test_contract_json_carries_each_field(name, tmp_path):
    write_json(tmp_path / "contract.json", changed(name).to_json())
    read = Contract.from_json(json.loads((tmp_path / "contract.json").read_text()))
    assert read == changed(name)
    assert getattr(read, name) == CHANGES[name][0][name]


@pytest.mark.parametrize("name", sorted(EVERY_FIELD - {"width", "height", "classes"}))
def test_a_contract_of_an_earlier_export_may_lack_a_field(name):
    content = BASE.to_json()
    del content[name]
    default = Contract(96, 64, ("plate",))
    assert getattr(Contract.from_json(content), name) == getattr(default, name)


NMS, DBSCAN = {"cluster_mode": 2, "nms_iou_threshold": 0.15}, {"cluster_mode": 1, "eps": 0.5, "min_boxes": 1}
# Field of the choice for DeepStream -> a choice in which it matters, and its other value.
CHOICES = {
    "cluster_mode": (NMS, 4),
    "pre_cluster_threshold": ({"cluster_mode": 4}, 0.8),
    "post_cluster_threshold": (NMS, 0.96),
    "nms_iou_threshold": (NMS, 0.9),
    "topk": (NMS, 1),
    "eps": (DBSCAN, 0.05),
    "min_boxes": (DBSCAN, 20),
    "dbscan_min_score": (DBSCAN, 19.0),
}


def test_every_field_of_the_choice_is_changed():
    fields = {one.name for one in dataclasses.fields(DeepStreamSettings)}
    # Groups of rectangles, mode 0, have no confidence to choose by; nobody takes that mode.
    assert set(CHOICES) == (fields - {"group_threshold"}) | {"cluster_mode"}
    grouped = dataclasses.replace(BASE, deepstream={"plate": {"cluster_mode": 0, "group_threshold": 1}})
    with pytest.raises(UserError, match="cluster_mode is 0"):
        infer_text(grouped, StreamSettings())


@pytest.mark.parametrize("name", CHOICES)
def test_the_folder_and_the_runtime_follow_the_choice_for_deepstream(name):
    choice, other = CHOICES[name]
    texts, found = [], []
    for chosen in (choice, {**choice, name: other}):
        wanted = dataclasses.replace(BASE, deepstream={"plate": chosen})
        texts.append(infer_text(wanted, StreamSettings()))
        made = Detector(crowd, wanted, DEEPSTREAM).detect(PICTURE)
        found.append((made.boxes.tolist(), made.confidence.tolist()))
    assert texts[0] != texts[1]
    assert found[0] != found[1]
    assert found[0][0]


def crowd(inputs):
    """Boxes of about 70 pixels around every cell, whose coverages differ."""
    random = np.random.default_rng(1)
    cov = random.permutation(np.linspace(0.5, 0.98, 24, dtype=np.float32)).reshape(1, 1, 4, 6)
    return cov, (1 + 0.05 * random.random((1, 4, 4, 6))).astype(np.float32)


def training(text):
    """What the training makes of a spec: its grid and targets, and how pictures are brought to size."""
    experiment = spec.parse(text, "experiment")
    settings = InputSettings.from_spec(experiment)
    names = [one.name for one in experiment.cost_function_config.target_classes]
    return TargetSettings.from_spec(experiment), settings.channels, settings.resize, names


def changed_spec(name):
    before, after = OF_THE_SPEC[name]
    text = SPEC.replace(before, after)
    if name == "classes":
        text = text.replace('key: "plate"', 'key: "other"').replace('value: "plate"', 'value: "other"')
    return text


@pytest.mark.parametrize("name", sorted(OF_THE_SPEC))
def test_training_and_contract_follow_the_spec_together(name):
    whole, text = spec.contract_of(spec.parse(SPEC, "experiment")), changed_spec(name)
    assert text != SPEC
    assert getattr(spec.contract_of(spec.parse(text, "experiment")), name) != getattr(whole, name)
    # Clustering comes after the network; training needs it for its validation only.
    assert (training(text) != training(SPEC)) == (name != "clustering")


def test_a_spec_says_nothing_else():
    for name in OF_THE_SPEC:
        made = spec.contract_of(spec.parse(changed_spec(name), "experiment"))
        default = Contract(made.width, made.height, made.classes)
        for other in FIXED | OF_THE_EXPORT:
            assert getattr(made, other) == getattr(default, other)


@pytest.mark.parametrize("name", ["width", "channels", "letterbox", "clustering"])
def test_training_sees_the_numbers_that_the_runtime_feeds(name, tmp_path):
    experiment = spec.parse(changed_spec(name), "experiment")
    wanted, settings = spec.contract_of(experiment), InputSettings.from_spec(experiment)
    # Records hold pictures that are letterboxed already; what is stretched is stretched while training.
    save_jpeg(tmp_path / "0.jpg", PICTURE if wanted.letterbox == "stretch" else fitted(PICTURE, wanted)[0])
    seen = load(tmp_path / "0.jpg")
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.int32), ())
    size = (seen.shape[1], seen.shape[0])
    frame = Frame("images/0", "scenes", size, tmp_path / "0.jpg", 0, -1, *nothing, nothing[0], ())
    trained = to_network(fit_picture(frame, settings)[None]).numpy()[0].transpose(2, 0, 1)
    fed = to_input(fitted(seen, wanted)[0], wanted)
    assert trained.shape == fed.shape == (wanted.channels, wanted.height, wanted.width)
    # Grey comes from the JPEG's own luma there, and from colours that noise has cut to 0..255 here.
    mean, largest = (1e-7, 1e-6) if wanted.channels == 3 else (0.5 / 255, 12 / 255)
    assert np.abs(trained - fed).mean() < mean
    assert np.abs(trained - fed).max() < largest
