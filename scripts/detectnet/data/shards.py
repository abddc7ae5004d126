"""Record shards as NVIDIA's converter makes them: order, names, content, and what is told about them."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from detectnet.data import boxes, kitti
from detectnet.data.folds import SEED
from detectnet.data.samples import Picture
from detectnet.data.tfrecord import example, read_records, write_shard
from detectnet.data.workers import every
from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.logs import log

COLUMNS = ("shard", "fold", "pictures", "objects", "bytes", "sha256")


@dataclass(frozen=True)
class Shard:
    """A record file to write: its path, the name of its fold, its number, its pictures in order."""

    path: Path
    fold: str
    number: int
    pictures: tuple[Picture, ...]


def shuffle(folds: list[list[Picture]], mode: str) -> None:
    """NVIDIA's order: one generator with seed 42, each fold in turn, the whole twice in ``random`` mode.

    There the splitter shuffles its two lists and the converter shuffles them again.
    """
    generator = random.Random(SEED)
    for _ in range(2 if mode == "random" else 1):
        for members in folds:
            generator.shuffle(members)


def cut(members: Sequence[Picture], count: int, prefix: Path, fold: str) -> Iterator[Shard]:
    """The shards of a fold: ``count`` equal ones, the last takes the remainder; 0 is one without a number.

    Args:
        members: the pictures in order.
        count: ``num_shards``; where there are fewer pictures, all but the last are empty.
        prefix: path of the files up to ``-shard-``.
        fold: name of the fold.
    """
    if count == 0:
        yield Shard(prefix, fold, 0, tuple(members))
        return
    size = len(members) // count
    for number in range(count):
        end = (number + 1) * size if number < count - 1 else len(members)
        path = prefix.with_name(f"{prefix.name}-shard-{number:05d}-of-{count:05d}")
        yield Shard(path, fold, number, tuple(members[number * size : end]))


def write(shards: Sequence[Shard], workers: int | None = None, *, embed: bool = True) -> None:
    """Write shards; ``embed`` puts the bytes of every picture's file into its record.

    Raises:
        UserError: a picture or label file cannot be read.
    """
    for _ in every(
        partial(_write, embed=embed), shards, workers=workers, what="packing", unit="shards", chunk=1
    ):
        pass


def _write(shard: Shard, embed: bool) -> None:
    write_shard(shard.path, (_example(picture, embed) for picture in shard.pictures))


def _example(picture: Picture, embed: bool) -> bytes:
    labels, _ = _checked_labels(picture)
    try:
        encoded = picture.image.read_bytes() if embed else None
    except OSError as error:
        raise UserError(
            f"the picture cannot be read ({error.strerror})",
            where=picture.image,
            remedy="It was there when the list of pictures was made: make that list again.",
        ) from error
    return example(picture.frame_id, picture.width, picture.height, labels, encoded)


def _checked_labels(picture: Picture) -> tuple[list[kitti.Label], dict[int, list[int]]]:
    """The labels that NVIDIA's rule keeps, and the whole-pixel corners of the others by their index."""
    labels = picture.labels()
    corners = np.array([label.box for label in labels], dtype=np.float64).reshape(-1, 4)
    keep = boxes.valid_truncated(corners)
    rejected = {index: corners[index].astype(int).tolist() for index in np.flatnonzero(~keep).tolist()}
    return [label for label, good in zip(labels, keep, strict=True) if good], rejected


def described(shards: Sequence[Shard], workers: int | None = None) -> tuple[pd.DataFrame, list[Counter]]:
    """Read written shards and verify every checksum.

    Returns:
        a row for each shard with `COLUMNS`, and the number of its objects by class.

    Raises:
        UserError: a shard is missing, damaged, or holds another number of pictures.
    """
    found = list(every(_described, shards, workers=workers, what="checking", unit="shards", chunk=1))
    return pd.DataFrame([row for row, _ in found], columns=list(COLUMNS)), [names for _, names in found]


def _described(shard: Shard) -> tuple[dict, Counter]:
    names: Counter = Counter()
    pictures = 0
    for record in read_records([shard.path]):
        names.update(record.names)
        pictures += 1
    if pictures != len(shard.pictures):
        raise UserError(
            f"{pictures} pictures instead of {len(shard.pictures)}",
            where=shard.path,
            remedy="It belongs to another split or spec: write the records again.",
        )
    row = {
        "shard": shard.path.name,
        "fold": shard.fold,
        "pictures": pictures,
        "objects": names.total(),
        "bytes": shard.path.stat().st_size,
        "sha256": sha256(shard.path),
    }
    return row, names


def rejected(shards: Iterable[Shard], workers: int | None = None) -> dict[str, list[int]]:
    """NVIDIA's list of labels whose corners, cut to whole pixels, span no pixel; records leave them out.

    Returns:
        ``Picture.listed_as`` + ``_`` + the label's index -> its four cut corners, pixels.
    """
    by_name = {picture.listed_as: picture for shard in shards for picture in shard.pictures}
    pictures = [by_name[name] for name in sorted(by_name)]
    found: dict[str, list[int]] = {}
    for one in every(_rejected, pictures, workers=workers, what="checking labels", chunk=256):
        found |= one
    return found


def _rejected(picture: Picture) -> dict[str, list[int]]:
    return {f"{picture.listed_as}_{index}": corners for index, corners in _checked_labels(picture)[1].items()}


def remove_others(shards: Collection[Shard], out_dir: Path, name: str) -> None:
    """Remove shards of ``name`` that an earlier conversion left: a glob would train on both."""
    wanted = {shard.path.name for shard in shards}
    shape = re.compile(rf"{re.escape(name)}-fold-\d{{3}}-of-\d{{3}}(-shard-\d{{5}}-of-\d{{5}})?")
    others = [path for path in out_dir.iterdir() if shape.fullmatch(path.name) and path.name not in wanted]
    for path in others:
        path.unlink()
    if others:
        log.info("%s: removed %d record files of an earlier conversion", name, len(others))


def say(
    name: str,
    made: pd.DataFrame,
    counted: Sequence[Counter],
    class_map: dict[str, str],
    thin: int,
) -> None:
    """Log the counts of objects and the class map in NVIDIA's words.

    Args:
        name: of the data set.
        made, counted: what `described` returned.
        class_map: class as the labels write it -> class in the records.
        thin: number of labels that were left out.
    """
    for fold in made["fold"].unique():
        rows = np.flatnonzero(made["fold"] == fold)
        log.info("%s, %s: %d pictures", name, fold, made["pictures"].iloc[rows].sum())
        _say_objects([counted[row] for row in rows])
    log.info("%s, all: %d pictures", name, made["pictures"].sum())
    _say_objects(counted)
    log.info("Class map.\nLabel in GT: Label in tfrecords file")
    for label in sorted(class_map):
        log.info("%s: %s", label, class_map[label])
    log.info("For the class map of the experiment spec, use the labels of the tfrecords file.")
    if thin:
        log.warning("%s: left out %d boxes thinner than a pixel, see %s_warning.json", name, thin, name)


def _say_objects(counted: Sequence[Counter]) -> None:
    log.info("Wrote the following numbers of objects:")
    for name, count in sorted(sum(counted, Counter()).items()):
        log.info("%s: %d", name, count)
