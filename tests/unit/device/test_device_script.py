"""The device's script: its Python, its calls of TensorRT, and a walk with a double of every version."""

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DEVICE = ROOT / "scripts" / "device"
DOUBLES = ROOT / "tests" / "doubles"
TABLE = yaml.safe_load((DOUBLES / "tensorrt_calls.yaml").read_text())
API = DEVICE / "tensorrt_api.py"
JETPACK = {"numpy", "pycuda", "tensorrt"}
# Attributes in tensorrt_api.py of Python's own objects.
PYTHON = {"append", "format", "group", "join", "lower", "match", "memory", "tensors", "__init__"}
VERSIONS = ["8.0.1.6", "8.2.1.8", "8.4.1.5", "8.5.2.2", "8.6.1", "10.3.0", "11.1.0"]


def modules():
    return sorted(DEVICE.glob("*.py"))


def tree(path):
    return ast.parse(path.read_text())


def test_python_3_6_is_enough_in_syntax_and_library():
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("vermin")),
            "-t=3.6-",
            "--eval-annotations",
            "--no-tips",
            "--violations",
            str(DEVICE),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.name)
def test_only_what_jetpack_has_is_imported(path):
    own = {one.stem for one in modules()}
    for node in ast.walk(tree(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in {one.split(".")[0] for one in names}:
            assert name in own | JETPACK or name in sys.stdlib_module_names
            assert name != "tensorrt" or path == API


def test_every_attribute_of_tensorrt_is_in_the_table():
    known = {name for names in TABLE["calls"].values() for name in names}
    found = tree(API)
    loops = [one for one in ast.walk(found) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]
    asked = {
        one.args[1].value
        for one in loops
        if one.func.id == "hasattr" and isinstance(one.args[1], ast.Constant)
    }
    used = {one.attr for one in ast.walk(found) if isinstance(one, ast.Attribute)}
    used = {one for one in used if not one.startswith("_") or one == "__version__"} - PYTHON
    assert used | asked <= known
    # The check is worth something only where the table holds nothing beside what is used.
    assert {"execute_v2", "FP16", "num_bindings", "set_memory_pool_limit"} <= used | asked


def test_the_table_knows_what_changed():
    calls = TABLE["calls"]
    assert calls["IBuilderConfig"]["max_workspace_size"][1] == "8.6"
    assert calls["IBuilderConfig"]["set_memory_pool_limit"][0] == "8.4"
    assert calls["ICudaEngine"]["num_io_tensors"][0] == "8.5"
    assert calls["BuilderFlag"]["FP16"][1] == "10.0"
    for names in calls.values():
        for since, until in names.values():
            assert TABLE["versions"].index(since) <= TABLE["versions"].index(until)


@pytest.fixture(scope="module", params=["fixed", "open"])
def each_model(request, tmp_path_factory):
    """A file with a fixed batch of 1, and one whose batch is open."""
    return means(tmp_path_factory.mktemp("model") / "model.onnx", 1 if request.param == "fixed" else "batch")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return means(tmp_path_factory.mktemp("model") / "model.onnx", 1)


def means(path, batch):
    """A network of the contract's names: a mean over cells, once as coverage and four times as box."""
    from onnx import TensorProto, helper

    weights = np.zeros((5, 3, 16, 16), np.float32)
    weights[:] = np.arange(1, 6, dtype=np.float32)[:, None, None, None] / 768
    nodes = [
        helper.make_node("Conv", ["input_1", "w"], ["both"], strides=[16, 16], kernel_shape=[16, 16]),
        helper.make_node("Split", ["both", "sizes"], ["logits", "output_bbox/BiasAdd"], axis=1),
        helper.make_node("Sigmoid", ["logits"], ["output_cov/Sigmoid"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, [batch, 3, 32, 48])],
        [
            helper.make_tensor_value_info("output_cov/Sigmoid", TensorProto.FLOAT, [batch, 1, 2, 3]),
            helper.make_tensor_value_info("output_bbox/BiasAdd", TensorProto.FLOAT, [batch, 4, 2, 3]),
        ],
        [
            onnx.numpy_helper.from_array(weights, "w"),
            onnx.numpy_helper.from_array(np.int64([1, 4]), "sizes"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, path)
    return path


class Bench:
    """A folder as it lies on the device, and the script started in it as SSH starts it."""

    def __init__(self, folder, version, **environment):
        self.folder, self.version = folder, version
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(DOUBLES),
            "TENSORRT_DOUBLE_VERSION": version,
            "TENSORRT_DOUBLE_CALLS": str(folder / "calls.txt"),
            **environment,
        }

    def start(self, action, job=None):
        words = [sys.executable, str(DEVICE / "device.py"), action]
        if job is not None:
            (self.folder / f"{action}.json").write_text(json.dumps(job))
            words.append(f"{action}.json")
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def do(self, action, job=None):
        """(exit status, ANSWER or REFUSED, its content, all output)."""
        process = self.start(action, job)
        out, err = process.communicate(timeout=60)
        kind, _, content = (out.splitlines() or [""])[-1].partition(" ")
        return process.returncode, kind, json.loads(content) if content.startswith("{") else None, out + err

    def job(self, model, **changes):
        (self.folder / "model.onnx").write_bytes(model.read_bytes())
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        probed = self.do("probe")[2]
        key = {
            "model_sha256": digest,
            "tensorrt": self.version,
            "device": probed["device"],
            "precision": "fp16",
            "batch": 1,
            "workspace_mb": 256,
            **changes,
        }
        return {"model": "model.onnx", "sent_sha256": digest, "key": key, "engine": "x.engine"}

    def measuring(self, job, pictures):
        names = []
        for index, part in enumerate(np.array_split(pictures, 2)):
            np.save(self.folder / f"pictures-{index}.npy", part)
            names.append(f"pictures-{index}.npy")
        return {
            "engine": job["engine"],
            "key": job["key"],
            "pictures": names,
            "scale": 1 / 255,
            "offsets": [1.0, 2.0, 3.0],
            "input": "input_1",
            "cov": "output_cov/Sigmoid",
            "bbox": "output_bbox/BiasAdd",
            "warm_up": 3,
            "runs": 12,
        }


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, "8.2.1.8")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_walk_with_every_version(each_model, tmp_path, version):
    bench = Bench(tmp_path, version)
    code, kind, probed, said = bench.do("probe")
    assert (code, kind) == (0, "ANSWER"), said
    assert (probed["tensorrt"], probed["bindings"], probed["pycuda"]) == (version, True, True)
    assert probed["strongly_typed"] == version.startswith("11")
    job = bench.job(each_model)
    code, kind, built, said = bench.do("build", job)
    assert (code, kind) == (0, "ANSWER"), said
    engine = (tmp_path / "x.engine").read_bytes()
    assert (built["sha256"], built["bytes"]) == (hashlib.sha256(engine).hexdigest(), len(engine))
    assert (built["builder"], built["reused"], built["layers"]) == ("bindings", False, 3)
    assert built["log"] == ["WARNING: this is a double of TensorRT, not TensorRT"]
    assert (tmp_path / "timing.cache").is_file()
    calls = (tmp_path / "calls.txt").read_text()
    assert "workspace 256" in calls
    assert ("flags ['FP16']" in calls) == (not version.startswith("11"))

    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 48), dtype=np.uint8)
    code, kind, measured, said = bench.do("measure", bench.measuring(job, pictures))
    assert (code, kind) == (0, "ANSWER"), said
    session = onnxruntime.InferenceSession(str(each_model), providers=["CPUExecutionProvider"])
    with np.load(tmp_path / "outputs.npz") as outputs:
        for index, picture in enumerate(pictures):
            wanted = (picture - np.float32([1, 2, 3])[:, None, None]) / np.float32(255)
            cov, bbox = session.run(["output_cov/Sigmoid", "output_bbox/BiasAdd"], {"input_1": wanted[None]})
            np.testing.assert_allclose(outputs["cov"][index], cov[0], atol=1e-6)
            np.testing.assert_allclose(outputs["bbox"][index], bbox[0], atol=1e-5)
    # Whole rounds over the five pictures, twelve runs at least; warm-up does not count.
    assert (measured["runs"], measured["pictures"], measured["warm_up"]) == (15, 5, 3)
    for kind in ("with_copies", "without_copies"):
        row = measured[kind]
        assert row["min"] <= row["p50"] <= row["p90"] <= row["p95"] <= row["p99"] <= row["max"]
        assert row["fps"] == pytest.approx(1000 / row["mean"])
    assert measured["with_copies"]["mean"] > measured["without_copies"]["mean"]
    assert measured["fps"] == measured["with_copies"]["fps"]
    assert measured["memory"]["gpu_in_use_bytes"] == 1 << 30


