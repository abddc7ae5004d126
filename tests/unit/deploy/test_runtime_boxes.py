"""Plain inference: boxes of a network that says where a painted rectangle is come back to the picture."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx
import pytest
from small_networks import BrightRectangle, contract, network, scene

from detectnet.deploy.bundle import contract_of_onnx, read_contract, with_best_threshold, with_threshold
from detectnet.deploy.onnx_export import export, to_onnx
from detectnet.deploy.runtime import Detector, OnnxNetwork, to_input
from detectnet.errors import UserError
from detectnet.files import write_json
from detectnet.network.model import save_model

WANTED = contract(320, 320, ("plate",))


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (320, 320, (100, 60, 180, 100)),
        (1280, 720, (600, 400, 860, 500)),
        (300, 1000, (40, 700, 200, 780)),
        (160, 90, (20, 30, 80, 60)),
        (641, 479, (0, 0, 160, 70)),
    ],
)
def test_a_painted_rectangle_comes_back_in_its_own_pixels(width, height, box):
    detector = Detector(BrightRectangle(WANTED), WANTED)
    found = detector.detect(scene(width, height, [box]))
    assert found.names == ("plate",)
    # One pixel of the network is this many of the picture; the edge is known to half of one on each side.
    pixel = max(width, height) / 320
    np.testing.assert_allclose(found.boxes, [box], atol=1.01 * pixel)
    assert (found.boxes[:, 2:] <= [width, height]).all()
    assert (found.boxes >= 0).all()


def test_the_confidence_is_the_sum_of_the_coverages():
    picture = scene(320, 320, [(96, 96, 176, 144)])
    found = Detector(BrightRectangle(WANTED), WANTED).detect(picture)
    # Cell centres 96.5, 112.5, ... 160.5 and 96.5, 112.5, 128.5 lie inside: 5 x 3 cells of 0.8.
    np.testing.assert_allclose(found.confidence, [15 * 0.8], rtol=1e-6)


def test_a_batch_may_hold_pictures_of_any_size():
    boxes = [(320, 240, (96, 96, 176, 144)), (800, 600, (100, 200, 400, 300)), (64, 64, None)]
    pictures = [scene(width, height, [box] if box else []) for width, height, box in boxes]
    detector = Detector(BrightRectangle(WANTED), WANTED)
    together = detector.detect_batch(pictures)
    assert [len(one) for one in together] == [1, 1, 0]
    for one, picture in zip(together, pictures, strict=True):
        alone = detector.detect(picture)
        np.testing.assert_array_equal(one.boxes, alone.boxes)
        np.testing.assert_array_equal(one.confidence, alone.confidence)
        assert one.seconds > 0
    assert detector.detect_batch([]) == []


def test_a_box_in_the_padding_is_nothing():
    class Padding(BrightRectangle):
        def _one(self, picture):
            cov, bbox = super()._one(picture * 0)
            cov[0, 18, 5:8] = 0.9
            bbox[:] = 0.2
            return cov, bbox

    # 320 x 160 leaves the lower half of the input to padding; row 18 is there.
    found = Detector(Padding(WANTED), WANTED).detect(scene(320, 160, []))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize(("threshold", "count"), [(None, 0), (0.01, 1), (0.15, 1), (0.9, 0)])
def test_a_low_threshold_opens_every_gate(threshold, count):
    # One cell of coverage 0.2: below the coverage threshold, the core coverage and the confidence threshold.
    picture = scene(320, 320, [(90, 90, 110, 110)])
    wanted = WANTED if threshold is None else with_threshold(WANTED, threshold)
    assert len(Detector(BrightRectangle(wanted, coverage=0.2), wanted).detect(picture)) == count


@pytest.mark.parametrize("threshold", [0, -1, float("nan")])
def test_a_threshold_is_positive(threshold):
    with pytest.raises(UserError, match="above 0"):
        with_threshold(WANTED, threshold)


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"deployed": {"threshold": 0.7}, "results": [{"threshold": 0.2}]}, 0.7),
        # What DeepStream deploys has a threshold of another kind of confidence.
        ({"headline": {"threshold": 1.5}, "deployed": {"threshold": 0.7}, "results": []}, 1.5),
        ({"results": [{"threshold": 0.2}, {"threshold": 0.4}]}, 0.2),
    ],
)
def test_the_measured_threshold_is_sealed(tmp_path, metrics, expected):
    write_json(tmp_path / "metrics.json", metrics)
    sealed = with_best_threshold(WANTED, tmp_path / "metrics.json")
    assert {one["dbscan_confidence_threshold"] for one in sealed.clustering.values()} == {expected}
    assert sealed == with_threshold(WANTED, expected)


def test_without_a_measured_threshold_the_spec_s_stays(tmp_path, caplog):
    write_json(tmp_path / "metrics.json", {"deployed": {"threshold": None}, "results": []})
    with caplog.at_level("WARNING", "detectnet"):
        assert with_best_threshold(WANTED, tmp_path / "metrics.json") == WANTED
    assert "no threshold was measured" in caplog.text


@pytest.mark.parametrize("metrics", [{}, {"results": []}, {"results": [{}]}, []])
def test_metrics_of_something_else_are_refused(tmp_path, metrics):
    write_json(tmp_path / "metrics.json", metrics)
    with pytest.raises(UserError, match=r"metrics.json.*says no threshold"):
        with_best_threshold(WANTED, tmp_path / "metrics.json")


def test_the_input_is_scaled_and_offset():
    wanted = contract(32, 16, offsets=(10.0, 20.0, 30.0), scale=0.5)
    picture = np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8)
    found = to_input(picture, wanted)
    expected = 0.5 * (picture.astype(float) - [10, 20, 30])
    assert (found.dtype, found.shape) == (np.float32, (3, 16, 32))
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), rtol=1e-6)


def test_grey_and_bgr_inputs():
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[..., 0] = 255
    grey = to_input(picture, contract(16, 16, channels=1, channel_order="GRAY", offsets=(0.0,)))
    # The weight of red in ITU-R BT.601.
    np.testing.assert_allclose(grey, np.full((1, 16, 16), 0.299), atol=2 / 255)
    np.testing.assert_array_equal(
        to_input(picture[..., :1], contract(16, 16, channels=1)), np.ones((1, 16, 16))
    )
    swapped = to_input(picture, contract(16, 16, channel_order="BGR"))
    assert [one.max() for one in swapped] == [0, 0, 1]


def test_an_exported_file_knows_its_own_contract(tmp_path):
    wanted = contract()
    save_model(network(wanted), tmp_path / "model.keras")
    sealed = export(tmp_path / "model.keras", wanted, tmp_path)
    opened = OnnxNetwork(tmp_path / "model.onnx", threads=1)
    assert opened.contract == wanted
    assert read_contract(tmp_path / "contract.json", tmp_path / "model.onnx") == sealed
    cov, bbox = opened(np.zeros((3, 3, 64, 96), np.float32))
    assert (cov.shape, bbox.shape) == ((3, 2, 4, 6), (3, 8, 4, 6))
    np.testing.assert_array_equal(cov[0], cov[2])


def test_a_file_without_metadata_uses_the_contract_beside_it(tmp_path):
    wanted = contract()
    path = tmp_path / "model.onnx"
    proto = to_onnx(network(wanted), wanted)
    del proto.metadata_props[:]
    onnx.save(proto, path)
    with pytest.raises(UserError, match="says nothing about its input"):
        OnnxNetwork(path)
    (tmp_path / "contract.json").write_text(json.dumps(wanted.to_json()))
    assert OnnxNetwork(path).contract == wanted
    other = dataclasses.replace(wanted, model_sha256="0" * 64)
    (tmp_path / "contract.json").write_text(json.dumps(other.to_json()))
    with pytest.raises(UserError, match="belongs to another model"):
        contract_of_onnx(path, {})


@pytest.mark.parametrize("name", ["m.hdf5", "m.H5", "m.keras"])
def test_a_keras_file_is_called_so(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=r"is a Keras model. Allowed: .onnx. Export it first"):
        OnnxNetwork(tmp_path / name)


@pytest.mark.parametrize(("content", "message"), [(None, "does not exist"), (b"junk", "not an ONNX model")])
def test_a_file_that_is_no_model_is_named(tmp_path, content, message):
    path = tmp_path / "model.onnx"
    if content:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}: .*{message}"):
        OnnxNetwork(path)
