"""An engine on another machine: a real OpenSSH server on loopback, and a double of TensorRT behind it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sshd import Server, make_key

import measure_engine
from detectnet.contract import Contract
from detectnet.data.kitti import Label
from detectnet.data.tfrecord import example, write_shard
from detectnet.deploy import device_engine
from detectnet.deploy.bundle import METADATA_KEY
from detectnet.deploy.device_engine import DeviceSettings, ask, build, check_fresh
from detectnet.errors import UserError
from detectnet.files import sha256

DOUBLES = Path(__file__).resolve().parents[1] / "doubles"
WIDTH, HEIGHT = 96, 64
CLUSTERING = {"coverage_threshold": 0.05, "dbscan_eps": 0.3, "dbscan_min_samples": 1}
EXPERIMENT = """
dataset_config { data_sources { tfrecords_path: "t" } target_class_mapping { key: "plate" value: "plate" } }
augmentation_config { preprocessing { output_image_width: 96 output_image_height: 64 } }
postprocessing_config { target_class_config { key: "plate" value { clustering_config {
  coverage_threshold: 0.05 dbscan_eps: 0.3 dbscan_min_samples: 1 minimum_bounding_box_height: 4 } } } }
model_config { num_layers: 10 objective_set { bbox { scale: 35 offset: 0.5 } cov { } } }
evaluation_config { minimum_detection_ground_truth_overlap { key: "plate" value: 0.5 }
  evaluation_box_config { key: "plate" value { } } }
cost_function_config { target_classes { name: "plate" class_weight: 1 coverage_foreground_weight: 0.05
  objectives { name: "cov" initial_weight: 1 weight_target: 1 }
  objectives { name: "bbox" initial_weight: 10 weight_target: 10 } } }
training_config { batch_size_per_gpu: 1 num_epochs: 1 learning_rate { soft_start_annealing_schedule {
  min_learning_rate: 5e-6 max_learning_rate: 5e-4 annealing: 0.7 } } regularizer { }
  optimizer { adam { epsilon: 1e-8 } } }
bbox_rasterizer_config { target_class_config { key: "plate" value {
  cov_radius_x: 0.4 cov_radius_y: 0.4 bbox_min_radius: 1 } } }
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return bright_cells(tmp_path_factory.mktemp("model") / "model.onnx")


