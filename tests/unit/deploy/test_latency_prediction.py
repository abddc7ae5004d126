"""Kernels, bounds and predicted times, against published tables and graphs that are counted by hand."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from detectnet.deploy import latency
from detectnet.deploy.kernels import kernels
from detectnet.devices import NANO
from detectnet.errors import UserError

# Operations of the networks as their authors count them, 10^9.
PUBLISHED = {
    "DetectNet_v2 ResNet-18 960x544": 65.57,
    "ResNet-50 224x224": 8.2,
    "Tiny-YOLOv3 416x416": 5.56,
    "YOLOv8n 640x640": 8.7,
    "YOLOv8s 640x640": 28.6,
}
# ResNet-10 at 640x640, worked out layer by layer: GFLOP, MB moved, milliseconds at the Nano's peaks.
RESNET10 = [
    ("conv1", 1.927, 15.58, 4.08),
    ("1a_1", 1.887, 16.46, 4.00),
    ("1a_2", 1.887, 6.63, 4.00),
    ("1a_p", 0.210, 9.84, 0.44),
    ("2a_1", 0.944, 5.06, 2.00),
    ("2a_2", 1.887, 3.57, 4.00),
    ("2a_p", 0.105, 4.11, 0.22),
    ("3a_1", 0.944, 3.05, 2.00),
    ("3a_2", 1.887, 2.82, 4.00),
    ("3a_p", 0.105, 2.11, 0.22),
    ("4a_1", 3.775, 4.82, 8.00),
    ("4a_2", 7.550, 8.00, 16.00),
    ("4a_p", 0.419, 4.36, 0.89),
    ("cov + bbox", 0.008, 1.66, 0.06),
]


class Network:
    """Writes an ONNX graph node by node; every node's output has the name of the node."""

    def __init__(self, *shape):
        self.nodes, self.weights, self.shape = [], [], shape

    def add(self, kind, name, *sources, **attributes):
        self.nodes.append(helper.make_node(kind, sources, [name], **attributes))
        return name

    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def conv(self, name, source, channels, filters, size=1, stride=1, kind="Conv", **attributes):
        shape = (channels, filters) if kind == "ConvTranspose" else (filters, channels)
        weights = self.constant(f"{name}/weights", np.zeros((*shape, size, size), np.float32))
        pads = [(size - 1) // 2] * 4
        return self.add(kind, name, source, weights, strides=[stride] * 2, pads=pads, **attributes)

    def write(self, path, *outputs):
        given = [helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)]
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "network", given, made, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        onnx.save(model, path)
        return path


def resnet10(path, batch="batch"):
    network = Network(batch, 3, 640, 640)
    last = network.add("Relu", "stem", network.conv("conv1", "input", 3, 64, 7, 2))
    channels = 64
    for stage, (filters, stride) in enumerate([(64, 2), (128, 2), (256, 2), (512, 1)], 1):
        name = f"{stage}a"
        first = network.conv(f"{name}_1", last, channels, filters, 3, stride)
        second = network.conv(f"{name}_2", network.add("Relu", f"{name}_r", first), filters, filters, 3)
        projected = network.conv(f"{name}_p", last, channels, filters, 1, stride)
        last = network.add("Relu", name, network.add("Add", f"{name}_add", second, projected))
        channels = filters
    cov = network.add("Sigmoid", "out", network.conv("cov", last, 512, 1))
    return network.write(path, cov, network.conv("bbox", last, 512, 4))


def measured(one, fps):
    return latency.Measured("made", "", fps, "nobody", one)


def table(*rows):
    return pd.DataFrame(rows, columns=["layer", "flop", "moved"])


