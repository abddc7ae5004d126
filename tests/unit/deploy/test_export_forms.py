"""Every form of an exported file computes what the trained network computes, and everyone can feed it."""

from __future__ import annotations

import dataclasses
import json
import shutil

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from small_networks import contract, network, scene

from detectnet.contract import DYNAMIC, Contract
from detectnet.data.pictures import save_jpeg
from detectnet.data.tfrecord import example, read_records, write_shard
from detectnet.deploy import rtx
from detectnet.deploy.form import EMBEDDED, OUTSIDE, TENSORFLOW, Form, batch_of
from detectnet.deploy.kernels import kernels
from detectnet.deploy.onnx_export import export, to_onnx
from detectnet.deploy.parity import TOLERANCE, compare
from detectnet.deploy.runtime import Detector, OnnxNetwork, to_input
from detectnet.errors import UserError
from detectnet.network.model import save_model

TRAINED = contract()
FORMS = {
    "plain": Form(),
    "opset 11": Form(opset=11),
    "opset 12": Form(opset=12),
    "batch of 3": Form(batch=3),
    "any batch": Form(batch=DYNAMIC),
    "names with :0": Form(names=TENSORFLOW),
    "embedded": Form(preprocess=EMBEDDED),
    "embedded, BGR": Form(preprocess=EMBEDDED, channel_order="BGR"),
    "all at once": Form(11, DYNAMIC, TENSORFLOW, EMBEDDED, "BGR"),
}
each = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.fixture(scope="module")
def model():
    """Its boxes reach about 35 pixels to each side of most cells, so that there is something to find."""
    made = network(TRAINED)
    boxes = made.get_layer("output_bbox")
    boxes.kernel.assign(boxes.kernel * 0.1)
    boxes.bias.assign(np.full(8, 1.0))
    made.get_layer("output_cov").bias.assign(np.full(2, 1.0))
    return made


@pytest.fixture(scope="module")
def folders(model, tmp_path_factory):
    """Form -> the folder of its export."""
    root = tmp_path_factory.mktemp("forms")
    save_model(model, root / "model.keras")
    made = {}
    for number, form in enumerate(FORMS.values()):
        made[form] = root / str(number)
        export(root / "model.keras", form.of(TRAINED), made[form])
    return made


def pictures(count, channels=3):
    shape = (count, TRAINED.height, TRAINED.width, channels)
    return np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)


def keras_outputs(model, rgb):
    """(coverage, boxes), NCHW, of uint8 RGB pictures in NHWC."""
    bbox, cov = model.predict_on_batch(rgb.astype(np.float32) / 255)
    return cov.transpose(0, 3, 1, 2), bbox.transpose(0, 3, 1, 2)


def fed(rgb, form):
    """The pictures as the form takes them, by the issue's own words: 0..1, or pixels in their order."""
    ordered = rgb[..., ::-1] if form.channel_order == "BGR" else rgb
    pixels = ordered.astype(np.float32).transpose(0, 3, 1, 2)
    return pixels if form.preprocess == EMBEDDED else pixels / np.float32(255)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, float(np.abs(other).max()))
        np.testing.assert_allclose(one / scale, other / scale, atol=2e-5)


@each
def test_it_computes_what_keras_computes(form, folders, model):
    session = onnxruntime.InferenceSession(folders[form] / "model.onnx", providers=["CPUExecutionProvider"])
    suffix = ":0" if form.names == TENSORFLOW else ""
    outputs = [f"output_cov/Sigmoid{suffix}", f"output_bbox/BiasAdd{suffix}"]
    for count in (1, 4) if form.batch == DYNAMIC else (form.batch,):
        rgb = pictures(count)
        found = session.run(outputs, {f"input_1{suffix}": fed(rgb, form)})
        assert_same(found, keras_outputs(model, rgb))
        if form.channel_order == "BGR":
            (cov, _), expected = (
                session.run(outputs, {f"input_1{suffix}": fed(rgb[..., ::-1], form)}),
                found[0],
            )
            assert np.abs(cov - expected).max() > 2e-4, "the order must show"