def bright_cells(path, bias=-10.0):
    """A network that covers cells whose mean is above a half, with boxes of 70 pixels around them."""
    weights = np.zeros((5, 3, 16, 16), np.float32)
    weights[0] = 20 / 768
    nodes = [
        helper.make_node("Conv", ["input_1", "w", "b"], ["both"], strides=[16, 16], kernel_shape=[16, 16]),
        helper.make_node("Split", ["both", "sizes"], ["logits", "output_bbox/BiasAdd"], axis=1),
        helper.make_node("Sigmoid", ["logits"], ["output_cov/Sigmoid"]),
    ]
    contract = Contract(WIDTH, HEIGHT, ("plate",), {"plate": CLUSTERING})
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in contract.shapes.items()
    }
    graph = helper.make_graph(
        nodes,
        "bright",
        [values["input_1"]],
        [values["output_cov/Sigmoid"], values["output_bbox/BiasAdd"]],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.float32([bias, 1, 1, 1, 1]), "b"),
            numpy_helper.from_array(np.int64([1, 4]), "sizes"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(made, {METADATA_KEY: json.dumps(contract.to_json())})
    onnx.save(made, path)
    return path


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


def with_tensorrt(server, **environment):
    return server.running(PYTHONPATH=str(DOUBLES), **environment)


def built_on(server, model, out, **settings):
    return build(model, out, server.host, "tensorrt", DeviceSettings(**settings))


def test_an_engine_is_built_there_and_fetched_once(server, model, tmp_path):
    with with_tensorrt(server):
        first = built_on(server, model, tmp_path / "out")
        engine = tmp_path / "out" / first["engine"]
        stamp = engine.stat().st_mtime_ns
        sent = sorted(server.home.iterdir())
        second = built_on(server, model, tmp_path / "out")
    assert sha256(engine) == first["sha256"] == sha256(server.home / first["engine"])
    assert first["engine"].startswith(f"model_{sha256(model)[:12]}_trt8.2.1.8_")
    assert first["engine"].endswith("_fp16_b1.engine")
    assert second == first and engine.stat().st_mtime_ns == stamp
    assert sorted(server.home.iterdir()) == sent
    assert json.loads((tmp_path / "out" / "build.json").read_text()) == first
    assert "this is a double of TensorRT" in (tmp_path / "out" / "build.log").read_text()
    assert (server.home / "timing.cache").is_file()


def test_where_the_file_s_types_decide_a_half_precision_copy_is_sent(server, model, tmp_path):
    with with_tensorrt(server, TENSORRT_DOUBLE_VERSION="11.1.0"):
        built_on(server, model, tmp_path / "half")
        whole = built_on(server, model, tmp_path / "whole", precision="fp32")
    (half,) = server.home.glob("*_half.onnx")
    assert {one.data_type for one in onnx.load(half).graph.initializer} == {
        TensorProto.FLOAT16,
        TensorProto.INT64,
    }
    assert "_fp32_" in whole["engine"] and whole["key"]["model_sha256"] == sha256(model)


def test_a_copy_that_was_cut_off_is_made_again_and_only_that_one(server, tmp_path):
    files = [tmp_path / name for name in ("a.bin", "b.bin")]
    for path in files:
        path.write_bytes(os.urandom(3000))
    with with_tensorrt(server):
        server.host.send(files)
        (server.home / "a.bin").write_bytes(files[0].read_bytes()[:1000])
        other = (server.home / "b.bin").stat()
        server.host.send(files)
        server.host.fetch("a.bin", tmp_path / "back.bin", sha256(files[0]))
        with pytest.raises(UserError, match="did not arrive whole"):
            server.host.fetch("a.bin", tmp_path / "wrong.bin", sha256(files[1]))
    assert (server.home / "a.bin").read_bytes() == (tmp_path / "back.bin").read_bytes()
    assert (server.home / "a.bin").read_bytes() == files[0].read_bytes()
    after = (server.home / "b.bin").stat()
    assert (after.st_mtime_ns, after.st_ino) == (other.st_mtime_ns, other.st_ino)
    assert not (tmp_path / "wrong.bin").exists()


def test_keys_are_checked_on_both_sides(server, tmp_path):
    with with_tensorrt(server):
        server.known_hosts.write_text("")
        with pytest.raises(UserError, match=rf"host's key is unknown.*ssh -p {server.port} "):
            server.host.run("true")
        server.know("other_key")
        with pytest.raises(UserError, match=r"another one than before.*ssh-keygen -R"):
            server.host.run("true")
        server.know("host_key")
        stranger = dataclasses.replace(server.host, key_file=server.folder / "other_key")
        with pytest.raises(UserError, match=r"refuses the key.*ssh-copy-id"):
            stranger.run("true")
        make_key(tmp_path / "closed_key", "secret")
        # Without the agent a closed key opens nothing, and nobody is asked for its passphrase.
        closed = dataclasses.replace(server.host, key_file=tmp_path / "closed_key")
        with pytest.raises(UserError, match=r"refuses the key.*ssh-add"):
            closed.run("true")
        assert server.host.run("echo here") == (0, ["here"])
    missing = dataclasses.replace(server.host, key_file=tmp_path / "none")
    with pytest.raises(UserError, match=r"none: the key file does not exist"):
        missing.run("true")


def test_a_host_that_does_not_listen_is_a_sentence(server):
    with pytest.raises(UserError, match=r"no SSH connection at this port.*systemctl start ssh"):
        server.host.run("true")
    nameless = dataclasses.replace(server.host, host="no-such-host.invalid")
    with pytest.raises(UserError, match="no host has this name"):
        nameless.run("true")


def test_a_lost_connection_is_a_sentence_and_the_next_command_goes_on(server, model, tmp_path):
    with with_tensorrt(server, TENSORRT_DOUBLE_BUILD="slow", TENSORRT_DOUBLE_CALLS=str(tmp_path / "calls")):
        threading.Thread(target=cut_off, args=(tmp_path / "calls",)).start()
        with pytest.raises(UserError, match=r"connection is lost.*goes on where it stopped"):
            built_on(server, model, tmp_path / "out")
        assert not (tmp_path / "out" / "build.json").exists()
        built = built_on(server, model, tmp_path / "out")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.count("Builder.build_serialized_network") == 1
    assert sha256(tmp_path / "out" / built["engine"]) == built["sha256"]


def cut_off(calls):
    """Kill the session's ssh as soon as the build is at work."""
    for _ in range(400):
        if calls.is_file() and "build_serialized_network" in calls.read_text():
            break
        time.sleep(0.05)
    mine = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
    )
    for line in mine.stdout.splitlines():
        number, name = line.split()[:2]
        if name == "ssh":
            os.kill(int(number), signal.SIGTERM)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("killed", r"ran out of memory and ended the work \(Killed\).*add swap"),
        ("memory", r"ran out of memory while building the engine:\n.*out of memory"),
        ("none", r"cannot build an engine of the model:\n.*conv1"),
    ],
)
def test_a_failed_build_is_a_sentence(server, model, tmp_path, how, words):
    with (
        with_tensorrt(server, TENSORRT_DOUBLE_BUILD=how),
        pytest.raises(UserError, match=f"(?s){words}"),
    ):
        built_on(server, model, tmp_path)
    assert not (tmp_path / "build.json").exists()


