"""Every back-bone as an ONNX file, whole and pruned, also in half precision: operators and numbers."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from small_networks import contract, network

from detectnet.contract import DYNAMIC
from detectnet.deploy import rtx
from detectnet.deploy.float16 import to_float16
from detectnet.deploy.form import EMBEDDED, Form
from detectnet.deploy.onnx_export import export, to_onnx
from detectnet.network.model import save_model
from detectnet.network.pruning import Criterion, prune, prune_stage

WANTED = contract(160, 128)
GREY = contract(160, 128, channels=1, offsets=(0.0,), channel_order="GRAY")
FIELDS = {
    "resnet18": {"layers": 18, "all_projections": False},
    "mobilenet_v1": {"arch": "mobilenet_v1"},
    "mobilenet_v2": {"arch": "mobilenet_v2"},
    "squeezenet": {"arch": "squeezenet"},
    "vgg16": {"arch": "vgg", "layers": 16},
    "vgg16_pools": {"arch": "vgg", "layers": 16, "use_pooling": True, "use_batch_norm": False},
}
# Convolutions count heads; batch normalisation and padding are in them.
OPERATORS = {
    "resnet18": {"Conv": 1 + 8 * 2 + 4 + 2, "Relu": 1 + 8 * 2, "Add": 8},
    "mobilenet_v1": {"Conv": 1 + 11 * 2 + 2, "Clip": 1 + 11 * 2},
    "mobilenet_v2": {"Conv": 3 + 12 * 3 + 2, "Clip": 2 + 12 * 2, "Add": 1 + 2 + 3 + 2},
    "squeezenet": {"Conv": 1 + 8 * 3 + 2, "Relu": 1 + 8 * 3, "Concat": 8, "MaxPool": 3},
    "vgg16": {"Conv": 13 + 2, "Relu": 13},
    "vgg16_pools": {"Conv": 13 + 2, "Relu": 13, "MaxPool": 4},
}
# A whole VGG takes many seconds to convert.
CASES = [
    pytest.param(name, pruned, id=f"{name}-{'pruned' if pruned else 'whole'}", marks=marks)
    for name in FIELDS
    for pruned in (True, False)
    for marks in [pytest.mark.slow if name.startswith("vgg") and not pruned else ()]
]
each = pytest.mark.parametrize(("name", "pruned"), CASES)


@functools.cache
def exported(name, pruned, wanted_is_grey=False):
    wanted = GREY if wanted_is_grey else WANTED
    model = network(wanted, **FIELDS[name])
    if pruned:
        model = prune(model, Criterion(), ratio=0.25 if name.startswith("vgg") else 0.5).model
    return model, to_onnx(model, wanted)


def run(proto, inputs):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["output_cov/Sigmoid", "output_bbox/BiasAdd"], {"input_1": inputs})


def pictures(wanted=WANTED):
    return np.random.default_rng(5).random((1, wanted.channels, wanted.height, wanted.width), np.float32)


def assert_equal_outputs(model, proto, inputs, tolerance):
    bbox, cov = model(inputs.transpose(0, 2, 3, 1), training=False)
    for found, nhwc in zip(run(proto, inputs), (cov, bbox), strict=True):
        expected = np.asarray(nhwc).transpose(0, 3, 1, 2)
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found / scale, expected / scale, atol=tolerance)
        assert np.ptp(expected) > 1e-2


def attributes(node):
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def values(proto, name):
    (found,) = [one for one in proto.graph.initializer if one.name == name]
    return onnx.numpy_helper.to_array(found)


@each
def test_it_computes_what_keras_computes(name, pruned):
    model, proto = exported(name, pruned)
    assert_equal_outputs(model, proto, pictures(), 1e-5)


@each
def test_only_operators_of_the_device_are_left(name, pruned):
    _, proto = exported(name, pruned)
    assert Counter(node.op_type for node in proto.graph.node) == OPERATORS[name] | {"Sigmoid": 1}
    assert (proto.opset_import[0].version, proto.ir_version) == (13, 7)


@each
def test_depthwise_convolutions_are_in_groups_of_one_channel(name, pruned):
    model, proto = exported(name, pruned)
    deep = {one.name for one in model.layers if isinstance(one, keras.layers.DepthwiseConv2D)}
    grouped = set()
    for node in proto.graph.node:
        groups = attributes(node).get("group", 1)
        if node.op_type == "Conv" and groups > 1:
            assert values(proto, node.input[1]).shape == (groups, 1, 3, 3)
            assert attributes(node)["pads"] == [1, 1, 1, 1]
            grouped.add(node.name.split("/")[0])
    assert grouped == deep
    assert len(deep) == {"mobilenet_v1": 11, "mobilenet_v2": 13}.get(name, 0)


@each
def test_windows_are_padded_alike_on_both_sides_and_clips_end_at_six(name, pruned):
    _, proto = exported(name, pruned)
    for node in proto.graph.node:
        given = attributes(node)
        if node.op_type in ("Conv", "MaxPool"):
            side = (given["kernel_shape"][0] - 1) // 2
            assert given.get("pads", [0] * 4) == [side] * 4, node.name
            assert given.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        if node.op_type == "Clip":
            assert [float(values(proto, one)) for one in node.input[1:]] == [0, 6]


@each
def test_the_half_precision_copy_is_near(name, pruned):
    model, proto = exported(name, pruned)
    # float16 has 11 significant bits; tens of layers of rounding stay below two hundredths of the range.
    assert_equal_outputs(model, to_float16(proto), pictures(), 0.02)


@pytest.mark.skipif(not rtx.available(), reason=rtx.HOW_TO_INSTALL)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "squeezenet", "vgg16"])
def test_nvidia_s_own_parser_and_builder_take_it(name, precision, tmp_path):
    onnx.save(exported(name, True)[1], tmp_path / "model.onnx")
    built = rtx.build(tmp_path / "model.onnx", tmp_path, rtx.RtxSettings(precision))
    assert (tmp_path / built["engine"]).stat().st_size == built["bytes"] > 0


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "squeezenet"])
def test_grey_pictures_need_no_other_operators(name):
    model, proto = exported(name, True, wanted_is_grey=True)
    assert Counter(node.op_type for node in proto.graph.node) == OPERATORS[name] | {"Sigmoid": 1}
    assert_equal_outputs(model, proto, pictures(GREY), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_every_backbone_takes_pixels_and_any_batch_as_well(name):
    model, plain = exported(name, True)
    proto = to_onnx(model, Form(batch=DYNAMIC, preprocess=EMBEDDED, channel_order="BGR").of(WANTED))
    assert [node.name for node in proto.graph.node] == [node.name for node in plain.graph.node]
    rgb = np.random.default_rng(5).integers(0, 256, (2, 3, WANTED.height, WANTED.width)).astype(np.float32)
    bbox, cov = model(rgb.transpose(0, 2, 3, 1) / 255, training=False)
    for found, nhwc in zip(run(proto, rgb[:, ::-1]), (cov, bbox), strict=True):
        expected = np.asarray(nhwc).transpose(0, 3, 1, 2)
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


def test_zeros_before_a_max_pooling_stay_where_values_may_be_negative():
    inputs = keras.Input((128, 160, 3), name="input_1")
    x = keras.layers.Conv2D(8, 8, strides=8, name="conv")(inputs)
    x = keras.layers.ZeroPadding2D(1, name="pool_padding")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool")(x)
    heads = [
        keras.layers.Conv2D(8, 1, name="output_bbox")(x),
        keras.layers.Conv2D(2, 1, activation="sigmoid", name="output_cov")(x),
    ]
    model = keras.Model(inputs, heads)
    # All values are negative, so every zero of the border shows.
    model.get_layer("conv").bias.assign(np.full(8, -20.0))
    proto = to_onnx(model, WANTED)
    assert "Pad" in {node.op_type for node in proto.graph.node}
    assert_equal_outputs(model, proto, pictures(), 1e-5)


def test_the_pruned_file_of_a_mobilenet_goes_through_the_stages(tmp_path):
    save_model(network(WANTED, **FIELDS["mobilenet_v1"]), tmp_path / "model.keras")
    prune_stage(tmp_path / "model.keras", tmp_path / "prune", Criterion(), ratio=0.5)
    for file in ("model.keras", "model.hdf5"):
        export(tmp_path / "prune" / file, WANTED, tmp_path / "export" / file)
    one, two = sorted((tmp_path / "export").glob("*/model.onnx"))
    assert one.read_bytes() == two.read_bytes()
    sealed = json.loads(one.with_name("contract.json").read_text())
    assert sealed["model_sha256"] == hashlib.sha256(one.read_bytes()).hexdigest()
