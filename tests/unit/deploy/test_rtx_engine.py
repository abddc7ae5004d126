"""The float16 copy, and real engines built by NVIDIA's own parser and builder."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from small_networks import contract, network

from detectnet.deploy import rtx
from detectnet.deploy.float16 import to_float16
from detectnet.deploy.onnx_export import to_onnx
from detectnet.errors import UserError

needs_rtx = pytest.mark.skipif(not rtx.available(), reason=rtx.HOW_TO_INSTALL)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    wanted = contract()
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(to_onnx(network(wanted), wanted), path)
    return path


def outputs(path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["output_cov/Sigmoid", "output_bbox/BiasAdd"], {"input_1": inputs})


def test_the_half_precision_copy_keeps_its_borders_and_its_answer(model_path, tmp_path):
    onnx.save(to_float16(onnx.load(model_path)), tmp_path / "half.onnx")
    whole, half = onnx.load(model_path), onnx.load(tmp_path / "half.onnx")
    assert list(half.graph.input) == list(whole.graph.input)
    assert list(half.graph.output) == list(whole.graph.output)
    assert list(half.metadata_props) == list(whole.metadata_props)
    assert {one.data_type for one in half.graph.initializer} == {onnx.TensorProto.FLOAT16}
    casts = [node for node in half.graph.node if node.op_type == "Cast"]
    assert len(casts) == 3
    inputs = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    for found, expected in zip(outputs(tmp_path / "half.onnx", inputs), outputs(model_path, inputs)):
        # float16 has 11 significant bits; ten layers of rounding stay well below a hundredth of the range.
        assert 0 < np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_every_weight_is_rounded_to_the_nearest_half(model_path):
    whole = onnx.load(model_path)
    for before, after in zip(whole.graph.initializer, to_float16(whole).graph.initializer, strict=True):
        values = onnx.numpy_helper.to_array(before)
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(after), values.astype(np.float16))


def test_a_weight_beyond_half_precision_is_named(model_path):
    proto = onnx.load(model_path)
    tensor = proto.graph.initializer[0]
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] = 1e6
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    with pytest.raises(UserError, match=f"{tensor.name}: a weight is 1e[+]06, float16 ends at 65504"):
        to_float16(proto)


@needs_rtx
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_an_engine_is_really_built(model_path, tmp_path, precision):
    built = rtx.build(model_path, tmp_path, rtx.RtxSettings(precision))
    assert json.loads((tmp_path / "build.json").read_text()) == built
    engine = (tmp_path / built["engine"]).read_bytes()
    model_hash = hashlib.sha256(model_path.read_bytes()).hexdigest()
    assert hashlib.sha256(engine).hexdigest() == built["sha256"]
    assert (built["model"], built["model_sha256"], built["batch"]) == ("model.onnx", model_hash, 1)
    assert built["bytes"] == len(engine) > 50_000
    assert built["log"] == []
    for part in (model_hash[:12], built["tensorrt"], "sm86", precision, "b1"):
        assert part in built["engine"]
    # Three casts come on top of the file's own nodes; TensorRT makes one layer of each.
    nodes = len(onnx.load(model_path).graph.node)
    assert built["layers"] >= nodes + (3 if precision == "fp16" else 0)


@needs_rtx
def test_a_half_precision_engine_holds_half_precision_weights(tmp_path):
    wanted = contract()
    path = tmp_path / "model.onnx"
    onnx.save(to_onnx(network(wanted, width_multiplier=0.5), wanted), path)
    sizes = {
        precision: rtx.build(path, tmp_path / precision, rtx.RtxSettings(precision))["bytes"]
        for precision in rtx.PRECISIONS
    }
    assert sizes["fp16"] < 0.6 * sizes["fp32"]


@needs_rtx
def test_the_same_model_gives_the_same_engine(model_path, tmp_path):
    first, second = rtx.build(model_path, tmp_path / "a"), rtx.build(model_path, tmp_path / "b")
    assert (first["engine"], first["sha256"]) == (second["engine"], second["sha256"])


@needs_rtx
def test_one_engine_is_for_several_cards(model_path, tmp_path):
    both = rtx.build(model_path, tmp_path / "both", rtx.RtxSettings("fp16", ("SM86", "SM89")))
    one = rtx.build(model_path, tmp_path / "one", rtx.RtxSettings("fp16", ("SM86",)))
    assert "_sm86-sm89_" in both["engine"] and "_sm86_" in one["engine"]
    assert both["compute_capabilities"] == ["SM86", "SM89"]
    assert both["sha256"] != one["sha256"]
    with pytest.raises(UserError, match=r"no compute capability is given.*SM86"):
        rtx.build(model_path, tmp_path, rtx.RtxSettings("fp16", ()))


@needs_rtx
def test_all_of_the_parser_s_errors_are_shown(model_path, tmp_path):
    proto = onnx.load(model_path)
    for node, operator in zip(proto.graph.node, ("Nonsense", "Absurdity")):
        node.op_type = operator
    onnx.save(proto, tmp_path / "bad.onnx")
    with pytest.raises(UserError) as caught:
        rtx.build(tmp_path / "bad.onnx", tmp_path, rtx.RtxSettings("fp32"))
    assert "bad.onnx" in str(caught.value)
    assert "Nonsense" in str(caught.value)
    assert "Absurdity" in str(caught.value)
    assert not (tmp_path / "build.json").exists()


@needs_rtx
@pytest.mark.parametrize("settings", [rtx.RtxSettings("int4"), rtx.RtxSettings("fp16", ("SM53",))])
def test_unknown_settings_list_the_allowed_ones(model_path, tmp_path, settings):
    with pytest.raises(UserError, match=r"unknown .*Allowed: .*(fp16|SM86)"):
        rtx.build(model_path, tmp_path, settings)


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch, model_path, tmp_path):
    monkeypatch.setattr(rtx, "_LIBRARY_PACKAGE", "no_such_package")
    rtx._tensorrt.cache_clear()
    assert not rtx.available()
    with pytest.raises(UserError, match="uv run --frozen --extra rtx"):
        rtx.build(model_path, tmp_path)
