"""The stage that packs a resized source into record shards, as NVIDIA's ``tlt-dataset-convert`` does."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from detectnet.data import manifest, shards
from detectnet.data.folds import EXCLUDED, TRAINING, VALIDATION, read_split
from detectnet.data.samples import Picture, modified
from detectnet.data.shards import Shard
from detectnet.errors import UserError
from detectnet.files import PathLike, write_csv, write_json
from detectnet.spec import mode_of, shards_of

if TYPE_CHECKING:
    from detectnet.data.corrections import Corrections
    from detectnet.spec import Message

RECORD_FOLDS = (VALIDATION, TRAINING)
"""The folds in the order of their number: fold-000 is validation, fold-001 training, always."""


def pack_source(
    resized_manifest: PathLike,
    split_csv: PathLike,
    spec: Message,
    out_dir: PathLike,
    source: str,
    *,
    corrections: Corrections | None = None,
    workers: int | None = None,
    only: Collection[int] | None = None,
) -> pd.DataFrame | None:
    """Write one source's pictures and labels as record shards, and list what was written.

    Writes ``<source>-fold-000-of-002-shard-00000-of-00010`` and so on: fold 000 is validation, 001
    training, also where one of them is empty. The order within a fold is a shuffle with seed 42 (in
    ``random`` mode NVIDIA's two), cut into ``num_shards`` equal shards, the remainder in the last.
    Then ``<source>.manifest.csv`` (shard, fold, pictures, objects, bytes, sha256) and
    ``<source>_warning.json`` (NVIDIA's list of labels whose corners, cut to whole pixels, span no pixel:
    they are left out) and, with ``corrections``, ``<source>_corrections.json`` (how many were applied).
    Shards of an earlier ``num_shards`` are removed. ``workers`` changes no byte.

    Args:
        resized_manifest: ``manifest.csv`` of one source; its folder holds the pictures.
        split_csv: ``split.csv``; ``excluded`` pictures are left out.
        spec: a dataset spec.
        out_dir: where the records go.
        source: name of the source, as in the manifest.
        corrections: reviewed ones of this source, for the labels of its training fold; no byte of the
            validation fold depends on them.
        workers: processes, None for every core.
        only: write just the shards of these numbers (of both folds) and no list, for a cluster that
            packs shards in jobs of their own; `list_shards` follows.

    Returns:
        the rows of the manifest, or None with ``only``.

    Raises:
        UserError: the manifest is of another source, the split lacks a picture, the spec asks for other
            than two partitions, a label file is damaged, or a correction does not match.
    """
    planned = plan(resized_manifest, split_csv, spec, out_dir, source, corrections)
    numbers = {shard.number for shard in planned} if only is None else set(only)
    unknown = numbers - {shard.number for shard in planned}
    if unknown:
        raise UserError(f"no shard {min(unknown)}", allowed=f"0 to {max(s.number for s in planned)}")
    shards.write([shard for shard in planned if shard.number in numbers], workers)
    return _listed(planned, Path(out_dir), source, corrections, workers) if only is None else None


def list_shards(
    resized_manifest: PathLike,
    split_csv: PathLike,
    spec: Message,
    out_dir: PathLike,
    source: str,
    *,
    corrections: Corrections | None = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Read the shards that are there, verify every checksum, and write manifest and warnings.

    The second half of `pack_source`, with its arguments, result and errors; also a UserError for a
    shard that is missing or damaged.
    """
    planned = plan(resized_manifest, split_csv, spec, out_dir, source, corrections)
    return _listed(planned, Path(out_dir), source, corrections, workers)


def plan(
    resized_manifest: PathLike,
    split_csv: PathLike,
    spec: Message,
    out_dir: PathLike,
    source: str,
    corrections: Corrections | None = None,
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
        files = root / row.image, root / row.label
        members[fold].append(Picture(frame_id, *files, row.width, row.height, listed_as=row.label))
    shards.shuffle([members[fold] for fold in RECORD_FOLDS], mode_of(spec))
    if corrections is not None:
        # After the shuffle: a dropped picture would change the order of validation in NVIDIA's random mode.
        members[TRAINING] = corrections.applied_to(members[TRAINING])
    members[TRAINING] = modified(members[TRAINING], spec.sample_modifier_config)
    return [
        shard
        for index, (fold, count) in enumerate(zip(RECORD_FOLDS, _shard_counts(spec), strict=True))
        for shard in shards.cut(
            members[fold], count, Path(out_dir) / f"{source}-fold-{index:03d}-of-002", fold
        )
    ]


def _shard_counts(spec: Message) -> tuple[int, int]:
    name = "coco_config" if spec.has("coco_config") else "kitti_config"
    partitions = getattr(spec, name).num_partitions
    if partitions != len(RECORD_FOLDS):
        raise UserError(
            f"{partitions} partitions",
            where=spec.where(name),
            allowed="2 here: fold 0 is validation, fold 1 training. Others are for tlt-dataset-convert",
        )
    return shards_of(spec)


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


def _listed(
    planned: list[Shard],
    out_dir: Path,
    source: str,
    corrections: Corrections | None,
    workers: int | None,
) -> pd.DataFrame:
    shards.remove_others(planned, out_dir, source)
    made, counted = shards.described(planned, workers)
    write_csv(out_dir / f"{source}.manifest.csv", made)
    thin = shards.rejected(planned, workers)
    write_json(out_dir / f"{source}_warning.json", thin)
    applied = out_dir / f"{source}_corrections.json"
    if corrections is None:
        applied.unlink(missing_ok=True)
    else:
        write_json(applied, corrections.summary())
    names = {name for one in counted for name in one}
    shards.say(source, made, counted, {name: name for name in names}, len(thin))
    return made
