"""What the device's script asks the board and trtexec, and its build with NVIDIA's own parser and builder."""

import stat
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from detectnet.contract import Contract
from detectnet.deploy import rtx
from detectnet.deploy.float16 import to_float16
from detectnet.deploy.runtime import to_input

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def device_modules():
    """The script's folder is on its path only while it runs; here too."""
    sys.path.insert(0, str(ROOT / "scripts" / "device"))
    yield
    sys.path.remove(str(ROOT / "scripts" / "device"))


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def nano(tmp_path):
    """The files of a Jetson Nano with JetPack 4.6.1, jetson_clocks on, and its GPU throttled."""
    return tree(
        tmp_path / "nano",
        {
            "proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
            "proc/meminfo": "MemTotal:        4059292 kB\nMemAvailable:    2048000 kB\n",
            "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref\n",
            "sys/class/devfreq/57000000.gpu/cur_freq": "921600000\n",
            "sys/class/devfreq/57000000.gpu/min_freq": "921600000\n",
            "sys/class/devfreq/57000000.gpu/max_freq": "921600000\n",
            "sys/class/devfreq/70006000.nvenc/cur_freq": "1\n",
            "sys/class/thermal/thermal_zone0/type": "AO-therm\n",
            "sys/class/thermal/thermal_zone0/temp": "45500\n",
            "sys/class/thermal/thermal_zone2/type": "GPU-therm\n",
            "sys/class/thermal/thermal_zone2/temp": "38000\n",
            "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
            "sys/class/thermal/cooling_device0/cur_state": "3\n",
            "sys/class/thermal/cooling_device1/type": "gpu-balanced\n",
            "sys/class/thermal/cooling_device1/cur_state": "1\n",
        },
    )


def test_a_nano_is_read(nano):
    import board

    assert board.name(nano) == "NVIDIA Jetson Nano Developer Kit"
    assert board.slug(board.name(nano)) == "nvidia-jetson-nano-developer-kit"
    assert board.release(nano) == "R32.7.1"
    found = board.state(nano)
    assert found["gpu_clock_hz"] == found["gpu_clock_max_hz"] == 921_600_000
    assert found["clocks_fixed"] is True
    assert found["temperatures"] == {"AO-therm": 45.5, "GPU-therm": 38.0}
    assert found["cooling"] == {"pwm-fan": 3, "gpu-balanced": 1}
    assert found["throttled"] is True
    assert found["memory_available_bytes"] == 2048000 * 1024


def test_a_running_fan_is_no_throttling(nano):
    import board

    (nano / "sys/class/thermal/cooling_device1/cur_state").write_text("0\n")
    (nano / "sys/class/devfreq/57000000.gpu/min_freq").write_text("76800000\n")
    found = board.state(nano)
    assert (found["throttled"], found["clocks_fixed"]) == (False, False)


def test_what_a_board_does_not_tell_is_none(tmp_path):
    import board

    found = board.state(tmp_path)
    assert board.release(tmp_path) is None
    assert found["gpu_clock_hz"] is found["clocks_fixed"] is found["throttled"] is None
    assert (found["temperatures"], found["cooling"]) == ({}, {})


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_power_mode_is_nvpmodel_s(tmp_path, monkeypatch):
    import board

    program(tmp_path, "nvpmodel", "echo 'NV Fan Mode:quiet'; echo 'NV Power Mode: MAXN'; echo 0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert board.state(tmp_path)["power_mode"] == "MAXN"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("v8201", "8.2.1"),
        ("v8001", "8.0.1"),
        ("v8601", "8.6.1"),
        ("v100300", "10.3.0"),
        ("v110102", "11.1.2"),
    ],
)
def test_trtexec_s_version_is_read(tmp_path, said, version):
    import trtexec

    path = program(tmp_path, "trtexec", f"echo '&&&& RUNNING TensorRT.trtexec [TensorRT {said}] # trtexec'")
    assert trtexec.version(path) == version


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("8.2.1", ["--workspace=512", "--buildOnly", "--fp16"]),
        ("10.3.0", ["--memPoolSize=workspace:512", "--skipInference", "--fp16"]),
        ("11.1.2", ["--memPoolSize=workspace:512", "--skipInference"]),
    ],
)
def test_trtexec_s_options_are_its_version_s(version, wanted):
    import trtexec

    words = trtexec.arguments("trtexec", version, "m.onnx", "m.engine", True, 512, "timing.cache")
    same = ["trtexec", "--onnx=m.onnx", "--saveEngine=m.engine", "--timingCacheFile=timing.cache"]
    assert sorted(words) == sorted(same + wanted)


