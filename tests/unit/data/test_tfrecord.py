"""Record files against TensorFlow's own reader and writer, and against damage."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet.data import example_proto
from detectnet.data.kitti import Label
from detectnet.data.tfrecord import example, read_records, read_shard, write_shard
from detectnet.errors import UserError

FLOATS = [
    "truncation",
    "observation_angle",
    "coordinates_x1",
    "coordinates_y1",
    "coordinates_x2",
    "coordinates_y2",
    "world_bbox_h",
    "world_bbox_w",
    "world_bbox_l",
    "world_bbox_x",
    "world_bbox_y",
    "world_bbox_z",
    "world_bbox_rot_y",
]
ONE = Label("Plate", 0.25, 2, -1.5, (10.5, 20.25, 30.125, 40.0), 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def nvidia_features(tf):
    """The schema of the reference, in TensorFlow's words."""
    lists = {f"target/{name}": tf.io.VarLenFeature(tf.float32) for name in FLOATS}
    return lists | {
        "frame/id": tf.io.FixedLenFeature([], tf.string),
        "frame/height": tf.io.FixedLenFeature([], tf.int64),
        "frame/width": tf.io.FixedLenFeature([], tf.int64),
        "frame/encoded": tf.io.FixedLenFeature([], tf.string),
        "target/object_class": tf.io.VarLenFeature(tf.string),
        "target/occlusion": tf.io.VarLenFeature(tf.int64),
    }


def parsed(tf, path):
    for data in tf.data.TFRecordDataset(str(path)):
        row = tf.io.parse_single_example(data, nvidia_features(tf))
        yield {
            key: (tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value).numpy()
            for key, value in row.items()
        }


def test_tensorflow_reads_what_was_written(tf, tmp_path):
    other = Label("bus", box=(0, 0, 1, 1))
    path = tmp_path / "src-fold-000-of-002-shard-00000-of-00001"
    written = [
        example("images/ä#t=1", 640, 360, [ONE, other], b"\xff\xd8jpeg"),
        example("images/b", 8, 9, [], b""),
    ]
    assert write_shard(path, iter(written)) == 2
    first, second = parsed(tf, path)
    assert first["frame/id"].decode() == "images/ä#t=1"
    assert (first["frame/width"], first["frame/height"]) == (640, 360)
    assert first["frame/encoded"] == b"\xff\xd8jpeg"
    assert first["target/object_class"].tolist() == [b"plate", b"bus"]
    assert first["target/occlusion"].tolist() == [2, 0]
    values = [0.25, -1.5, 10.5, 20.25, 30.125, 40.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5]
    assert [first[f"target/{name}"][0] for name in FLOATS] == values
    assert [first[f"target/{name}"][1] for name in FLOATS] == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert all(second[f"target/{name}"].size == 0 for name in (*FLOATS, "object_class", "occlusion"))


def test_all_keys_are_there_without_objects(tf):
    message = tf.train.Example.FromString(example("images/b", 8, 9, [], b""))
    assert set(message.features.feature) == set(nvidia_features(tf))
    kinds = {key: value.WhichOneof("kind") for key, value in message.features.feature.items()}
    assert kinds["target/object_class"] == "bytes_list"
    assert kinds["target/occlusion"] == "int64_list"
    assert kinds["target/coordinates_x1"] == "float_list"


features = st.dictionaries(
    st.text(max_size=8),
    st.one_of(
        st.tuples(st.just("bytes_list"), st.lists(st.binary(max_size=6), max_size=4)),
        st.tuples(st.just("int64_list"), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)),
        st.tuples(st.just("float_list"), st.lists(st.floats(width=32, allow_nan=False), max_size=4)),
    ),
    max_size=6,
)