@each
def test_the_file_declares_what_shape_inference_finds(form, folders):
    proto = onnx.load(folders[form] / "model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    (opset,) = proto.opset_import
    assert (opset.domain, opset.version) == ("", form.opset)
    batch = "batch" if form.batch == DYNAMIC else form.batch
    suffix = ":0" if form.names == TENSORFLOW else ""
    wanted = {
        f"input_1{suffix}": [batch, 3, 64, 96],
        f"output_cov/Sigmoid{suffix}": [batch, 2, 4, 6],
        f"output_bbox/BiasAdd{suffix}": [batch, 8, 4, 6],
    }
    assert shapes(proto) == wanted
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    assert shapes(onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)) == wanted
    types = {value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)}
    assert types == {onnx.TensorProto.FLOAT}


def shapes(proto):
    return {
        value.name: [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }


@each
def test_nothing_but_the_few_operators_is_in_it(form, folders):
    graph = onnx.load(folders[form] / "model.onnx").graph
    assert {node.op_type for node in graph.node} == {"Conv", "Relu", "Add", "Sigmoid"}
    assert not any(node.name.endswith(":0") for node in graph.node)
    # nvinfer takes output layers whose names contain "cov" and "bbox".
    assert [("cov" in one.name, "bbox" in one.name) for one in graph.output] == [(True, False), (False, True)]


@each
def test_the_contract_in_it_says_how_it_is_fed(form, folders):
    folder = folders[form]
    inside = OnnxNetwork(folder / "model.onnx", threads=1).contract
    beside = Contract.from_json(json.loads((folder / "contract.json").read_text()))
    assert inside == dataclasses.replace(beside, model_sha256=None)
    embedded = form.preprocess == EMBEDDED
    assert (inside.scale, inside.offsets) == (1.0 if embedded else 1 / 255, (0.0, 0.0, 0.0))
    assert (inside.channel_order, inside.batch, inside.opset) == (form.channel_order, form.batch, form.opset)
    assert inside.shapes[inside.input_name] == [form.batch, 3, 64, 96]


@each
@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_pictures_runs(form, count, folders, model):
    opened = OnnxNetwork(folders[form] / "model.onnx", threads=1)
    rgb = pictures(count)
    assert_same(opened(np.stack([to_input(one, opened.contract) for one in rgb])), keras_outputs(model, rgb))


@each
def test_a_copy_of_the_file_alone_finds_the_same(form, folders, tmp_path):
    shutil.copy(folders[form] / "model.onnx", tmp_path / "elsewhere.onnx")
    shutil.copy(folders[FORMS["plain"]] / "model.onnx", tmp_path / "plain.onnx")
    picture = scene(200, 90, [(60, 20, 140, 48)])
    picture[..., 2] //= 3  # a channel that can be told from the others
    found, expected = (
        Detector.from_onnx(tmp_path / name, threads=1).detect(picture)
        for name in ("elsewhere.onnx", "plain.onnx")
    )
    assert found.names == expected.names and found.names
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.02)
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-4)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    save_jpeg(folder / "0.jpg", scene(200, 90, [(60, 20, 140, 48)]))
    shard = folder / "scenes-fold-000-of-002-shard-00000-of-00001"
    write_shard(shard, [example("images/0", 200, 90, [], (folder / "0.jpg").read_bytes())])
    (made,) = read_records([shard])
    return made


@each
def test_it_differs_from_keras_by_rounding_only(form, folders, model, record):
    opened = OnnxNetwork(folders[form] / "model.onnx", threads=1)

    def reference(inputs):
        bbox, cov = model.predict_on_batch(inputs.transpose(0, 2, 3, 1))
        return cov.transpose(0, 3, 1, 2), bbox.transpose(0, 3, 1, 2)

    found = compare(record, reference, opened, TRAINED, opened.contract)
    assert max(found.cov, found.bbox) < 1e-4
    assert found.matched == found.detections[0] == found.detections[1] > 0
    # Fed as the other, an embedded file says something else, and the comparison sees it.
    if form.preprocess == EMBEDDED:
        assert compare(record, reference, opened, TRAINED, TRAINED).cov > TOLERANCE["cov"]


