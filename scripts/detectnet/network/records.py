"""An index of TFRecord shards: every label in memory, every picture where it lies in its file.

Shards are read once, front to back, checking every record's checksum. Afterwards a picture costs one
read of its own bytes, in any order, which is what shuffling and exact resuming need.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.tfrecord import Record, read_records
from detectnet.errors import UserError, nearest
from detectnet.files import PathLike
from detectnet.logs import log, progress

_DECODE = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}


@dataclass(frozen=True)
class Frame:
    """One labelled picture.

    Attributes:
        frame_id: ``images/<stem>``.
        source: name of the source that its shard belongs to.
        size: width and height that the boxes refer to, pixels.
        file: the shard that holds the encoded picture, or the picture file itself.
        offset, length: where in ``file`` its bytes are; length -1 means all of it.
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; mapped classes only.
        classes: (N,) int32 indices of the target classes.
    """

    frame_id: str
    source: str
    size: tuple[int, int]
    file: Path
    offset: int
    length: int
    boxes: np.ndarray
    classes: np.ndarray

    def picture(self, channels: int = 3) -> np.ndarray:
        """The decoded picture, uint8 (height, width, channels), RGB or grey.

        Raises:
            UserError: the bytes are no picture, or one of another size than the labels were made for.
        """
        with self.file.open("rb") as handle:
            handle.seek(self.offset)
            data = handle.read(self.length)
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), _DECODE[channels]) if data else None
        if decoded is None:
            raise UserError(f"the picture of {self.frame_id} cannot be decoded", where=self.file)
        height, width = decoded.shape[:2]
        if (width, height) != self.size:
            raise UserError(
                f"the picture of {self.frame_id} has {width} x {height} pixels, "
                f"its labels were made for {self.size[0]} x {self.size[1]}",
                where=self.file,
                remedy="Write the records again from the pictures that are used.",
            )
        return decoded.reshape(height, width, channels)


@dataclass(frozen=True)
class Records:
    """The pictures of a set of shards, in the order of the shards.

    Attributes:
        frames: all pictures, those without objects too.
        unmapped: objects that were dropped, by class name.
        digest: sha256 over all records; changes when any picture or label does.
    """

    frames: tuple[Frame, ...]
    unmapped: Mapping[str, int]
    digest: str

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def objects(self) -> int:
        """Objects of the target classes in all pictures."""
        return sum(len(frame.boxes) for frame in self.frames)


def index_records(
    shards: Sequence[PathLike],
    classes: Sequence[str],
    mapping: Mapping[str, str],
    *,
    picture_files: tuple[Sequence[PathLike], str] | None = None,
) -> Records:
    """Read the labels of all shards.

    Args:
        shards: record files; empty ones are fine. A file named ``NAME-fold-...`` belongs to source NAME.
        classes: target classes in the order of the network's channels.
        mapping: class in the records to target class, keys in lower case.
        picture_files: (folders, extension) of the pictures of records that hold none.

    Raises:
        UserError: a shard is missing or damaged, there is no picture, or no object maps to a target class.
    """
    frames: list[Frame] = []
    seen, unmapped, digest = Counter(), Counter(), hashlib.sha256()
    channel = {key.lower(): classes.index(value) for key, value in mapping.items() if value in classes}
    for shard in progress([Path(one) for one in shards], what="reading labels", unit="shards"):
        for record, offset in _with_offsets(shard):
            digest.update(_identity(record))
            frames.append(_frame(record, shard, offset, channel, picture_files))
            seen.update(record.names)
            unmapped.update(name for name in record.names if name not in channel)
    _check(frames, seen, channel, mapping, classes)
    if unmapped:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(unmapped.items()))
        log.info("Objects without a target class are background: %s", listed)
    return Records(tuple(frames), dict(sorted(unmapped.items())), digest.hexdigest())


def _with_offsets(shard: Path) -> Iterator[tuple[Record, int]]:
    """Records of a shard, and where in the file the bytes of each one's picture start.

    The picture stands in the file as it is, and the records come in the file's order, so that a search
    from the end of the one before finds it after a few bytes. Later only the picture is read again.
    """
    if not shard.is_file() or not shard.stat().st_size:
        yield from ((record, 0) for record in read_records([shard]))
        return
    with shard.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        offset = 0
        for record in read_records([shard]):
            offset = content.find(record.encoded, offset)
            yield record, offset
            offset += len(record.encoded)


def _identity(record: Record) -> bytes:
    labels = json.dumps([record.frame_id, record.names, record.boxes.tolist()])
    return hashlib.sha256(record.encoded).digest() + labels.encode()


def _check(
    frames: list[Frame],
    seen: Counter,
    channel: Mapping[str, int],
    mapping: Mapping[str, str],
    classes: Sequence[str],
) -> None:
    if not frames:
        raise UserError("the records hold no picture", remedy="Look at the split and at what was dropped.")
    if seen and not any(name in channel for name in seen):
        close = {name: nearest(name, channel) for name in seen}
        pairs = [f"{key} -> {value}" for key, value in mapping.items()]
        hints = [f"'{name}' is near '{key}'" for name, key in close.items() if key]
        raise UserError(
            f"no object maps to a target class: the records hold {', '.join(sorted(seen))}; "
            f"the mapping has {', '.join(pairs) or 'no entry'}; "
            f"the target classes are {', '.join(classes)}",
            where="dataset_config.target_class_mapping",
            remedy=f"Add the records' names as keys. {'; '.join(hints)}".strip(),
        )


def _frame(
    record: Record,
    shard: Path,
    offset: int,
    channel: Mapping[str, int],
    picture_files: tuple[Sequence[PathLike], str] | None,
) -> Frame:
    mapped = np.array([channel.get(name, -1) for name in record.names], np.int32)
    if record.encoded:
        place = (shard, offset, len(record.encoded))
    else:
        place = (_picture_file(shard, record.frame_id, picture_files), 0, -1)
    size = record.width, record.height
    return Frame(record.frame_id, record.source, size, *place, record.boxes[mapped >= 0], mapped[mapped >= 0])


def _picture_file(shard: Path, frame_id: str, picture_files: tuple[Sequence[PathLike], str] | None) -> Path:
    folders, extension = picture_files or ((), "")
    paths = [Path(folder) / f"{frame_id}.{extension.removeprefix('.')}" for folder in folders]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise UserError(
            f"the record of {frame_id} holds no picture, and there is no picture file for it",
            where=shard,
            allowed=[str(path) for path in paths],
            remedy="Set image_directory_path and image_extension in dataset_config.",
        )
    return found