def test_a_second_build_finds_the_first_one_s_engine(model, bench):
    job = bench.job(model)
    first = bench.do("build", job)[2]
    second = bench.do("build", job)[2]
    assert second == {**first, "reused": True}
    (bench.folder / "x.engine").write_bytes(b"half")
    assert bench.do("build", job)[2]["reused"] is False


@pytest.mark.parametrize("field", ["model_sha256", "precision"])
def test_an_engine_of_another_key_is_built_anew(model, bench, field):
    job = bench.job(model)
    bench.do("build", job)
    job["key"][field] = {"model_sha256": "0" * 64, "precision": "fp32"}[field]
    assert bench.do("build", job)[2]["reused"] is False


def test_a_build_whose_connection_is_lost_goes_on_and_the_next_waits_for_it(model, bench):
    job = bench.job(model)
    bench.environment["TENSORRT_DOUBLE_BUILD"] = "slow"
    first = bench.start("build", job)
    assert "double of TensorRT" in first.stdout.readline()
    # What sshd does when the connection breaks: a hangup, and nobody reads the output any more.
    first.send_signal(1)
    first.stdout.close()
    code, _, second, said = bench.do("build", job)
    assert (code, second["reused"]) == (0, True), said
    assert "waiting for it" in said
    first.stderr.close()
    assert first.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("none", ["cannot build", "Could not find any implementation for node conv1"]),
        ("memory", ["out of memory", "workspace_mb"]),
    ],
)
def test_a_failed_build_is_a_sentence(model, bench, how, words):
    bench.environment["TENSORRT_DOUBLE_BUILD"] = how
    code, kind, refused, _ = bench.do("build", bench.job(model))
    assert (code, kind) == (3, "REFUSED")
    text = json.dumps(refused)
    assert all(word in text for word in words)
    assert not (bench.folder / "x.engine").exists()