@each
def test_its_predicted_latency_is_that_of_one_picture(form, folders):
    """The form costs nothing, but for the names."""
    found, plain = (kernels(folders[one] / "model.onnx") for one in (form, FORMS["plain"]))
    assert found[["flop", "moved"]].equals(plain[["flop", "moved"]])
    assert found["flop"].sum() > 0


def test_equal_forms_give_equal_bytes(folders, model):
    form = FORMS["all at once"]
    again = to_onnx(model, form.of(TRAINED)).SerializeToString(deterministic=True)
    assert (folders[form] / "model.onnx").read_bytes() == again


@pytest.mark.skipif(not rtx.available(), reason=rtx.HOW_TO_INSTALL)
@each
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_nvidia_s_own_parser_and_builder_take_it(form, precision, folders, tmp_path):
    built = rtx.build(folders[form] / "model.onnx", tmp_path, rtx.RtxSettings(precision))
    assert (tmp_path / built["engine"]).stat().st_size == built["bytes"] > 0
    assert built["batch"] == (1 if form.batch == DYNAMIC else form.batch)
    assert built["log"] == []


def test_grey_pixels_are_embedded_too():
    grey = contract(channels=1, offsets=(0.0,), channel_order="GRAY")
    model, wanted = network(grey), Form(preprocess=EMBEDDED).of(grey)
    assert (wanted.scale, wanted.channel_order) == (1.0, "GRAY")
    rgb = pictures(1, channels=1)
    session = onnxruntime.InferenceSession(to_onnx(model, wanted).SerializeToString())
    found = session.run([wanted.cov_name, wanted.bbox_name], {"input_1": fed(rgb, Form(preprocess=EMBEDDED))})
    assert_same(found, keras_outputs(model, rgb))
    with pytest.raises(UserError, match=r"1 channel, and channel_order is BGR.*grey picture has no order"):
        Form(preprocess=EMBEDDED, channel_order="BGR").of(grey)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"offsets": (1.0, 0.0, 0.0)},
            "the offsets are .*0, as in training: the convolutions pad with zeros",
        ),
        ({"scale": 0.0}, "scale is 0.0. Allowed: above 0"),
        ({"channel_order": "GRAY"}, "channel_order is GRAY with 3 channels. Allowed: RGB, BGR"),
        ({"batch": 0}, "the batch is 0. Allowed: 1 and above"),
    ],
)
def test_feeding_that_no_file_can_be_made_for(model, change, said):
    with pytest.raises(UserError, match=said):
        to_onnx(model, dataclasses.replace(TRAINED, **change), where="some.keras")


def test_a_network_that_does_not_begin_with_a_convolution_is_not_embedded():
    inputs = keras.Input((64, 96, 3), name="input_1")
    pooled = keras.layers.MaxPooling2D(4, name="first")(inputs)
    feature = keras.layers.Conv2D(8, 4, 4, activation="relu", name="second")(pooled)
    heads = [
        keras.layers.Conv2D(8, 1, name="output_bbox")(feature),
        keras.layers.Conv2D(2, 1, activation="sigmoid", name="output_cov")(feature),
    ]
    whole = keras.Model(inputs, heads)
    assert to_onnx(whole, TRAINED)
    with pytest.raises(
        UserError, match=r"a MaxPool reads the input before a convolution.*preprocess: outside"
    ):
        to_onnx(whole, Form(preprocess=EMBEDDED).of(TRAINED))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch": 0}, "batch: the batch is 0. Allowed: 1 and above, or dynamic"),
        ({"names": "short"}, "names: 'short' is not known. Allowed: plain, tensorflow"),
        ({"preprocess": "inside"}, "preprocess: 'inside' is not known. Allowed: outside, embedded"),
        ({"channel_order": "BGR", "preprocess": OUTSIDE}, "channel_order is BGR.*preprocess: embedded"),
    ],
)
def test_a_form_that_there_is_not(fields, said):
    with pytest.raises(UserError, match=said):
        Form(**fields)


def test_the_batch_of_a_text():
    assert (batch_of("1"), batch_of("16"), batch_of("dynamic")) == (1, 16, DYNAMIC)
    for text in ("0", "-1", "many", ""):
        with pytest.raises(UserError, match=f"'{text}' is no batch. Allowed: 1 and above, or dynamic"):
            batch_of(text)
