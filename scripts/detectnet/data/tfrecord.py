"""TFRecord files in NVIDIA's schema, written and read without TensorFlow.

Framing (tensorflow/core/lib/io/record_writer): length as uint64, masked crc32c of these 8 bytes, the
data, masked crc32c of the data; all little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from detectnet.data import example_proto
from detectnet.data.kitti import Label
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_CORNERS = ("x1", "y1", "x2", "y2")
_FLOATS = {  # key below target/ -> attribute of a Label
    "truncation": "truncation",
    "observation_angle": "alpha",
    "world_bbox_h": "h",
    "world_bbox_w": "w",
    "world_bbox_l": "l",
    "world_bbox_x": "x",
    "world_bbox_y": "y",
    "world_bbox_z": "z",
    "world_bbox_rot_y": "rotation",
}


@dataclass(frozen=True)
class Record:
    """One picture of a record file.

    ``frame_id`` is ``images/<stem>``, ``source`` the part of the file's name before ``-fold-``, ``width``
    and ``height`` the picture's pixels, ``encoded`` its file's bytes (empty in records written by NVIDIA's
    tools), ``names`` N lower-case classes, ``boxes`` (N, 4) float32 x1, y1, x2, y2 in its pixels.
    """

    frame_id: str
    source: str
    width: int
    height: int
    encoded: bytes
    names: list[str]
    boxes: np.ndarray


def example(frame_id: str, width: int, height: int, labels: list[Label], encoded: bytes | None) -> bytes:
    """A serialised ``Example`` in NVIDIA's schema, with the picture's file in ``frame/encoded``.

    That key is ours; with ``encoded`` None it is left out and the keys are NVIDIA's. Every other key is
    there even without objects; class names are lower-cased; numbers are float32 and int64.
    """
    features: dict[str, tuple[str, list]] = {
        "frame/id": ("bytes_list", [frame_id.encode()]),
        "frame/height": ("int64_list", [height]),
        "frame/width": ("int64_list", [width]),
        "target/object_class": ("bytes_list", [label.name.lower().encode() for label in labels]),
        "target/occlusion": ("int64_list", [label.occlusion for label in labels]),
    }
    if encoded is not None:
        features["frame/encoded"] = ("bytes_list", [encoded])
    for position, corner in enumerate(_CORNERS):
        features[f"target/coordinates_{corner}"] = ("float_list", [label.box[position] for label in labels])
    for key, attribute in _FLOATS.items():
        features[f"target/{key}"] = ("float_list", [getattr(label, attribute) for label in labels])
    return example_proto.encode(features)


def write_shard(path: PathLike, examples: Iterable[bytes]) -> int:
    """Write serialised messages to one record file, atomically; none gives an empty file.

    Returns:
        the number of messages written.
    """
    count = 0
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        for data in examples:
            length = _LENGTH.pack(len(data))
            handle.write(length + _masked_crc(length) + data + _masked_crc(data))
            count += 1
    return count


def read_shard(path: PathLike) -> Iterator[dict[str, example_proto.Values]]:
    """Yield the features of every message of a record file: key -> list of bytes, int or float.

    Raises:
        UserError: the file is missing, cut short or damaged; names the byte where the record starts.
    """
    for offset, data in _messages(path):
        try:
            yield example_proto.decode(data)
        except ValueError as error:
            raise _damaged(path, offset, str(error)) from error


def source_of(path: PathLike) -> str:
    """The source that a shard belongs to: its file's name up to ``-fold-``."""
    return Path(path).name.partition("-fold-")[0]


def read_records(paths: Iterable[PathLike]) -> Iterator[Record]:
    """Yield the pictures of several record files, file after file in the order given.

    Raises:
        UserError: as `read_shard`, or a record lacks a feature of NVIDIA's schema.
    """
    for path in paths:
        source = source_of(path)
        for number, features in enumerate(read_shard(path)):
            yield _record(features, source, f"{path} record {number}")


def _record(features: Mapping[str, Any], source: str, where: str) -> Record:
    try:
        corners = [features[f"target/coordinates_{corner}"] for corner in _CORNERS]
        return Record(
            frame_id=features["frame/id"][0].decode(),
            source=source,
            width=features["frame/width"][0],
            height=features["frame/height"][0],
            encoded=next(iter(features.get("frame/encoded", [])), b""),
            names=[name.decode() for name in features["target/object_class"]],
            boxes=np.array(corners, dtype=np.float32).T.reshape(-1, 4),
        )
    except (LookupError, ValueError, AttributeError) as error:
        raise UserError(f"not a record of a labelled picture ({error})", where=where) from error


def _messages(path: PathLike) -> Iterator[tuple[int, bytes]]:
    if not Path(path).is_file():
        raise UserError("the record file does not exist", where=path)
    with Path(path).open("rb") as handle:
        offset = 0
        while (data := _next(handle, path, offset)) is not None:
            yield offset, data
            offset = handle.tell()


def _next(handle: BinaryIO, path: PathLike, offset: int) -> bytes | None:
    head = handle.read(_LENGTH.size)
    if not head:
        return None
    if handle.read(_CRC.size) != _masked_crc(head):
        raise _damaged(path, offset, "the checksum of its length is wrong")
    (length,) = _LENGTH.unpack(head)
    data = handle.read(length)
    if len(data) != length:
        raise _damaged(path, offset, f"the file ends inside it, {length - len(data)} bytes early")
    if handle.read(_CRC.size) != _masked_crc(data):
        raise _damaged(path, offset, "the checksum of its data is wrong")
    return data


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return _CRC.pack(((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def _damaged(path: PathLike, offset: int, what: str) -> UserError:
    return UserError(
        f"damaged record: {what}",
        where=f"{path} byte {offset}",
        remedy="Delete the file and write the records again.",
    )