@pytest.mark.parametrize("batch", ["batch", 1])
def test_resnet10_costs_what_was_worked_out_for_every_layer(tmp_path, batch):
    found = latency.layer_table(kernels(resnet10(tmp_path / "m.onnx", batch)), latency.Model(1.0, 0.0), NANO)
    assert list(found.layer) == [row[0] for row in RESNET10]
    for column, index, decimals in (("gflop", 1, 0.0006), ("megabytes", 2, 0.011), ("bound_ms", 3, 0.006)):
        np.testing.assert_allclose(found[column], [row[index] for row in RESNET10], atol=decimals, rtol=0)
    assert found.gflop.sum() == pytest.approx(23.54, abs=0.01)
    assert found.bound_ms.sum() == pytest.approx(49.9, abs=0.06)
    # without overhead and at full efficiency the prediction is the bound
    np.testing.assert_allclose(found.predicted_ms, found.bound_ms)


def test_a_swish_a_grouped_and_a_transposed_convolution_are_counted_by_hand(tmp_path):
    network = Network(1, 4, 8, 8)
    first = network.conv("first", "input", 4, 6, 3)
    swish = network.add("Mul", "swish", first, network.add("Sigmoid", "gate", first))
    weights = network.constant("depthwise/weights", np.zeros((6, 1, 3, 3), np.float32))
    deep = network.add("Conv", "depthwise", swish, weights, group=6, pads=[1] * 4, strides=[2, 2])
    up = network.add(
        "ConvTranspose",
        "up",
        deep,
        network.constant("up/weights", np.zeros((6, 2, 2, 2), np.float32)),
        strides=[2, 2],
    )
    found = kernels(network.write(tmp_path / "m.onnx", up))
    expected = table(
        ("first", 2 * 64 * 6 * 4 * 9, 2 * (64 * 4 + 64 * 6 + 6 * 4 * 9)),
        ("depthwise", 2 * 16 * 6 * 9, 2 * (64 * 6 + 16 * 6 + 6 * 9)),
        ("up", 2 * 16 * 6 * 2 * 4, 2 * (16 * 6 + 64 * 2 + 6 * 2 * 4)),
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_what_is_read_twice_or_put_out_is_not_fused(tmp_path):
    network = Network(1, 4, 8, 8)
    first = network.conv("first", "input", 4, 4)
    active = network.add("Relu", "active", first)  # its input leaves the network too
    pool = network.add("MaxPool", "pool", active, kernel_shape=[2, 2], strides=[2, 2])
    both = network.add("Concat", "both", pool, pool, axis=1)
    flat = network.add("Flatten", "flat", both)
    dense = network.add("MatMul", "dense", flat, network.constant("w", np.zeros((128, 10), np.float32)))
    found = kernels(network.write(tmp_path / "m.onnx", first, dense)).set_index("layer")
    assert list(found.index) == ["first", "active", "pool", "dense"]
    assert list(found.flop) == [2 * 64 * 16, 0, 0, 2 * 128 * 10]
    assert list(found.moved[1:]) == [2 * 2 * 256, 2 * (256 + 64), 2 * (128 + 10 + 1280)]


def test_padding_is_free_and_what_is_padded_is_read_unpadded(tmp_path):
    network = Network(1, 4, 8, 8)
    amounts = network.constant("amounts", np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    padded = network.add("Pad", "padded", "input", amounts)
    weights = network.constant("w", np.zeros((4, 4, 3, 3), np.float32))
    network.add("Conv", "conv", padded, weights, strides=[2, 2])
    found = kernels(network.write(tmp_path / "m.onnx", "conv"))
    assert found.moved.tolist() == [2 * (64 * 4 + 16 * 4 + 144)]


def test_files_that_are_no_network_are_refused(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"this is text, and no protobuf")
    for path, words in ((broken, "not an ONNX file"), (tmp_path / "none.onnx", "does not exist")):
        with pytest.raises(UserError, match=words):
            kernels(path)
    network = Network(1, 3, "height", "width")
    with pytest.raises(UserError, match=r"cannot be inferred.*fixed height"):
        kernels(network.write(tmp_path / "free.onnx", network.conv("conv", "input", 3, 8, 3)))


def test_the_measured_networks_are_those_that_were_published():
    known = {one.name: one.kernels for one in latency.measurements("measured")}
    assert known.keys() == PUBLISHED.keys()
    for name, gflop in PUBLISHED.items():
        assert known[name].flop.sum() / 1e9 == pytest.approx(gflop, rel=0.01), name
    fps = {one.name: 1 / NANO.seconds(one.kernels.flop, 0).sum() for one in latency.measurements("measured")}
    bounds = {"DetectNet_v2 ResNet-18 960x544": 7.2, "ResNet-50 224x224": 57.6, "YOLOv8n 640x640": 54}
    for name, bound in bounds.items():
        assert fps[name] == pytest.approx(bound, rel=0.01), name


def test_the_seed_and_the_pruned_network_are_not_fitted():
    fitted = [one.fps for one in latency.measurements("measured")]
    assert latency.SEED_FPS not in fitted and 21.25 not in fitted
    assert {one.fps for one in latency.measurements("checks")} == {21.25}


@pytest.mark.parametrize(("efficiency", "overhead"), [(0.4, 2e-4), (0.9, 0.0), (1.5, 5e-4)])
def test_the_fit_finds_the_parameters_that_made_the_measurements(efficiency, overhead):
    planted = latency.Model(efficiency, overhead)
    made = [
        measured(one.kernels, 1 / planted.seconds(one.kernels, NANO).sum())
        for one in latency.measurements("measured")
    ]
    found = latency.fit(made, NANO)
    assert found.efficiency == pytest.approx(efficiency, rel=0.01)
    assert found.overhead == pytest.approx(overhead, abs=5e-6)
    compared = latency.leave_one_out(made, NANO)
    assert compared.error.abs().max() < 0.02
    assert latency.spread(compared) == pytest.approx((1, 1), abs=0.02)


def test_left_out_means_that_its_own_figure_does_not_matter():
    known = latency.measurements("measured")
    wrong = [measured(known[0].kernels, 1000.0), *known[1:]]
    true, false = (latency.leave_one_out(one, NANO).predicted_ms for one in (known, wrong))
    assert true[0] == false[0]
    assert (true[1:] != false[1:]).any()


def test_the_range_holds_every_measurement_that_was_left_out():
    compared = latency.leave_one_out(latency.measurements("measured"), NANO)
    low, high = latency.spread(compared)
    assert low <= 1 <= high
    assert (compared.measured_ms >= low * compared.predicted_ms * (1 - 1e-9)).all()
    assert (compared.measured_ms <= high * compared.predicted_ms * (1 + 1e-9)).all()


def test_more_work_never_takes_less_time_and_the_largest_part_is_named():
    model = latency.Model(0.5, 1e-4)
    rows = table(("a", 0, 0), ("b", 10**8, 0), ("c", 10**9, 0), ("d", 10**9, 10**8), ("e", 10**9, 10**9))
    found = latency.layer_table(rows, model, NANO)
    assert (np.diff(found.predicted_ms) >= 0).all()
    assert found.predicted_ms[0] == pytest.approx(0.1)
    assert found.predicted_ms[2] == pytest.approx(1e3 * 1e9 / 471.9e9 / 0.5 + 0.1)
    assert found.predicted_ms[4] == pytest.approx(1e3 * 1e9 / 25.6e9 / 0.5 + 0.1)
    assert found.bound_by.tolist() == ["launch", "compute", "compute", "memory", "memory"]


def test_the_script_writes_the_layers_and_a_total_with_its_range(tmp_path):
    import predict_latency

    path = resnet10(tmp_path / "m.onnx")
    for name in ("first", "second"):
        args = predict_latency.arguments().parse_args([str(path), "--out", str(tmp_path / name)])
        predict_latency.main(args)
    layers = pd.read_csv(tmp_path / "first" / "latency.csv")
    summary = json.loads((tmp_path / "first" / "latency.json").read_text())
    assert len(layers) == summary["kernels"] == 14
    assert summary["predicted_ms"] == pytest.approx(layers.predicted_ms.sum())
    low, high = summary["predicted_fps_range"]
    assert summary["predicted_fps"] == pytest.approx(1e3 / summary["predicted_ms"])
    assert low < summary["predicted_fps"] < high
    assert summary["seed_fps"] == 28 and len(summary["leave_one_out"]) == 5
    for file in ("latency.csv", "latency.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
