"""The comparison of two networks: what it measures, and that it fails where they differ."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from small_networks import BrightRectangle, contract, network, scene

from detectnet.contract import BBOX_SCALE
from detectnet.data.kitti import Label
from detectnet.data.pictures import save_jpeg
from detectnet.data.tfrecord import example, write_shard
from detectnet.deploy.keras_network import KerasNetwork
from detectnet.deploy.onnx_export import export
from detectnet.deploy.parity import write_parity
from detectnet.deploy.runtime import OnnxNetwork
from detectnet.errors import UserError
from detectnet.network.model import save_model

WANTED = contract(320, 320, ("plate",))


def shard(folder, width, height, count=3):
    """Record files of pictures with a rectangle that moves to the right."""
    messages = []
    for number in range(count):
        box = (40 + 20 * number, 40, 120 + 20 * number, 72)
        path = folder / f"{number}.jpg"
        save_jpeg(path, scene(width, height, [box], seed=number))
        labels = [Label("plate", box=tuple(map(float, box)))]
        messages.append(example(f"images/{number:03d}", width, height, labels, path.read_bytes()))
    path = folder / "scenes-fold-000-of-002-shard-00000-of-00001"
    write_shard(path, messages)
    return path


class Changed(BrightRectangle):
    """Says something else from the picture ``first`` on."""

    def __init__(self, contract, first, *, cov=0.0, bbox=0.0, silent=False):
        super().__init__(contract)
        self.first, self.by_cov, self.by_bbox, self.silent = first, cov, bbox, silent

    def __call__(self, inputs):
        cov, bbox = super().__call__(inputs)
        if self.calls > self.first:
            cov = cov * 0 if self.silent else cov + self.by_cov * (cov > 0)
            bbox = bbox + self.by_bbox
        return cov, bbox


def compared(tmp_path, exported, **options):
    shards = [shard(tmp_path, 320, 320)]
    return write_parity(
        BrightRectangle(WANTED), exported, WANTED, shards, tmp_path / "parity.json", **options
    )


def test_the_same_network_does_not_differ(tmp_path):
    found = compared(tmp_path, BrightRectangle(WANTED))
    assert json.loads((tmp_path / "parity.json").read_text()) == found
    assert found["pictures"] == 3
    assert [one["value"] for one in found["largest_difference"].values()] == [0, 0]
    assert found["detections"] == {"reference": 3, "exported": 3}
    assert (found["matched"], found["smallest_iou"]) == (3, pytest.approx(1))
    assert found["largest_confidence_difference"] == 0
    assert found["pictures_with_other_counts"] == []


def test_the_difference_is_measured(tmp_path):
    found = compared(tmp_path, Changed(WANTED, 2, cov=5e-4, bbox=-1 / BBOX_SCALE), tolerance={"bbox": 0.1})
    largest = found["largest_difference"]
    assert largest["cov"] == {"value": pytest.approx(5e-4, rel=1e-3), "picture": "scenes images/002"}
    assert largest["bbox"] == {"value": pytest.approx(1 / 35, rel=1e-3), "picture": "scenes images/002"}
    # Each edge of the 80 x 32 box comes in by a pixel: 78 x 30 inside 80 x 32.
    assert found["smallest_iou"] == pytest.approx(78 * 30 / (80 * 32), abs=0.01)
    # 80 x 32 pixels at (80, 40): cell centres 80.5 to 144.5 and 48.5, 64.5, so 5 x 2 cells.
    assert found["largest_confidence_difference"] == pytest.approx(10 * 5e-4, rel=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cov": 2e-3}, r"parity.json: cov differs by 0.002 on scenes images/001.*up to 0.001"),
        ({"cov": -2e-3}, r"cov differs by 0.002 on scenes images/001"),
        ({"bbox": 0.02}, r"bbox differs by 0.02 on scenes images/001"),
        ({"cov": float("nan")}, r"exported network's output is not finite on scenes images/001"),
    ],
)
def test_too_large_a_difference_names_the_picture(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        compared(tmp_path, Changed(WANTED, 1, **change), pictures=2)


def test_lost_detections_are_counted(tmp_path):
    found = compared(tmp_path, Changed(WANTED, 1, silent=True), tolerance={"cov": 1.0})
    assert found["detections"] == {"reference": 3, "exported": 1}
    assert found["matched"] == 1
    assert found["pictures_with_other_counts"] == ["scenes images/001", "scenes images/002"]


def test_without_pictures_there_is_no_verdict(tmp_path):
    write_shard(tmp_path / "empty-fold-000-of-002-shard-00000-of-00001", [])
    shards = [tmp_path / "empty-fold-000-of-002-shard-00000-of-00001"]
    with pytest.raises(UserError, match="no picture to compare"):
        write_parity(
            BrightRectangle(WANTED), BrightRectangle(WANTED), WANTED, shards, tmp_path / "parity.json"
        )


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    wanted, folder = contract(), tmp_path_factory.mktemp("export")
    save_model(network(wanted), folder / "model.keras")
    return export(folder / "model.keras", wanted, folder), folder


def test_a_real_export_passes_on_pictures_of_another_size(exported, tmp_path):
    sealed, folder = exported
    networks = KerasNetwork(folder / "model.keras"), OnnxNetwork(folder / "model.onnx", threads=1)
    found = write_parity(*networks, sealed, [shard(tmp_path, 240, 160)], tmp_path / "parity.json")
    assert found["pictures"] == 3
    assert 0 < found["largest_difference"]["cov"]["value"] < 1e-4


def test_a_damaged_weight_is_found(exported, tmp_path):
    sealed, folder = exported
    proto = onnx.load(folder / "model.onnx")
    (kernel,) = [one for one in proto.graph.initializer if one.name == "output_cov/kernel"]
    values = onnx.numpy_helper.to_array(kernel) * np.float32(1.2)
    kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))
    onnx.save(proto, tmp_path / "model.onnx")
    networks = KerasNetwork(folder / "model.keras"), OnnxNetwork(tmp_path / "model.onnx", threads=1)
    with pytest.raises(UserError, match="cov differs"):
        write_parity(*networks, sealed, [shard(tmp_path, 96, 64)], tmp_path / "parity.json")