def test_without_bindings_trtexec_builds(tmp_path, monkeypatch):
    import build

    text = """
    [ "$1" = --help ] && echo "&&&& RUNNING TensorRT.trtexec [TensorRT v8201] # trtexec" && exit 0
    echo "[11/23/2026-12:00:00] [W] [TRT] a warning"
    for word in "$@"; do case $word in --saveEngine=*) printf engine > "${word#--saveEngine=}";; esac; done
    """
    path = program(tmp_path, "trtexec", text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trtexec.find", lambda: path)
    monkeypatch.setattr("tensorrt_api.find", lambda: None)
    probed = build.probe()
    assert (probed["tensorrt"], probed["bindings"], probed["strongly_typed"]) == ("8.2.1", False, False)
    Path("model.onnx").write_bytes(b"model")
    key = {
        "tensorrt": "8.2.1",
        "device": probed["device"],
        "precision": "fp16",
        "batch": 1,
        "workspace_mb": 512,
    }
    job = {
        "model": "model.onnx",
        "sent_sha256": build.sha256(Path("model.onnx")),
        "key": key,
        "engine": "x.engine",
    }
    said = []
    built = build.build(job, said.append)
    assert (built["builder"], built["bytes"]) == ("trtexec", 6)
    assert built["log"] == ["[11/23/2026-12:00:00] [W] [TRT] a warning"]
    assert build.build(job, said.append)["reused"] is True


def test_trtexec_s_errors_are_shown_and_a_killed_one_is_out_of_memory(tmp_path):
    import trtexec
    from device_error import DeviceError

    failing = program(tmp_path, "failing", "echo '[x] [E] Error[4]: no such layer'; exit 1")
    with pytest.raises(DeviceError) as caught:
        trtexec.build([failing], print)
    assert caught.value.messages == ("[x] [E] Error[4]: no such layer",)
    with pytest.raises(DeviceError, match="out of memory"):
        trtexec.build([program(tmp_path, "killed", "kill -9 $$")], print)


def test_the_device_s_input_is_the_host_s():
    import measure

    contract = Contract(48, 32, ("plate",), scale=1 / 127.5, offsets=(103.9, 116.8, 123.7))
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    found = measure.to_input(picture.transpose(2, 0, 1), contract.scale, list(contract.offsets))
    np.testing.assert_array_equal(found, to_input(picture, contract))
    assert found.dtype == np.float32


@pytest.mark.parametrize(("fp16", "batch"), [(True, 1), (False, 1), (True, None)])
@pytest.mark.skipif(not rtx.available(), reason=rtx.HOW_TO_INSTALL)
def test_nvidia_s_own_parser_and_builder_take_the_script_s_calls(fp16, batch, tmp_path):
    """TensorRT-RTX stands in for TensorRT here: it needs no GPU where it is told the card's capability."""
    import tensorrt_api

    trt = rtx._tensorrt()

    class AheadOfTime(trt.Builder):
        def create_builder_config(self):
            config = trt.Builder.create_builder_config(self)
            config.num_compute_capabilities = 1
            config.set_compute_capability(trt.ComputeCapability.SM86, 0)
            return config

    class Bindings:
        Builder = AheadOfTime

        def __getattr__(self, name):
            return getattr(trt, name)

    proto = small(batch or "batch")
    assert tensorrt_api.strongly_typed(Bindings())
    content = (to_float16(proto) if fp16 else proto).SerializeToString()
    said = []
    built = tensorrt_api.build(Bindings(), content, fp16, 64 << 20, 1, b"", said.append)
    assert len(built["engine"]) > 10_000
    assert built["layers"] >= len(proto.graph.node)
    assert said


@pytest.mark.skipif(not rtx.available(), reason=rtx.HOW_TO_INSTALL)
def test_nvidia_s_own_parser_names_what_it_refuses():
    import tensorrt_api
    from device_error import DeviceError

    proto = small(1)
    proto.graph.node[0].op_type = "Nonsense"
    with pytest.raises(DeviceError, match="parser refuses") as caught:
        tensorrt_api.build(rtx._tensorrt(), proto.SerializeToString(), False, 64 << 20, 1, b"", print)
    assert "Nonsense" in " ".join(caught.value.messages)


def small(batch):
    """A convolution, a ReLU and a sigmoid."""
    from onnx import TensorProto, helper

    weights = np.random.default_rng(0).normal(size=(32, 3, 16, 16)).astype(np.float32) / 50
    nodes = [
        helper.make_node("Conv", ["input_1", "w"], ["a"], strides=[16, 16], kernel_shape=[16, 16]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, [batch, 3, 32, 48])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 32, 2, 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
