"""Small record shards with rectangles for plates, by TensorFlow's own writer, and a spec for them."""

import cv2
import numpy as np
import tensorflow as tf

from detectnet import spec

SIZE = 96
SHARD = "{source}-fold-{fold:03d}-of-002-shard-00000-of-00001"


def example(frame_id, boxes, names, encoded, size=SIZE):
    feature = tf.train.Feature

    def texts(values):
        return feature(bytes_list=tf.train.BytesList(value=values))

    features = {
        "frame/id": texts([frame_id.encode()]),
        "frame/height": feature(int64_list=tf.train.Int64List(value=[size])),
        "frame/width": feature(int64_list=tf.train.Int64List(value=[size])),
        "target/object_class": texts([name.encode() for name in names]),
    }
    for index, side in enumerate(("x1", "y1", "x2", "y2")):
        values = tf.train.FloatList(value=[box[index] for box in boxes])
        features[f"target/coordinates_{side}"] = feature(float_list=values)
    if encoded is not None:
        features["frame/encoded"] = texts([encoded])
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def picture(rng):
    """A dim picture with up to two bright plates, and their boxes."""
    made = cv2.resize(rng.integers(0, 110, (6, 6, 3), np.uint8), (SIZE, SIZE))
    boxes = []
    for _ in range(rng.integers(0, 3)):
        wide, high = rng.integers(24, 48), rng.integers(12, 24)
        x, y = rng.integers(0, SIZE - wide), rng.integers(0, SIZE - high)
        cv2.rectangle(made, (int(x), int(y)), (int(x + wide) - 1, int(y + high) - 1), (240, 240, 230), -1)
        boxes.append((x, y, x + wide, y + high))
    return made, boxes


def encoded(made):
    return cv2.imencode(".png", cv2.cvtColor(made, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_shard(folder, count, *, source="cars", fold=1, seed=0, name="plate"):
    rng = np.random.default_rng(seed)
    path = folder / SHARD.format(source=source, fold=fold)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(count):
            made, boxes = picture(rng)
            writer.write(
                example(f"images/{source}_{fold}_{number}", boxes, [name] * len(boxes), encoded(made))
            )
    return path


def experiment(**changes):
    """A spec that trains a tiny network on these pictures; changes replace words of it."""
    words = {
        "epochs": "3",
        "rate": "0.002",
        "batch": "4",
        "augmentation": "spatial_augmentation { hflip_probability: 0.5 zoom_min: 0.9 zoom_max: 1.2 }",
        "model": "",
        "training": "",
        "mapping": 'target_class_mapping { key: "plate" value: "plate" }',
        "shards": "none",
        "folder": "none",
        "extension": "png",
        "depth": "10",
        "period": "1",
    } | changes
    words.setdefault("schedule", SCHEDULE % words)
    return spec.parse(TEXT % words, "experiment")


SCHEDULE = """soft_start_annealing_schedule { min_learning_rate: 5e-6 max_learning_rate: %(rate)s
    soft_start: 0.1 annealing: 0.7 }"""
TEXT = """
random_seed: 7
dataset_config { data_sources { tfrecords_path: "%(shards)s" image_directory_path: "%(folder)s" } %(mapping)s
  image_extension: "%(extension)s" validation_fold: 0 }
augmentation_config { preprocessing { output_image_width: 96 output_image_height: 96 output_image_channel: 3 }
  %(augmentation)s }
postprocessing_config { target_class_config { key: "plate" value { clustering_config {
  clustering_algorithm: DBSCAN coverage_threshold: 0.05 dbscan_eps: 0.3 dbscan_min_coverage: 0.1
  dbscan_min_samples: 1 minimum_bounding_box_height: 3 } } } }
model_config { arch: "resnet" num_layers: %(depth)s width_multiplier: 0.125 all_projections: true
  use_batch_norm: true objective_set { bbox { scale: 35.0 offset: 0.5 } cov { } } %(model)s }
evaluation_config { validation_period_during_training: %(period)s first_validation_epoch: 1
  minimum_detection_ground_truth_overlap { key: "plate" value: 0.5 }
  evaluation_box_config { key: "plate" value { minimum_height: 4 maximum_height: 999
    minimum_width: 4 maximum_width: 999 } } average_precision_mode: INTEGRATE }
cost_function_config { target_classes { name: "plate" class_weight: 1.0 coverage_foreground_weight: 0.05
  objectives { name: "cov" initial_weight: 1.0 weight_target: 1.0 }
  objectives { name: "bbox" initial_weight: 10.0 weight_target: 10.0 } }
  enable_autoweighting: true max_objective_weight: 0.9999 min_objective_weight: 0.0001 }
training_config { batch_size_per_gpu: %(batch)s num_epochs: %(epochs)s
  learning_rate { %(schedule)s }
  regularizer { type: L1 weight: 3e-9 } optimizer { adam { epsilon: 1e-8 beta1: 0.9 beta2: 0.999 } }
  %(training)s }
bbox_rasterizer_config { target_class_config { key: "plate" value { cov_center_x: 0.5 cov_center_y: 0.5
  cov_radius_x: 0.4 cov_radius_y: 0.4 bbox_min_radius: 1.0 } } deadzone_radius: 0.67 }
"""