@given(features)
def test_bytes_are_tensorflows(tf, some):
    lists = {
        "bytes_list": tf.train.BytesList,
        "int64_list": tf.train.Int64List,
        "float_list": tf.train.FloatList,
    }
    message = tf.train.Example()
    for key, (kind, values) in some.items():
        message.features.feature[key].CopyFrom(tf.train.Feature(**{kind: lists[kind](value=values)}))
    data = example_proto.encode(some)
    assert data == message.SerializeToString(deterministic=True)
    assert example_proto.decode(data) == {key: list(values) for key, (_, values) in some.items()}


def test_records_of_tensorflows_writer_are_read(tf, tmp_path):
    """As NVIDIA's tools write them: no picture inside."""
    message = tf.train.Example.FromString(example("images/b", 8, 9, [ONE], b""))
    del message.features.feature["frame/encoded"]
    path = tmp_path / "kitti-fold-001-of-002"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(message.SerializeToString())
    (record,) = read_records([path])
    assert (record.frame_id, record.source, record.width, record.height) == ("images/b", "kitti", 8, 9)
    assert (record.encoded, record.names) == (b"", ["plate"])
    np.testing.assert_array_equal(record.boxes, [ONE.box])
    assert record.boxes.dtype == np.float32


def test_records_come_file_after_file(tmp_path):
    for name in "ab":
        write_shard(tmp_path / f"{name}-fold-000-of-002", [example(f"images/{name}", 1, 2, [], b"x")])
    records = list(read_records([tmp_path / "b-fold-000-of-002", tmp_path / "a-fold-000-of-002"]))
    assert [(one.source, one.frame_id) for one in records] == [("b", "images/b"), ("a", "images/a")]
    assert records[0].boxes.shape == (0, 4)


def test_an_empty_shard_is_an_empty_file(tmp_path):
    assert write_shard(tmp_path / "empty", []) == 0
    assert (tmp_path / "empty").read_bytes() == b""
    assert list(read_shard(tmp_path / "empty")) == []


@pytest.mark.parametrize("position", ["length", "length crc", "data", "data crc"])
def test_a_flipped_bit_is_found_and_placed(tmp_path, position):
    path = tmp_path / "shard"
    data = example("images/b", 8, 9, [ONE], b"picture")
    write_shard(path, [data, data])
    size = len(data) + 16
    raw = bytearray(path.read_bytes())
    raw[size + {"length": 0, "length crc": 8, "data": 40, "data crc": size - 1}[position]] ^= 1
    path.write_bytes(raw)
    reader = read_shard(path)
    assert next(reader)["frame/width"] == [8]
    with pytest.raises(UserError, match=rf"{path} byte {size}: damaged record"):
        next(reader)


@pytest.mark.parametrize("missing", [1, 4, 30, 500])
def test_a_cut_file_is_found(tmp_path, missing):
    path = tmp_path / "shard"
    write_shard(path, [example("images/b", 8, 9, [ONE], b"p" * 600)])
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(UserError, match="byte 0: damaged record"):
        list(read_shard(path))


def test_what_is_no_record_of_a_picture_is_named(tmp_path):
    write_shard(tmp_path / "shard", [example_proto.encode({"frame/id": ("bytes_list", [b"x"])})])
    with pytest.raises(UserError, match="record 0: not a record of a labelled picture"):
        list(read_records([tmp_path / "shard"]))
    write_shard(tmp_path / "shard", [b"\xff\xff\xff"])
    with pytest.raises(UserError, match="not an Example"):
        list(read_shard(tmp_path / "shard"))
    with pytest.raises(UserError, match="does not exist"):
        list(read_shard(tmp_path / "none"))


def test_framing_worked_by_hand(tmp_path):
    """crc32c of nine bytes '123456789' is 0xE3069283 (the polynomial's published check value)."""
    write_shard(tmp_path / "shard", [b"123456789"])
    raw = (tmp_path / "shard").read_bytes()
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert raw[:8] == struct.pack("<Q", 9)
    assert raw[12:21] == b"123456789"
    assert raw[21:] == struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
