"""Spec texts as users of TLT and TAO write them, and the line of a word in them."""

from __future__ import annotations

import pytest

EXPERIMENT = """\
# Trained with two classes.
random_seed: 42
dataset_config {
  data_sources {
    tfrecords_path: "/workspace/experiments/tfrecords/trainval/*"
    image_directory_path: "/workspace/experiments/training"
  }
  image_extension: "png"
  target_class_mapping {
    key: "plate"
    value: "plate"
  }
  target_class_mapping {
    key: "van"
    value: "car"
  }
  validation_fold: 0
}
augmentation_config {
  preprocessing {
    output_image_width: 960
    output_image_height: 544
    output_image_channel: 3
    min_bbox_width: 1.0
    min_bbox_height: 1.0
  }
  spatial_augmentation {
    hflip_probability: 0.5
    zoom_min: 1.0
    zoom_max: 1.0
    translate_max_x: 8.0
    translate_max_y: 8.0
  }
  color_augmentation {
    hue_rotation_max: 25.0
    saturation_shift_max: 0.2
    contrast_scale_max: 0.1
    contrast_center: 0.5
  }
}
postprocessing_config {
  target_class_config {
    key: "plate"
    value {
      clustering_config {
        coverage_threshold: 0.005
        dbscan_eps: 0.15
        dbscan_min_samples: 1
        minimum_bounding_box_height: 4
      }
    }
  }
  target_class_config {
    key: "car"
    value: {
      clustering_config {
        coverage_threshold: 0.0075
        dbscan_eps: 0.2
        dbscan_min_samples: 1
        minimum_bounding_box_height: 20
      }
    }
  }
}
model_config {
  arch: "resnet"
  num_layers: 18
  use_batch_norm: True
  all_projections: true
  objective_set: {
    bbox {
      scale: 35.0
      offset: 0.5
    }
    cov {}
  }
}
evaluation_config {
  average_precision_mode: INTEGRATE
  validation_period_during_training: 10
  first_validation_epoch: 30
  minimum_detection_ground_truth_overlap { key: "plate" value: 0.5 }
  minimum_detection_ground_truth_overlap { key: "car" value: 0.7 }
  evaluation_box_config {
    key: "plate"
    value { minimum_height: 4 maximum_height: 9999 minimum_width: 4 maximum_width: 9999 }
  }
  evaluation_box_config {
    key: "car"
    value { minimum_height: 20 maximum_height: 9999 minimum_width: 10 maximum_width: 9999 }
  }
}
cost_function_config {
  target_classes {
    name: "plate"
    class_weight: 1.0
    coverage_foreground_weight: 0.05
    objectives { name: "cov" initial_weight: 1.0 weight_target: 1.0 }
    objectives { name: "bbox" initial_weight: 10.0 weight_target: 10.0 }
  }
  target_classes {
    name: "car"
    class_weight: 4.0
    coverage_foreground_weight: 0.05
    objectives { name: "cov" initial_weight: 1.0 weight_target: 1.0 }
    objectives { name: "bbox" initial_weight: 10.0 weight_target: 10.0 }
  }
  enable_autoweighting: True
  max_objective_weight: 0.9999
  min_objective_weight: 0.0001
}
training_config {
  batch_size_per_gpu: 4
  num_epochs: 120
  learning_rate {
    soft_start_annealing_schedule {
      min_learning_rate: 5e-06
      max_learning_rate: 5e-04
      soft_start: 0.1
      annealing: 0.7
    }
  }
  regularizer { type: L1 weight: 3e-9 }
  optimizer { adam { epsilon: 1e-08 beta1: 0.9 beta2: 0.999 } }
  checkpoint_interval: 10
}
bbox_rasterizer_config {
  target_class_config {
    key: "plate"
    value { cov_center_x: 0.5 cov_center_y: 0.5 cov_radius_x: 0.4 cov_radius_y: 0.4 bbox_min_radius: 1.0 }
  }
  target_class_config {
    key: "car"
    value { cov_center_x: 0.5 cov_center_y: 0.5 cov_radius_x: 1.0 cov_radius_y: 1.0 bbox_min_radius: 1.0 }
  }
  deadzone_radius: 0.67
}
"""

DATASET = """\
kitti_config {
  root_directory_path: "/workspace/experiments/training"
  image_dir_name: "image_2"
  label_dir_name: "label_2"
  image_extension: ".png"
  partition_mode: "random"
  num_partitions: 2
  val_split: 14
  num_shards: 10
}
image_directory_path: "/workspace/experiments/training"
"""

INFERENCE = """\
inferencer_config {
  target_classes: "plate"
  target_classes: "car"
  image_width: 960
  image_height: 544
  image_channels: 3
  batch_size: 16
  gpu_index: 0
  tlt_config { model: "/workspace/experiments/detector.tlt" }
}
bbox_handler_config {
  kitti_dump: true
  disable_overlay: false
  overlay_linewidth: 2
  classwise_bbox_handler_config {
    key: "plate"
    value: {
      confidence_model: "aggregate_cov"
      output_map: "plate"
      bbox_color { R: 0 G: 255 B: 0 }
      clustering_config {
        coverage_threshold: 0.005
        dbscan_eps: 0.3
        dbscan_min_samples: 0.05
        minimum_bounding_box_height: 4
      }
    }
  }
  classwise_bbox_handler_config {
    key: "default"
    value: {
      confidence_model: "aggregate_cov"
      clustering_config {
        clustering_algorithm: NMS
        nms_iou_threshold: 0.4
      }
    }
  }
}
"""

CLUSTER_PARAMS = """\
{
  "dbscan_criterion": "IOU",
  "dbscan_eps": {"plate": 0.3, "default": 0.15},
  "dbscan_min_samples": {"plate": 0.05, "default": 0.0},
  "min_cov_to_cluster": {"plate": 0.005, "default": 0.01},
  "min_obj_height": {"plate": 4, "default": 2},
  "target_classes": ["plate", "car"],
  "confidence_th": {"plate": 0.6},
  "confidence_model": {"plate": {"kind": "aggregate_cov"}, "default": {"kind": "aggregate_cov"}},
  "output_map": {"plate": "plate"},
  "color": {"plate": "green", "default": "blue"},
  "postproc_classes": ["plate"],
  "image_height": 544,
  "image_width": 960,
  "stride": 16
}
"""


@pytest.fixture
def experiment() -> str:
    """A whole experiment spec with the classes plate and car."""
    return EXPERIMENT


@pytest.fixture
def dataset() -> str:
    """A conversion spec of a KITTI folder."""
    return DATASET


@pytest.fixture
def inference() -> str:
    """An inference spec with one class of its own and a default."""
    return INFERENCE


@pytest.fixture
def cluster_params() -> str:
    """A clustering file of TLT 1.0."""
    return CLUSTER_PARAMS


@pytest.fixture
def line_of():
    """The 1-based line of a text in which a word stands first."""

    def found(text: str, word: str) -> int:
        return text[: text.index(word)].count("\n") + 1

    return found