def test_the_parser_s_errors_are_listed(model, bench):
    proto = onnx.load(model)
    proto.graph.node[0].op_type = "Nonsense"
    onnx.save(proto, bench.folder / "bad.onnx")
    code, _, refused, _ = bench.do("build", bench.job(bench.folder / "bad.onnx"))
    assert code == 3
    assert "parser refuses" in refused["what"]
    assert "Nonsense" in refused["messages"][0]


def test_a_model_that_arrived_damaged_is_refused(model, bench):
    job = {**bench.job(model), "sent_sha256": "0" * 64}
    assert "not the one that was sent" in bench.do("build", job)[2]["what"]


def test_a_stale_engine_is_refused(model, bench):
    job = bench.job(model)
    bench.do("build", job)
    measuring = bench.measuring(job, np.zeros((2, 3, 32, 48), np.uint8))
    bench.environment["TENSORRT_DOUBLE_VERSION"] = "8.0.1.6"
    refused = bench.do("measure", measuring)[2]
    assert "stale: it was built with tensorrt 8.2.1.8, and here is 8.0.1.6" in refused["what"]
    bench.environment["TENSORRT_DOUBLE_VERSION"] = "8.2.1.8"
    (bench.folder / "x.engine").write_bytes(b"other")
    assert "not as it was built" in bench.do("measure", measuring)[2]["what"]


def test_an_engine_with_other_tensors_is_refused(model, bench):
    job = bench.job(model)
    bench.do("build", job)
    measuring = {**bench.measuring(job, np.zeros((2, 3, 32, 48), np.uint8)), "cov": "coverage"}
    refused = bench.do("measure", measuring)[2]
    assert "output_cov/Sigmoid" in refused["what"]


@pytest.mark.parametrize("version", ["7.1.3.0", "12.0.0"])
def test_an_unknown_version_is_refused(tmp_path, version):
    code, _, refused, _ = Bench(tmp_path, version).do("probe")
    assert code == 3
    assert version in refused["what"]
    assert "8.0 to 11" in refused["remedy"]


def test_a_device_without_tensorrt_says_so(bench):
    bench.environment["PYTHONPATH"] = ""
    code, kind, refused, _ = bench.do("probe")
    assert (code, kind) == (3, "REFUSED")
    assert "neither TensorRT's Python bindings nor trtexec" in refused["what"]
    assert "JetPack 4.6" in refused["remedy"]


def test_a_device_without_pycuda_builds_and_says_why_it_cannot_measure(model, bench):
    lonely = bench.folder / "doubles"
    lonely.mkdir()
    for name in ("tensorrt.py", "tensorrt_calls.yaml"):
        text = (DOUBLES / name).read_text().replace("from pycuda import driver", "")
        (lonely / name).write_text(text)
    bench.environment["PYTHONPATH"] = str(lonely)
    assert bench.do("probe")[2]["pycuda"] is False
    job = bench.job(model)
    assert bench.do("build", job)[0] == 0
    code, _, refused, _ = bench.do("measure", bench.measuring(job, np.zeros((2, 3, 32, 48), np.uint8)))
    assert code == 3
    assert "no module pycuda" in refused["what"]
    assert "pip3 install --user pycuda" in refused["remedy"]
