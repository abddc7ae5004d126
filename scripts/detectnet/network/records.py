"""An index of TFRecord shards: every label in memory, every picture where it lies in its file.

Shards are read once, front to back, checking every record's checksum. Afterwards a picture costs one
read of its own bytes, in any order, which is what shuffling and exact resuming need.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.tfrecord import Record, read_records
from detectnet.errors import UserError, nearest
from detectnet.files import PathLike, sha256
from detectnet.logs import log, progress
from detectnet.network.data_sources import entries_of
from detectnet.network.picture_files import PictureFiles, missing_pictures

# Boxes and sizes of a record are those of the stored pixels, as TensorFlow decodes them; OpenCV would turn a
# picture by its EXIF orientation.
_STORED = cv2.IMREAD_IGNORE_ORIENTATION
_DECODE = {1: cv2.IMREAD_GRAYSCALE | _STORED, 3: cv2.IMREAD_COLOR_RGB | _STORED}


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
        names: class in the records of every one of ``boxes``.
        other_boxes: (M, 4) float32, as ``boxes``: the objects without a target class.
        other_names: class in the records of every one of ``other_boxes``.
        picture_sha256: hex, of the picture's file as it is.
        shard: the record file.
        data_sources: indices of the data sources that the shard may belong to; one, where that is clear.
    """

    frame_id: str
    source: str
    size: tuple[int, int]
    file: Path
    offset: int
    length: int
    boxes: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    other_boxes: np.ndarray
    other_names: tuple[str, ...]
    picture_sha256: str = ""
    shard: Path = Path()
    data_sources: tuple[int, ...] = ()

    @property
    def data_source(self) -> Hashable:
        """The same for pictures of a data source; where that is unclear, for shards of a folder and name."""
        return self.data_sources if len(self.data_sources) == 1 else (self.shard.parent, self.source)

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
    picture_files: PictureFiles | None = None,
    patterns: Sequence[str] = (),
    needed: bool = True,
) -> Records:
    """Read the labels of all shards.

    Args:
        shards: record files; empty ones are fine. A file named ``NAME-fold-...`` belongs to source NAME.
        classes: target classes in the order of the network's channels.
        mapping: class in the records to target class; upper and lower case are the same.
        picture_files: where the pictures of records lie that hold none; None where all hold one.
        patterns: ``tfrecords_path`` of every data source.
        needed: False where it is only said that none of the objects maps to a target class.

    Raises:
        UserError: a shard is missing or damaged, a record's picture is not found, there is no picture at
            all, or there are objects, and one is needed, and none maps to a target class.
    """
    frames: list[Frame] = []
    missing: list[tuple[Path, str]] = []
    seen, unmapped, digest = Counter(), Counter(), hashlib.sha256()
    channel = {key.lower(): classes.index(value) for key, value in mapping.items() if value in classes}
    for shard in progress([Path(one) for one in shards], what="reading labels", unit="shards"):
        entries = entries_of(shard, patterns)
        for record, offset in _with_offsets(shard):
            place = _place(record, shard, offset, picture_files)
            if place is None:
                missing.append((shard, record.frame_id))
                continue
            frame = replace(_frame(record, place, channel), shard=shard, data_sources=entries)
            digest.update(_identity(frame, record))
            frames.append(frame)
            seen.update((*frame.names, *frame.other_names))
            unmapped.update(frame.other_names)
    if missing:
        raise missing_pictures(missing, len(frames) + len(missing), picture_files)
    _check(frames, seen, channel, mapping, classes, needed)
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


def _identity(frame: Frame, record: Record) -> bytes:
    labels = json.dumps([record.frame_id, record.names, record.boxes.tolist()])
    return bytes.fromhex(frame.picture_sha256) + labels.encode()


def _check(
    frames: list[Frame],
    seen: Counter,
    channel: Mapping[str, int],
    mapping: Mapping[str, str],
    classes: Sequence[str],
    needed: bool,
) -> None:
    if not frames:
        raise UserError("the records hold no picture", remedy="Look at the split and at what was dropped.")
    if seen and not any(name in channel for name in seen):
        close = {name: nearest(name, channel) for name in seen}
        pairs = [f"{key} -> {value}" for key, value in mapping.items()]
        hints = [f"'{name}' is near '{key}'" for name, key in close.items() if key]
        unusable = UserError(
            f"no object maps to a target class: the records hold {', '.join(sorted(seen))}; "
            f"the mapping has {', '.join(pairs) or 'no entry'}; "
            f"the target classes are {', '.join(classes)}",
            where="dataset_config.target_class_mapping",
            remedy=f"Add the records' names as keys. {'; '.join(hints)}".strip(),
        )
        if needed:
            raise unusable
        log.warning("%s", unusable)


def _place(
    record: Record, shard: Path, offset: int, picture_files: PictureFiles | None
) -> tuple[Path, int, int, str] | None:
    """File, offset and length of a record's picture, and its sha256; None where it is not found."""
    if record.encoded:
        return shard, offset, len(record.encoded), hashlib.sha256(record.encoded).hexdigest()
    if picture_files is None:
        raise UserError(f"the record of {record.frame_id} holds no picture", where=shard)
    found = picture_files.find(shard, record.frame_id)
    return (found, 0, -1, sha256(found)) if found else None


def _frame(record: Record, place: tuple[Path, int, int, str], channel: Mapping[str, int]) -> Frame:
    names = [name.lower() for name in record.names]
    mapped = np.array([channel.get(name, -1) for name in names], np.int32)
    kept = mapped >= 0
    return Frame(
        record.frame_id,
        record.source,
        (record.width, record.height),
        *place[:3],
        boxes=record.boxes[kept],
        classes=mapped[kept],
        names=tuple(compress(names, kept)),
        other_boxes=record.boxes[~kept],
        other_names=tuple(compress(names, ~kept)),
        picture_sha256=place[3],
    )
