"""A folder as a TLT user has it: KITTI data, spec files, pictures; and commands typed in it."""

import contextlib
import importlib
import io
import shlex
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detectnet.logs import log

ROOT = Path(__file__).resolve().parents[3]
SIZE = 96
COUNT = 12


@dataclass(frozen=True)
class Typed:
    """What a command said, on either channel, and its exit status."""

    status: int
    said: str


def typed(command: str, folder: Path) -> Typed:
    """Run a command line through its entry point of pyproject.toml, in this process."""
    program, *words = shlex.split(command)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts[program].split(":")
    entry = getattr(importlib.import_module(module), function)
    said, before = io.StringIO(), sys.argv
    sys.argv = [program, *words]
    try:
        with contextlib.chdir(folder), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            entry()
    except SystemExit as left:
        return Typed(left.code, said.getvalue())
    finally:
        sys.argv = before
        log.handlers.clear()
    raise AssertionError("the command did not leave with a status")


def prepare(folder: Path) -> Path:
    """Pictures with one or two bright plates on a dim ground, labels and specs."""
    rng = np.random.default_rng(3)
    for part in ("data/images", "data/labels", "pictures", "specs"):
        (folder / part).mkdir(parents=True)
    for number in range(COUNT):
        made = cv2.resize(rng.integers(0, 110, (6, 6, 3), np.uint8), (SIZE, SIZE))
        lines = []
        for row in range(1 + number % 2):
            wide, high = rng.integers(30, 48), rng.integers(16, 24)
            x, y = rng.integers(0, SIZE - wide), rng.integers(0, SIZE // 2 - high) + row * SIZE // 2
            made[y : y + high, x : x + wide] = 235
            lines.append(f"Plate 0.00 0 0.00 {x}.00 {y}.00 {x + wide}.00 {y + high}.00" + " 0.00" * 7)
        cv2.imwrite(str(folder / f"data/images/{number:06d}.png"), made)
        (folder / f"data/labels/{number:06d}.txt").write_text("\n".join(lines) + "\n")
    for name in ("gate.JPG", "yard.png", "street.ppm", "notes.bmp"):
        cv2.imwrite(str(folder / "pictures" / name), made)
    for name, text in SPECS.items():
        (folder / "specs" / name).write_text(text)
    return folder


CLUSTERING = """clustering_config { clustering_algorithm: DBSCAN coverage_threshold: 0.005 dbscan_eps: 0.3
      dbscan_min_samples: 1 minimum_bounding_box_height: 3 dbscan_confidence_threshold: 0.01 }"""

EXPERIMENT = (
    """
random_seed: 7
dataset_config { data_sources { tfrecords_path: "tfrecords/plates-fold-*" image_directory_path: "data" }
  target_class_mapping { key: "plate" value: "plate" } image_extension: "png" validation_fold: 0 }
augmentation_config { preprocessing { output_image_width: 96 output_image_height: 96 output_image_channel: 3 }
  spatial_augmentation { hflip_probability: 0.5 } }
postprocessing_config { target_class_config { key: "plate" value { """
    + CLUSTERING
    + """ } } }
model_config { arch: "resnet" num_layers: 10 width_multiplier: 0.125 all_projections: true
  use_batch_norm: true objective_set { bbox { scale: 35.0 offset: 0.5 } cov { } } MODEL }
evaluation_config { validation_period_during_training: 1 first_validation_epoch: 1
  minimum_detection_ground_truth_overlap { key: "plate" value: 0.5 }
  evaluation_box_config { key: "plate" value { minimum_height: 4 maximum_height: 999
    minimum_width: 4 maximum_width: 999 } } average_precision_mode: INTEGRATE }
cost_function_config { target_classes { name: "plate" class_weight: 1.0 coverage_foreground_weight: 0.05
  objectives { name: "cov" initial_weight: 1.0 weight_target: 1.0 }
  objectives { name: "bbox" initial_weight: 10.0 weight_target: 10.0 } }
  enable_autoweighting: true max_objective_weight: 0.9999 min_objective_weight: 0.0001 }
training_config { batch_size_per_gpu: 4 num_epochs: 2
  learning_rate { soft_start_annealing_schedule { min_learning_rate: 5e-6 max_learning_rate: 0.002
    soft_start: 0.1 annealing: 0.7 } }
  regularizer { type: L1 weight: 3e-9 } optimizer { adam { epsilon: 1e-8 beta1: 0.9 beta2: 0.999 } } }
bbox_rasterizer_config { target_class_config { key: "plate" value { cov_center_x: 0.5 cov_center_y: 0.5
  cov_radius_x: 0.4 cov_radius_y: 0.4 bbox_min_radius: 1.0 } } deadzone_radius: 0.67 }
"""
)

SPECS = {
    "tlt_dataconvert_config.cfg": """
kitti_config { root_directory_path: "data" image_dir_name: "images" label_dir_name: "labels"
  image_extension: ".png" partition_mode: "random" num_partitions: 2 val_split: 25 num_shards: 2 }
image_directory_path: "data"
""",
    "experiment_config.cfg": EXPERIMENT.replace("MODEL", ""),
    "prunned_config.cfg": EXPERIMENT.replace(
        "MODEL", 'load_graph: true pretrained_model_file: "results/pruned/resnet18_pruned.tlt"'
    ),
    "inference.prototxt": """
inferencer_config { target_classes: "plate" batch_size: 4 image_height: 96 image_width: 96
  tlt_config { model: "results/retrain/weights/resnet18_pruned.tlt" } }
bbox_handler_config { kitti_dump: true disable_overlay: false overlay_linewidth: 2
  classwise_bbox_handler_config { key: "plate" value { """
    + CLUSTERING.replace("dbscan_eps", "dbscan_min_coverage: 0.1 dbscan_eps")
    + """ output_map: "licence_plate" bbox_color { R: 255 G: 0 B: 0 } } } }
""",
    "cluster_params.json": """{
  "dbscan_criterion": "IOU", "dbscan_eps": {"plate": 0.3, "default": 0.3},
  "dbscan_min_samples": {"plate": 0.05}, "min_cov_to_cluster": {"plate": 0.005},
  "min_obj_height": {"plate": 3}, "target_classes": ["plate"], "confidence_th": {"plate": 0.01},
  "confidence_model": {"plate": {"kind": "aggregate_cov"}}, "output_map": {"plate": "plate"},
  "color": {"plate": "green"}, "postproc_classes": ["plate"],
  "image_height": 96, "image_width": 96, "stride": 16
}""",
}
