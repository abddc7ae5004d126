"""The exported file against Keras, and against what TensorRT 8.2 and nvinfer ask of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from small_networks import contract, network, scene

from detectnet.contract import Contract
from detectnet.deploy.onnx_export import OPSETS, export, export_file, to_onnx
from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.network.model import save_model

OPERATORS = {"Conv", "Relu", "Add", "Sigmoid"}


def content(proto):
    return proto.SerializeToString(deterministic=True)


def run(proto, inputs):
    session = onnxruntime.InferenceSession(content(proto), providers=["CPUExecutionProvider"])
    return session.run(["output_cov/Sigmoid", "output_bbox/BiasAdd"], {"input_1": inputs})


def keras_outputs(model, inputs):
    bbox, cov = model.predict_on_batch(inputs.transpose(0, 2, 3, 1))
    return cov.transpose(0, 3, 1, 2), bbox.transpose(0, 3, 1, 2)


def inputs_of(wanted):
    random = np.random.default_rng(1).random((1, wanted.channels, wanted.height, wanted.width), np.float32)
    yield random
    picture = scene(wanted.width, wanted.height, [(30, 20, 70, 34)])[..., : wanted.channels]
    yield (picture.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    yield np.zeros_like(random)


@pytest.fixture(scope="module")
def pair():
    wanted = contract()
    model = network(wanted)
    return wanted, model, to_onnx(model, wanted)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({}, {}),
        ({"all_projections": True, "layers": 18}, {"classes": ("plate",)}),
        ({"use_batch_norm": False}, {"width": 64, "height": 96}),
        ({"layers": 50}, {"channels": 1, "offsets": (0.0,), "channel_order": "GRAY"}),
        ({"freeze_bn": True}, {"classes": ("a", "b", "c")}),
    ],
    ids=["plain", "one class", "no batch norm", "bottleneck, grey", "frozen batch norm"],
)
def test_it_computes_what_keras_computes(fields, shape):
    wanted = contract(**shape)
    model = network(wanted, **fields)
    proto = to_onnx(model, wanted)
    assert {node.op_type for node in proto.graph.node} == OPERATORS
    for inputs in inputs_of(wanted):
        for found, expected in zip(run(proto, inputs), keras_outputs(model, inputs), strict=True):
            assert found.shape == expected.shape
            scale = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


def test_names_shapes_and_versions_are_the_contract_s(pair):
    wanted, _, proto = pair
    (opset,) = proto.opset_import
    assert (opset.domain, opset.version) == ("", 13)
    assert proto.ir_version <= 8
    shapes = {
        value.name: [one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {
        "input_1": [1, 3, 64, 96],
        "output_cov/Sigmoid": [1, 2, 4, 6],
        "output_bbox/BiasAdd": [1, 8, 4, 6],
    }
    assert shapes == wanted.shapes
    types = {value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)}
    assert types == {onnx.TensorProto.FLOAT}


def test_every_convolution_says_its_own_padding(pair):
    _, _, proto = pair
    for node in proto.graph.node:
        if node.op_type != "Conv":
            continue
        given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        side = (given["kernel_shape"][0] - 1) // 2
        assert given.get("auto_pad", b"NOTSET") == b"NOTSET"
        assert given.get("pads", [0] * 4) == [side] * 4, node.name


def test_no_other_tensor_can_be_mistaken_for_an_output(pair):
    # nvinfer takes output layers whose names contain "cov" and "bbox".
    _, _, proto = pair
    roles = [("cov" in one.name, "bbox" in one.name) for one in proto.graph.output]
    assert roles == [(True, False), (False, True)]


def test_names_follow_the_layers(pair):
    _, model, proto = pair
    layers = {layer.name for layer in model.layers}
    names = [node.name for node in proto.graph.node]
    assert len(set(names)) == len(names)
    assert {name.split("/")[0] for name in names} <= layers


def test_the_contract_is_inside(pair):
    wanted, _, proto = pair
    (entry,) = proto.metadata_props
    assert (entry.key, Contract.from_json(json.loads(entry.value))) == ("contract", wanted)


def test_mixed_precision_is_exported_in_float32(pair):
    wanted, model, proto = pair
    mixed = network(wanted, policy="mixed_bfloat16")
    mixed.set_weights(model.get_weights())
    assert any(layer.compute_dtype == "bfloat16" for layer in mixed.layers)
    assert content(to_onnx(mixed, wanted)) == content(proto)


@pytest.mark.slow
def test_equal_weights_give_equal_bytes_in_another_process(pair, tmp_path):
    wanted, model, proto = pair
    save_model(model, tmp_path / "model.keras")
    (tmp_path / "contract.json").write_text(json.dumps(wanted.to_json()))
    code = (
        "import json, sys, hashlib; from detectnet.contract import Contract\n"
        "from detectnet.deploy.onnx_export import export\n"
        "wanted = Contract.from_json(json.load(open('contract.json')))\n"
        "export('model.keras', wanted, 'out')"
    )
    scripts = Path(__file__).parents[3] / "scripts"
    environment = {"PYTHONPATH": str(scripts), "PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    assert (tmp_path / "out" / "model.onnx").read_bytes() == content(proto)


def test_export_writes_a_sealed_folder(pair, tmp_path):
    wanted, model, _ = pair
    save_model(model, tmp_path / "model.keras")
    sealed = export(tmp_path / "model.keras", wanted, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "contract.json",
        "labels.txt",
        "model.onnx",
    ]
    assert (tmp_path / "out" / "labels.txt").read_text() == "plate\ncar\n"
    data = (tmp_path / "out" / "model.onnx").read_bytes()
    assert sealed.model_sha256 == hashlib.sha256(data).hexdigest()
    assert Contract.from_json(json.loads((tmp_path / "out" / "contract.json").read_text())) == sealed
    onnx.checker.check_model(data, full_check=True)


@pytest.mark.parametrize("change", [{"width": 112}, {"classes": ("plate",)}, {"channels": 1}])
def test_a_contract_of_another_network_is_refused(pair, change):
    _, model, _ = pair
    with pytest.raises(UserError, match="the contract says"):
        to_onnx(model, contract(**change))


def test_an_operator_that_the_device_may_not_know_is_refused():
    import keras

    inputs = keras.Input((64, 96, 3), name="input_1")
    feature = keras.layers.Conv2D(8, 16, 16, activation="gelu")(inputs)
    heads = [
        keras.layers.Conv2D(8, 1, name="output_bbox")(feature),
        keras.layers.Conv2D(2, 1, activation="sigmoid", name="output_cov")(feature),
    ]
    with pytest.raises(UserError, match=r"the node 'conv2d/\w+' \((Erf|Mul|Div)\).*not tried on the device"):
        to_onnx(keras.Model(inputs, heads), contract())


def test_a_network_and_its_contract_under_other_names(tmp_path):
    wanted = contract()
    save_model(network(wanted), tmp_path / "model.keras")
    sealed = export_file(
        tmp_path / "model.keras", wanted, tmp_path / "out/a.onnx", tmp_path / "out/a.contract.json"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.contract.json", "a.onnx"]
    assert sealed.model_sha256 == sha256(tmp_path / "out/a.onnx")
    assert json.loads((tmp_path / "out/a.contract.json").read_text())["model_sha256"] == sealed.model_sha256


def test_the_operator_sets_that_can_be_written():
    wanted = contract()
    model = network(wanted, arch="mobilenet_v2", layers=0)
    picture = next(inputs_of(wanted))
    for opset in (OPSETS[0], OPSETS[-1]):
        made = to_onnx(model, dataclasses.replace(wanted, opset=opset))
        assert made.opset_import[0].version == opset
        for found, expected in zip(run(made, picture), keras_outputs(model, picture), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4)
    for opset in (OPSETS[0] - 1, OPSETS[-1] + 1):
        with pytest.raises(UserError, match=r"cannot be written\. Allowed: 11 to 18"):
            to_onnx(model, dataclasses.replace(wanted, opset=opset))
