"""``enable_auto_resize``: what is trained on stretched pictures is shown stretched pictures everywhere."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from small_networks import BrightRectangle, contract, network, scene

from detectnet.config import check_specs
from detectnet.contract import Contract
from detectnet.data.letterbox import letterbox, letterbox_geometry
from detectnet.data.tfrecord import Record
from detectnet.deploy.deepstream import StreamSettings, infer_text
from detectnet.deploy.inference.opening import open_detector
from detectnet.deploy.parity import compare
from detectnet.deploy.runtime import Detector
from detectnet.errors import UserError
from detectnet.network.model import save_model
from detectnet.spec import contract_of, parse

EXPERIMENT = """
dataset_config { data_sources { tfrecords_path: "t" } target_class_mapping { key: "p" value: "plate" } }
augmentation_config { preprocessing { output_image_width: 320 output_image_height: 160 RESIZE } }
postprocessing_config { target_class_config { key: "plate" value { clustering_config { dbscan_eps: 0.3 } } } }
model_config { num_layers: 10 objective_set { bbox { scale: 20 offset: 0.25 } cov { } } }
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


def experiment(resize):
    return parse(EXPERIMENT.replace("RESIZE", f"enable_auto_resize: {str(resize).lower()}"), name="spec.cfg")


@pytest.mark.parametrize(("resize", "rule"), [(True, "stretch"), (False, "top-left")])
def test_the_contract_is_that_of_the_training(resize, rule):
    made = contract_of(experiment(resize))
    assert made.letterbox == rule
    assert Contract.from_json(made.to_json()) == made


def test_a_stretched_picture_fills_the_input():
    """By hand: 200 x 400 pixels to 320 x 160 is 1.6 across and 0.4 down."""
    geometry = letterbox_geometry(200, 400, 320, 160, "stretch")
    np.testing.assert_allclose(geometry.forward(np.array([[10.0, 100, 50, 200]])), [[16, 40, 80, 80]])
    np.testing.assert_allclose(geometry.inverse(np.array([[16.0, 40, 80, 80]])), [[10, 100, 50, 200]])
    picture = scene(200, 400, [])
    made, _ = letterbox(picture, 320, 160, "linear", "stretch")
    np.testing.assert_array_equal(made, cv2.resize(picture, (320, 160)))
    with pytest.raises(UserError, match=r"no letterbox rule 'fit'.*top-left, stretch"):
        letterbox_geometry(200, 400, 320, 160, "fit")


@pytest.mark.parametrize("rule", ["stretch", "top-left"])
def test_a_box_comes_back_in_pixels_of_the_picture(rule):
    wanted = contract(320, 160, ("plate",), letterbox=rule)
    found = Detector(BrightRectangle(wanted), wanted).detect(scene(400, 400, [(100, 100, 260, 220)]))
    # one pixel of the network is 1.25 x 2.5 of the picture stretched, and 2.5 x 2.5 letterboxed
    np.testing.assert_allclose(found.boxes, [(100, 100, 260, 220)], atol=2.6)


def test_parity_shows_both_networks_what_inference_shows_them():
    wanted = contract(320, 160, ("plate",), letterbox="stretch")
    shown = []

    def look(inputs):
        shown.append(inputs)
        return BrightRectangle(wanted)(inputs)

    picture = scene(400, 400, [(100, 100, 260, 220)])
    encoded = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
    fields = {one.name: None for one in dataclasses.fields(Record)}
    compare(Record(**fields | {"encoded": encoded, "source": "s", "frame_id": "f"}), look, look, wanted)
    Detector(look, wanted).detect(picture)
    np.testing.assert_array_equal(shown[0], shown[-1])
    assert shown[0][..., 300:].any()  # a letterboxed square would leave the right half black


@pytest.mark.parametrize(("rule", "keep", "height"), [("stretch", 0, 27), ("top-left", 1, 27)])
def test_nvinfer_is_told(rule, keep, height):
    """By hand: 1080 / 160 = 6.75 and 1920 / 320 = 6; of 4 pixels' height that is 27, rounded up."""
    text = infer_text(contract(320, 160, ("plate",), letterbox=rule), StreamSettings())
    assert f"maintain-aspect-ratio={keep}\n" in text and f"detected-min-h={height}\n" in text


def test_heights_are_scaled_by_the_side_that_is_stretched():
    """1080 / 320 = 3.375 down, 1920 / 160 = 12 across: 4 pixels are 13.5 of the frame, not 48."""
    text = infer_text(contract(160, 320, ("plate",), letterbox="stretch"), StreamSettings())
    assert "detected-min-h=14\n" in text


def test_a_keras_file_is_fed_and_decoded_as_its_training_says(tmp_path):
    known = contract_of(experiment(True))
    save_model(network(contract(96, 64, ("plate",))), tmp_path / "model.keras")
    opened = open_detector(tmp_path / "model.keras", contract=known).contract
    assert (opened.letterbox, opened.bbox_scale, opened.bbox_offset) == ("stretch", 20.0, 0.25)
    assert (opened.width, opened.height) == (96, 64)  # the file's own


@pytest.mark.parametrize("stage", ["train", "retrain"])
def test_the_rules_letterbox_and_refuse_it(stage):
    specs = {"train": experiment(False), "retrain": experiment(False), stage: experiment(True)}
    with pytest.raises(UserError, match=r"spec.cfg:3 .*enable_auto_resize.*letterbox.*Remove the line"):
        check_specs(specs)