def test_a_device_without_tensorrt_or_python_says_so(server, model, tmp_path):
    with server.running(), pytest.raises(UserError, match=r"neither TensorRT's.*JetPack 4\.6"):
        built_on(server, model, tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    program(programs, "python3", "exit 127")
    with server.running(programs=programs), pytest.raises(UserError, match="no python3"):
        ask(server.host, "probe")


def test_another_version_or_machine_than_the_nano_s_is_refused(server, model, tmp_path):
    with (
        with_tensorrt(server, TENSORRT_DOUBLE_VERSION="7.1.3.0"),
        pytest.raises(UserError, match=r"TensorRT 7\.1\.3\.0 is not supported.*JetPack 4\.6"),
    ):
        built_on(server, model, tmp_path)
    with with_tensorrt(server), pytest.raises(UserError, match=r"no L4T.*JetPack 4\.6.*backend tensorrt"):
        build(model, tmp_path, server.host, "nano")


def program(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_full_disk_is_said_before_anything_is_copied(server, model, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    program(
        programs,
        "df",
        'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo d 9 9 1024 99% /',
    )
    with server.running(programs=programs), pytest.raises(UserError, match=r"disk is full.*1 MB are free"):
        built_on(server, model, tmp_path)
    assert list(server.home.iterdir()) == []


def test_a_stale_engine_is_refused(server, model, tmp_path):
    with with_tensorrt(server):
        built = built_on(server, model, tmp_path)
    check_fresh(built, tmp_path / "build.json", model)
    other = bright_cells(tmp_path / "other.onnx", bias=-9.0)
    with pytest.raises(UserError, match=r"stale.*other\.onnx"):
        check_fresh(built, tmp_path / "build.json", other)
    (tmp_path / built["engine"]).write_bytes(b"half")
    with pytest.raises(UserError, match="not as it was built"):
        check_fresh(built, tmp_path / "build.json", model)
    (tmp_path / "build.json").write_text('{"backend": "rtx"}')
    with pytest.raises(UserError, match="allowed backends: nano, tensorrt"):
        device_engine.read_build(tmp_path / "build.json")


@pytest.fixture
def shard(tmp_path):
    """Seven pictures with a bright rectangle somewhere."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(7):
        picture = random.integers(0, 90, (HEIGHT, WIDTH, 3), np.uint8)
        x, y = random.integers(0, 48), random.integers(0, 32)
        picture[y : y + 32, x : x + 48] = 230
        label = Label("plate", box=(x, y, x + 48, y + 32))
        content = cv2.imencode(".png", picture)[1].tobytes()
        rows.append(example(f"images/{number}", WIDTH, HEIGHT, [label], content))
    path = tmp_path / "cars-fold-000-of-002-shard-00000-of-00001"
    write_shard(path, rows)
    return path


@pytest.mark.slow
def test_an_engine_s_answers_are_evaluated_like_the_onnx_file_s(server, model, shard, tmp_path):
    from detectnet.deploy.device_run import RunSettings, measure, predict_engine
    from detectnet.deploy.evaluating import evaluate_model
    from detectnet.deploy.predict import predict_onnx
    from detectnet.spec import parse

    experiment = parse(EXPERIMENT, name="spec.cfg")
    out = tmp_path / "engine"
    with with_tensorrt(server):
        built_on(server, model, out)
        arguments = (model, out / "build.json", [shard], experiment, server.host, out)
        benchmark = measure(*arguments, RunSettings(pictures=50, warm_up=2, runs=10))
    assert (benchmark["pictures"], benchmark["runs"]) == (7, 14)
    assert json.loads((out / "benchmark.json").read_text()) == benchmark
    with (
        predict_engine(out / "outputs.npz", [shard], experiment) as there,
        predict_onnx(model, [shard], experiment) as here,
    ):
        assert there.contract == here.contract
        assert there.seconds_per_image == pytest.approx(benchmark["with_copies"]["mean"] / 1e3)
        for found, wanted in zip(there, here, strict=True):
            assert (found.source, found.frame_id) == (wanted.source, wanted.frame_id)
            np.testing.assert_allclose(found.cov, wanted.cov, atol=1e-6)
            np.testing.assert_allclose(found.bbox, wanted.bbox, atol=1e-6)
            np.testing.assert_array_equal(found.truth_boxes, wanted.truth_boxes)
    metrics = {
        name: evaluate_model(path, [shard], experiment, tmp_path / name, stage=name)
        for name, path in (("engine", out / "outputs.npz"), ("onnx", model))
    }
    assert metrics["engine"]["images"] == 7
    assert metrics["engine"]["results"] == metrics["onnx"]["results"]
    few = evaluated_few(model, server, experiment, shard, out)
    assert few == ["images/0", "images/3", "images/6"]


def evaluated_few(model, server, experiment, shard, out):
    """The pictures of the script's run on three of them; and what is said once pictures changed."""
    from detectnet.deploy.device_run import predict_engine

    spec = out / "spec.cfg"
    spec.write_text(EXPERIMENT)
    host = server.host
    options = {
        "--model": model,
        "--build": out / "build.json",
        "--spec": spec,
        "--validation": shard,
        "--out": out,
        "--pictures": 3,
        "--runs": 1,
        "--host": host.host,
        "--port": host.port,
        "--user": host.user,
        "--key-file": host.key_file,
        "--known-hosts": host.known_hosts,
        "--folder": host.folder,
    }
    words = [str(word) for option in options.items() for word in option]
    with with_tensorrt(server):
        measure_engine.main(measure_engine.arguments().parse_args(words))
    with predict_engine(out / "outputs.npz", [shard], experiment) as found:
        names = [one.frame_id for one in found]
    label = Label("plate", box=(1, 2, 30, 40))
    content = cv2.imencode(".png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    write_shard(shard, [example("images/0", WIDTH, HEIGHT, [label], content)])
    with (
        pytest.raises(UserError, match=r"stale: 3 pictures are not in the records as they were"),
        predict_engine(out / "outputs.npz", [shard], experiment),
    ):
        pass
    return names
