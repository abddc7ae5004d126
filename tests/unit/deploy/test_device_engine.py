"""An engine on this machine, without SSH, and what a device's strange answers become."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper, save

from build_engine import arguments, main
from detectnet.contract import Contract
from detectnet.deploy.device_engine import NANO, DeviceSettings, ask, engine_name, probe
from detectnet.deploy.hosts import Host
from detectnet.errors import UserError
from detectnet.files import read_json, sha256

DOUBLES = Path(__file__).resolve().parents[2] / "doubles"


@pytest.fixture
def model(tmp_path):
    """Any batch of pictures, doubled."""
    shape = ["batch", 3, 32, 48]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    node = helper.make_node("Mul", ["x", "two"], ["y"])
    graph = helper.make_graph(
        [node], "g", ends[:1], ends[1:], [numpy_helper.from_array(np.float32(2), "two")]
    )
    path = tmp_path / "model.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_the_script_builds_on_this_machine(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(DOUBLES))
    monkeypatch.setenv("TENSORRT_DOUBLE_VERSION", "10.3.0")
    words = [
        "--backend",
        "tensorrt",
        "--model",
        model,
        "--out",
        tmp_path / "out",
        "--folder",
        tmp_path / "device",
    ]
    main(arguments().parse_args([*map(str, words), "--precision", "fp32", "--workspace-mb", "99"]))
    built = read_json(tmp_path / "out" / "build.json")
    assert (built["backend"], built["batch"], built["precision"]) == ("tensorrt", 1, "fp32")
    assert built["key"]["workspace_mb"] == 99 and built["key"]["model_sha256"] == sha256(model)
    assert sha256(tmp_path / "out" / built["engine"]) == built["sha256"]
    assert f"_trt10.3.0_{built['engine'].split('_')[-3]}_fp32_b1.engine" in built["engine"]


class Answers(Host):
    """A host that says what it is told to."""

    def __init__(self, code, *lines):
        super().__init__(host="device")
        object.__setattr__(self, "said", (code, list(lines)))

    def run(self, command, say=None):
        return self.said

    def send(self, files):
        pass


@pytest.mark.parametrize(
    ("code", "lines", "words"),
    [
        (137, [], r"device: the device ran out of memory .*\(Killed\)"),
        (1, ["Killed"], r"\(Killed\).*workspace_mb"),
        (127, ["sh: python3: not found"], "no python3"),
        (1, ["OSError: [Errno 28] No space left on device"], "disk is full.*Make room"),
        (
            1,
            ["Traceback", "ValueError: x"],
            r"(?s)probe failed on the device \(exit status 1\).*ValueError: x",
        ),
        (0, ["no answer"], r"(?s)failed on the device.*no answer"),
        (3, ['REFUSED {"what": "w", "remedy": "r", "messages": ["m"]}'], r"(?s)device: w:\n  m.*r"),
    ],
)
def test_a_strange_answer_is_a_sentence(code, lines, words):
    with pytest.raises(UserError, match=words):
        ask(Answers(code, *lines), "probe")


def test_the_answer_may_be_followed_by_a_library_s_farewell():
    assert ask(Answers(0, "line", 'ANSWER {"a": 1}', "bye"), "probe") == {"a": 1}


@pytest.mark.parametrize(
    ("release", "right"), [("R32.6.1", True), ("R32.7.4", True), ("R35.1", False), (None, False)]
)
def test_a_nano_has_jetpack_4(release, right):
    text = f'"{release}"' if release else "null"
    host = Answers(0, f'ANSWER {{"device": "d", "release": {text}, "tensorrt": "8.2.1.8"}}')
    if right:
        assert probe(host, NANO)["release"] == release
    else:
        with pytest.raises(UserError, match=r"not a Jetson Nano's JetPack.*R32\.7.*backend tensorrt"):
            probe(host, NANO)
    assert probe(host, "tensorrt")["release"] == release


KEY = {"model_sha256": "a" * 64, "tensorrt": "8.2.1.8", "precision": "fp16", "batch": 1}


def test_an_engine_s_name_says_what_it_depends_on():
    assert engine_name("model", KEY, "nano") == "model_aaaaaaaaaaaa_trt8.2.1.8_nano_fp16_b1.engine"
    changed = {"model_sha256": "b" * 64, "tensorrt": "8.2.3.0", "precision": "fp32", "batch": 2}
    names = {engine_name("model", {**KEY, name: value}, "nano") for name, value in changed.items()}
    assert len(names | {engine_name("model", KEY, "nano"), engine_name("model", KEY, "orin")}) == 6


def test_an_unknown_precision_lists_the_known_ones():
    with pytest.raises(UserError, match=r"int8.*fp16, fp32"):
        DeviceSettings("int8")


@given(st.integers(1, 300), st.integers(1, 300))
def test_pictures_are_spread_evenly(total, count):
    from detectnet.deploy.device_run import evenly

    chosen = evenly(range(total), count)
    assert len(chosen) == min(total, count) == len(set(chosen))
    assert chosen[0] == 0 and (len(chosen) == 1 or chosen[-1] == total - 1)
    gaps = np.diff(chosen)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scale": 1.0, "channel_order": "BGR", "offsets": (10.0, 20.0, 30.0)},
        {"channels": 1, "channel_order": "GREY"},
    ],
)
def test_pixels_scaled_there_are_the_input_here(fields, monkeypatch):
    from detectnet.deploy.device_run import pixels
    from detectnet.deploy.runtime import to_input

    monkeypatch.syspath_prepend(str(DOUBLES.parents[1] / "scripts" / "device"))
    import measure

    contract = Contract(48, 32, ("plate",), **fields)
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, contract.channels), np.uint8)
    sent = pixels(picture, contract)
    assert sent.dtype == np.uint8 and sent.shape == (contract.channels, 32, 48)
    there = measure.to_input(sent, contract.scale, list(contract.offsets))
    np.testing.assert_allclose(there, to_input(picture, contract), atol=1e-6)


def test_options_name_the_host():
    from detectnet.deploy.hosts import of_arguments

    words = ["--model", "m", "--out", "o", "--host", "h", "--port", "23", "--user", "u", "--key-file", "~/k"]
    host = of_arguments(arguments().parse_args(words))
    assert host == Host("h", 23, "u", Path.home() / "k")
    assert of_arguments(SimpleNamespace(**{**vars(host)})) == host
