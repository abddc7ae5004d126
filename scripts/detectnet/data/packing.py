"""The stage that packs a resized source into record shards, as NVIDIA's ``tlt-dataset-convert`` does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from detectnet.data import boxes, kitti, manifest
from detectnet.data.folds import EXCLUDED, SEED, TRAINING, VALIDATION, read_split
from detectnet.data.samples import Picture, modified
from detectnet.data.tfrecord import example, read_records, write_shard
from detectnet.data.workers import every
from detectnet.errors import UserError
from detectnet.files import PathLike, sha256, write_csv, write_json
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message

RECORD_FOLDS = (VALIDATION, TRAINING)
"""The folds in the order of their number: fold-000 is validation, fold-001 training, always."""
COLUMNS = ("shard", "fold", "pictures", "objects", "bytes", "sha256")


@dataclass(frozen=True)
class Shard:
    """A record file to write: its path, ``training`` or ``validation``, its number, its pictures in order."""

    path: Path
    fold: str
    number: int
    pictures: tuple[Picture, ...]


def pack_source(
    resized_manifest: PathLike,
    split_csv: PathLike,
    spec: Message,
    out_dir: PathLike,
    source: str,
    *,
    workers: int | None = None,
    only: Collection[int] | None = None,
) -> pd.DataFrame | None:
    """Write one source's pictures and labels as record shards, and list what was written.

    Writes ``<source>-fold-000-of-002-shard-00000-of-00010`` and so on: fold 000 is validation, 001
    training, also where one of them is empty. The order within a fold is a shuffle with seed 42 (in
    ``random`` mode NVIDIA's two), cut into ``num_shards`` equal shards, the remainder in the last.
    Then ``<source>.manifest.csv`` (shard, fold, pictures, objects, bytes, sha256) and
    ``<source>_warning.json`` (NVIDIA's list of labels whose corners, cut to whole pixels, span no pixel:
    they are left out). Shards of an earlier ``num_shards`` are removed. ``workers`` changes no byte.

    Args:
        resized_manifest: ``manifest.csv`` of one source; its folder holds the pictures.
        split_csv: ``split.csv``; ``excluded`` pictures are left out.
        spec: a dataset spec.
        out_dir: where the records go.
        source: name of the source, as in the manifest.
        workers: processes, None for every core.
        only: write just the shards of these numbers (of both folds) and no list, for a cluster that
            packs shards in jobs of their own; `list_shards` follows.

    Returns:
        the rows of the manifest, or None with ``only``.

    Raises:
        UserError: the manifest is of another source, the split lacks a picture, the spec asks for other
            than two partitions, or a label file is damaged.
    """
    shards = plan(resized_manifest, split_csv, spec, out_dir, source)
    numbers = {shard.number for shard in shards} if only is None else set(only)
    unknown = numbers - {shard.number for shard in shards}
    if unknown:
        raise UserError(f"no shard {min(unknown)}", allowed=f"0 to {max(s.number for s in shards)}")
    chosen = [shard for shard in shards if shard.number in numbers]
    for _ in every(_write, chosen, workers=workers, what="packing", unit="shards", chunk=1):
        pass
    return _listed(shards, Path(out_dir), source, workers) if only is None else None


def list_shards(
    resized_manifest: PathLike,
    split_csv: PathLike,
    spec: Message,
    out_dir: PathLike,
    source: str,
    *,
    workers: int | None = None,
) -> pd.DataFrame:
    """Read the shards that are there, verify every checksum, and write manifest and warnings.

    The second half of `pack_source`, with its arguments, result and errors; also a UserError for a
    shard that is missing or damaged.
    """
    return _listed(plan(resized_manifest, split_csv, spec, out_dir, source), Path(out_dir), source, workers)


def plan(
    resized_manifest: PathLike, split_csv: PathLike, spec: Message, out_dir: PathLike, source: str
) -> list[Shard]:
    """Which picture goes to which place of which shard; writes nothing. Arguments as `pack_source`."""
    rows = manifest.read(resized_manifest).sort_values("image")
    others = set(rows["source"]) - {source}
    if others:
        raise UserError(f"holds the source {min(others)!r}, not {source!r}", where=resized_manifest)
    root = Path(resized_manifest).parent
    members: dict[str, list[Picture]] = {TRAINING: [], VALIDATION: [], EXCLUDED: []}
    for row, fold in zip(rows.itertuples(), _folds(rows, source, split_csv), strict=True):
        frame_id = Path(row.image).with_suffix("").as_posix()
        members[fold].append(Picture(frame_id, root / row.image, root / row.label, row.width, row.height))
    _shuffle([members[fold] for fold in RECORD_FOLDS], _mode(spec))
    members[TRAINING] = modified(members[TRAINING], spec.sample_modifier_config)
    return [
        Shard(Path(out_dir) / name, fold, number, part)
        for index, (fold, count) in enumerate(zip(RECORD_FOLDS, _shard_counts(spec), strict=True))
        for number, name, part in _cut(members[fold], count, f"{source}-fold-{index:03d}-of-002")
    ]


def _folds(rows: pd.DataFrame, source: str, split_csv: PathLike) -> list[str]:
    chosen = read_split(split_csv)
    chosen = chosen[chosen["source"] == source]
    by_image = dict(zip(chosen["image"], chosen["fold"], strict=True))
    missing = [image for image in rows["image"] if image not in by_image]
    if missing:
        raise UserError(
            f"{len(missing)} pictures of {source!r} are in no fold, the first is {missing[0]}",
            where=split_csv,
            remedy="Make the split again from the present manifests.",
        )
    return [by_image[image] for image in rows["image"]]


def _mode(spec: Message) -> str:
    return "grouped" if spec.has("coco_config") else spec.kitti_config.partition_mode


def _shuffle(folds: list[list[Picture]], mode: str) -> None:
    """NVIDIA's order: one generator with seed 42, each fold in turn, the whole twice in ``random`` mode.

    There the splitter shuffles its two lists and the converter shuffles them again.
    """
    generator = random.Random(SEED)
    for _ in range(2 if mode == "random" else 1):
        for members in folds:
            generator.shuffle(members)


def _shard_counts(spec: Message) -> list[int]:
    """``num_shards`` of validation and training; 0 is one shard whose name does not say so."""
    config, name = spec.kitti_config, "kitti_config"
    counts = [config.num_shards] * 2
    if spec.has("coco_config"):
        config, name = spec.coco_config, "coco_config"
        counts = list(config.num_shards) or [0]
        counts = counts * 2 if len(counts) == 1 else counts
    if config.num_partitions != 2 or len(counts) != 2:
        raise UserError(
            f"{config.num_partitions} partitions, {len(counts)} numbers of shards",
            where=spec.where(name),
            allowed="2 partitions: fold 0 is validation, fold 1 training",
        )
    return counts


def _cut(members: list[Picture], count: int, prefix: str) -> Iterator[tuple[int, str, tuple[Picture, ...]]]:
    """Number, file name and pictures of each shard: equal shards, the last takes the remainder."""
    if count == 0:
        yield 0, prefix, tuple(members)
        return
    size = len(members) // count
    for number in range(count):
        end = (number + 1) * size if number < count - 1 else len(members)
        yield number, f"{prefix}-shard-{number:05d}-of-{count:05d}", tuple(members[number * size : end])


def _write(shard: Shard) -> None:
    write_shard(shard.path, map(_example, shard.pictures))


def _example(picture: Picture) -> bytes:
    labels, _ = _checked_labels(picture.label)
    try:
        encoded = picture.image.read_bytes()
    except OSError as error:
        raise UserError(
            f"the picture cannot be read ({error.strerror})",
            where=picture.image,
            remedy="Resize the source again with letterbox_pictures.py.",
        ) from error
    return example(picture.frame_id, picture.width, picture.height, labels, encoded)


def _checked_labels(path: Path) -> tuple[list[kitti.Label], dict[int, list[int]]]:
    """The labels that NVIDIA's rule keeps, and the whole-pixel corners of the others by their index."""
    labels = kitti.read_labels(path)
    corners = np.array([label.box for label in labels], dtype=np.float64).reshape(-1, 4)
    keep = boxes.valid_truncated(corners)
    rejected = {index: corners[index].astype(int).tolist() for index in np.flatnonzero(~keep).tolist()}
    return [label for label, good in zip(labels, keep, strict=True) if good], rejected


def _listed(shards: list[Shard], out_dir: Path, source: str, workers: int | None) -> pd.DataFrame:
    _remove_others(shards, out_dir, source)
    found = list(every(_described, shards, workers=workers, what="checking", unit="shards", chunk=1))
    made = pd.DataFrame([row for row, _ in found], columns=list(COLUMNS))
    write_csv(out_dir / f"{source}.manifest.csv", made)
    pictures = sorted({picture for shard in shards for picture in shard.pictures}, key=_frame_id)
    rejected: dict[str, list[int]] = {}
    for one in every(_rejected, pictures, workers=workers, what="checking labels", chunk=256):
        rejected |= one
    write_json(out_dir / f"{source}_warning.json", rejected)
    _say(source, made, [names for _, names in found], len(rejected))
    return made


def _frame_id(picture: Picture) -> str:
    return picture.frame_id


def _remove_others(shards: list[Shard], out_dir: Path, source: str) -> None:
    wanted = {shard.path.name for shard in shards}
    for path in out_dir.iterdir():
        if path.name.startswith(f"{source}-fold-") and path.name not in wanted:
            path.unlink()


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


def _rejected(picture: Picture) -> dict[str, list[int]]:
    name = f"{picture.label.parent.name}/{picture.label.name}"
    return {f"{name}_{index}": corners for index, corners in _checked_labels(picture.label)[1].items()}


def _say(source: str, made: pd.DataFrame, names: list[Counter], rejected: int) -> None:
    total: Counter = Counter()
    for fold in RECORD_FOLDS:
        counted: Counter = Counter()
        for one in (names[row] for row in np.flatnonzero(made["fold"] == fold)):
            counted.update(one)
        log.info("%s, %s: %d pictures", source, fold, made["pictures"][made["fold"] == fold].sum())
        _say_objects(counted)
        total.update(counted)
    log.info("%s, all: %d pictures", source, made["pictures"].sum())
    _say_objects(total)
    log.info("Class map.\nLabel in GT: Label in tfrecords file")
    for name in sorted(total):
        log.info("%s: %s", name, name)
    log.info("For the class map of the experiment spec, use the labels of the tfrecords file.")
    if rejected:
        log.warning(
            "%s: left out %d boxes thinner than a pixel, see %s_warning.json", source, rejected, source
        )


def _say_objects(counted: Counter) -> None:
    log.info("Wrote the following numbers of objects:")
    for name, count in sorted(counted.items()):
        log.info("%s: %d", name, count)
