"""Converted records as TensorFlow reads them: every key, kind and count of NVIDIA's schema."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from own_dataset import kitti_folder, kitti_spec, line

from detectnet.data.converter import convert_dataset

ONE = {"frame/id": "bytes", "frame/height": "int64", "frame/width": "int64"}
MANY = {"target/object_class": "bytes", "target/occlusion": "int64"} | {
    f"target/{name}": "float"
    for name in (
        *("truncation", "observation_angle", "coordinates_x1", "coordinates_y1", "coordinates_x2"),
        *("coordinates_y2", "world_bbox_h", "world_bbox_w", "world_bbox_l", "world_bbox_x", "world_bbox_y"),
        *("world_bbox_z", "world_bbox_rot_y"),
    )
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    two = line("Car") + line("Person_Sitting", (3.25, 4.5, 9.75, 12.125))
    return kitti_folder(tmp_path_factory.mktemp("kitti") / "own", {"two": two, "none": ""})


def examples(root, out, embed):
    convert_dataset(kitti_spec(root, "num_shards: 2"), out / "set", workers=1, embed=embed)
    files = sorted(map(str, out.glob("set-fold-*")))
    raw = [record.numpy() for record in tf.data.TFRecordDataset(files)]  # checks every checksum
    return {
        example.features.feature["frame/id"].bytes_list.value[0].decode(): example.features.feature
        for example in map(tf.train.Example.FromString, raw)
    }


def test_keys_kinds_and_counts(root, tmp_path):
    found = examples(root, tmp_path, embed=False)
    assert set(found) == {"image_2/two", "image_2/none"}
    for frame_id, features in found.items():
        assert set(features) == set(ONE) | set(MANY)
        for key, kind in (ONE | MANY).items():
            assert features[key].WhichOneof("kind") == f"{kind}_list"
            count = 1 if key in ONE else 2 if frame_id.endswith("two") else 0
            assert len(getattr(features[key], f"{kind}_list").value) == count


def test_values_of_all_fifteen_columns(root, tmp_path):
    features = examples(root, tmp_path, embed=False)["image_2/two"]
    assert features["frame/width"].int64_list.value == [32]
    assert features["frame/height"].int64_list.value == [24]
    assert features["target/object_class"].bytes_list.value == [b"car", b"person_sitting"]
    assert features["target/occlusion"].int64_list.value == [1, 1]
    wanted = {
        "truncation": [0.25, 0.25],
        "observation_angle": [-1.5, -1.5],
        "coordinates_x1": [1.5, 3.25],
        "coordinates_y1": [2.25, 4.5],
        "coordinates_x2": [20, 9.75],
        "coordinates_y2": [15.75, 12.125],
        "world_bbox_h": [1.5, 1.5],
        "world_bbox_w": [1.6, 1.6],
        "world_bbox_l": [3.9, 3.9],
        "world_bbox_x": [1.8, 1.8],
        "world_bbox_y": [1.4, 1.4],
        "world_bbox_z": [8.4, 8.4],
        "world_bbox_rot_y": [0.01, 0.01],
    }
    for key, values in wanted.items():
        np.testing.assert_array_equal(features[f"target/{key}"].float_list.value, np.float32(values))


def test_embedded_pictures_are_the_files_and_the_only_further_key(root, tmp_path):
    for frame_id, features in examples(root, tmp_path, embed=True).items():
        assert set(features) == set(ONE) | set(MANY) | {"frame/encoded"}
        assert features["frame/encoded"].bytes_list.value == [(root / f"{frame_id}.png").read_bytes()]


def test_records_parse_as_variable_length_features(root, tmp_path):
    """As NVIDIA's loader does: one parsing specification for all records, those without objects too."""
    examples(root, tmp_path, embed=False)
    kinds = {"bytes": tf.string, "int64": tf.int64, "float": tf.float32}
    wanted = {key: tf.io.VarLenFeature(kinds[kind]) for key, kind in (ONE | MANY).items()}
    files = sorted(map(str, tmp_path.glob("set-fold-*")))
    for record in tf.data.TFRecordDataset(files):
        parsed = tf.io.parse_single_example(record, wanted)
        objects = 2 if parsed["frame/id"].values.numpy()[0] == b"image_2/two" else 0
        assert all(len(parsed[key].values) == objects for key in MANY)
