"""A user's own KITTI or COCO folders to record files: what ``tlt-dataset-convert`` does.

The stage of the rules is `detectnet.data.packing`: it packs resized pictures by a split that is kept in a
file, and its fold 0 is validation always. Here a conversion spec says everything, as in TAO.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from detectnet.data import shards
from detectnet.data.own_folders import Found, Seen, coco_pictures, kitti_pictures, look, sequences, some
from detectnet.data.samples import Picture, modified
from detectnet.data.shards import Shard
from detectnet.data.shares import prefix_length
from detectnet.data.split import group_names, grouped_validation
from detectnet.data.workers import every
from detectnet.errors import UserError
from detectnet.files import PathLike, write_json
from detectnet.logs import log
from detectnet.spec import mode_of

if TYPE_CHECKING:
    from detectnet.spec import Message

_GROUPED = "without partition_mode they stay together"


@dataclass(frozen=True)
class _Dataset:
    """All pictures in the order found, what was seen of each, and the sequence that each is a frame of."""

    found: list[Found]
    seen: list[Seen]
    videos: list[str]

    def table(self) -> pd.DataFrame:
        """What the grouping reads, one row a picture."""
        return pd.DataFrame(
            {
                "source": "pictures",
                "image": [one.frame_id for one in self.found],
                "phash": [one.phash for one in self.seen],
                "mirrored": [one.mirrored for one in self.seen],
                "group": self.videos,
            }
        )


def convert_dataset(
    spec: Message,
    output: PathLike,
    *,
    validation_fold: int | None = None,
    workers: int | None = None,
    embed: bool = True,
) -> pd.DataFrame:
    """Convert the folders that a conversion spec names to record files, in NVIDIA's order and names.

    ``partition_mode``: ``random`` is NVIDIA's: of the file names, sorted, the first ``val_split`` percent are
    fold 0 and the others fold 1, each shuffled twice by one generator with seed 42. ``sequence`` deals the
    sequences of ``kitti_sequence_to_frames_file``, longest first, to ``num_partitions`` folds in turn, and
    reverses the folds. An absent one is ours: ``grouped``, where look-alikes and the frames of one
    sequence stay together. The partitions of ``coco_config`` are folds as they are, not shuffled.

    Folds without pictures are skipped and the others numbered from 0, as in TAO: with ``val_split: 0`` the
    training pictures are fold 0. Files are ``<output>-fold-000-of-002-shard-00000-of-00010`` and so on, and
    ``<output>_warning.json`` lists the labels that span no whole pixel. Record files of ``output`` that an
    earlier conversion left are removed. ``workers`` changes no byte.

    Args:
        spec: a dataset spec; relative folders are looked for below ``DATA_BASE_PATH`` first.
        output: path of the files up to ``-fold-``; ending in a slash, a folder whose files begin with
            ``-fold-``, as in TAO.
        validation_fold: number of the fold that ``sample_modifier_config`` leaves alone.
        workers: processes, None for every core.
        embed: put the bytes of the picture files into the records, so that training needs no picture folder;
            without them a record has exactly NVIDIA's keys.

    Returns:
        a row for each file: shard, fold, pictures, objects, bytes, sha256.

    Raises:
        UserError: folders, pictures or labels are missing or damaged (all of them are listed), or
            ``sample_modifier_config`` has no validation fold.
    """
    start, name = os.path.split(output)
    folder = Path(start)
    dataset, folds = _coco(spec, workers) if spec.has("coco_config") else _kitti(spec, workers)
    together = "put them into one annotation file" if spec.has("coco_config") else _GROUPED
    _warn(dataset, folds, together)
    planned = _planned(spec, dataset, folds, folder / f"{name}-fold-", validation_fold)
    shards.write(planned, workers, embed=embed)
    shards.remove_others(planned, folder, name)
    made, counted = shards.described(planned, workers)
    thin = shards.rejected(planned, workers)
    write_json(folder / f"{name}_warning.json", thin)
    spaceless = spec.has("coco_config")
    names = {name for one in dataset.seen for name in one.classes}
    class_map = {name: (name.replace(" ", "") if spaceless else name).lower() for name in names}
    shards.say(name or f"{folder}/", made, counted, class_map, len(thin))
    return made


def _kitti(spec: Message, workers: int | None) -> tuple[_Dataset, list[list[int]]]:
    """The pictures of ``kitti_config``, and the folds as indices into them, before any shuffling."""
    config, mode = spec.kitti_config, mode_of(spec)
    found, videos = kitti_pictures(config), sequences(config)
    if mode == "sequence":
        found = _framed(config, found, videos)
    sequence_of = {frame: name for name, frames in videos.items() for frame in frames}
    stems = [one.label.stem for one in found]
    dataset = _seen(found, workers, [sequence_of.get(stem, "") for stem in stems])
    if mode == "sequence":
        return dataset, _dealt(videos, stems, config.num_partitions)
    if mode == "random":
        validation = np.arange(len(found)) < prefix_length(config.val_split, len(found))
    else:
        validation = grouped_validation(dataset.table(), config.val_split)
    if 0 < config.val_split < 1:
        log.warning(
            "%s: val_split is in percent: %g is %g %%, %d of %d pictures",
            config.where("val_split"),
            config.val_split,
            config.val_split,
            int(validation.sum()),
            len(found),
        )
    return dataset, [np.flatnonzero(validation).tolist(), np.flatnonzero(~validation).tolist()]


def _coco(spec: Message, workers: int | None) -> tuple[_Dataset, list[list[int]]]:
    partitions = coco_pictures(spec.coco_config)
    found = [one for part in partitions for one in part]
    ends = np.cumsum([0, *map(len, partitions)]).tolist()
    folds = [list(range(start, end)) for start, end in pairwise(ends)]
    return _seen(found, workers, [""] * len(found)), folds


def _framed(config: Message, found: list[Found], videos: dict[str, list[str]]) -> list[Found]:
    """The pictures that are frames of a sequence; says how many are not."""
    by_stem = {one.label.stem: one for one in found}
    frames = [frame for listed in videos.values() for frame in listed]
    where = config.where("kitti_sequence_to_frames_file")
    missing = [frame for frame in frames if frame not in by_stem]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(frames)} frames have no picture: {some(missing)}", where=where
        )
    left = len(by_stem) - len(set(frames))
    if left:
        log.warning("%s: %d pictures are frames of no sequence and are left out", where, left)
    return [by_stem[frame] for frame in dict.fromkeys(frames)]


def _dealt(videos: dict[str, list[str]], stems: list[str], partitions: int) -> list[list[int]]:
    """NVIDIA's ``sequence``: longest first, equal ones by name, dealt in turn; then the folds reversed."""
    place = {stem: index for index, stem in enumerate(stems)}
    ordered = list(videos)
    if partitions > 1:
        ordered.sort(key=lambda name: (-len(videos[name]), name))
    dealt = [
        [place[frame] for name in ordered[first::partitions] for frame in videos[name]]
        for first in range(partitions)
    ]
    return dealt[::-1]


def _seen(found: list[Found], workers: int | None, videos: list[str]) -> _Dataset:
    """Look at every picture and label; raises UserError with all that cannot be used."""
    seen = list(every(look, found, workers=workers, what="looking at pictures"))
    problems = [one.problem for one in seen if one.problem]
    if problems:
        listed = "\n  ".join(problems)
        raise UserError(f"{len(problems)} of {len(found)} pictures cannot be used:\n  {listed}")
    return _Dataset(found, seen, videos)


def _warn(dataset: _Dataset, folds: list[list[int]], together: str) -> None:
    """Warn of pictures whose pixels are shown turned, and of look-alikes in several folds.

    ``together`` says how those come into one fold.
    """
    turned = [one.frame_id for one, seen in zip(dataset.found, dataset.seen, strict=True) if seen.turned]
    if turned:
        log.warning(
            "%d pictures are shown turned or mirrored (EXIF orientation): their labels must be of the stored "
            "pixels: %s",
            len(turned),
            some(turned),
        )
    used = [index for fold in folds for index in fold]
    fold_of = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    table = dataset.table().iloc[used].reset_index(drop=True)
    table = table.assign(name=group_names(table), fold=fold_of)
    torn = table.groupby("name")["fold"].transform("nunique") > 1
    if torn.any():
        log.warning(
            "this split leaks: %d of %d pictures have a near-duplicate or a frame of their sequence in "
            "another fold (%d groups); %s",
            int(torn.sum()),
            len(table),
            table["name"][torn].nunique(),
            together,
        )


def _planned(
    spec: Message, dataset: _Dataset, folds: list[list[int]], start: Path, validation_fold: int | None
) -> list[Shard]:
    pictures = [_picture(found, seen) for found, seen in zip(dataset.found, dataset.seen, strict=True)]
    counts = _shard_counts(spec, len(folds))
    filled = [(count, [pictures[i] for i in fold]) for count, fold in zip(counts, folds, strict=True) if fold]
    if not filled:
        raise UserError("there is no picture to convert", where=spec.where())
    if len(filled) < len(folds):
        log.warning(
            "%d of %d folds are empty: the others are numbered from 0", len(folds) - len(filled), len(folds)
        )
    members = [fold for _, fold in filled]
    if not spec.has("coco_config"):
        shards.shuffle(members, mode_of(spec))
    members = _modified(members, spec, validation_fold)
    for index, fold in enumerate(members):
        if not fold:
            log.warning(
                "%s: fold %d has no picture left; its record files are empty",
                spec.sample_modifier_config.where(),
                index,
            )
    return [
        shard
        for index, (count, fold) in enumerate(zip((count for count, _ in filled), members, strict=True))
        for shard in shards.cut(
            fold,
            count,
            start.with_name(f"{start.name}{index:03d}-of-{len(folds):03d}"),
            f"fold {index}",
        )
    ]


def _picture(found: Found, seen: Seen) -> Picture:
    return Picture(found.frame_id, found.image, found.label, *seen.size, found.listed_as, found.given)


def _shard_counts(spec: Message, partitions: int) -> Sequence[int]:
    """``num_shards`` of every partition; ``coco_config`` may give one for all, or none, which is 0."""
    if not spec.has("coco_config"):
        return [spec.kitti_config.num_shards] * partitions
    counts = spec.coco_config.num_shards or [0]
    return counts * partitions if len(counts) == 1 else counts


def _modified(folds: list[list[Picture]], spec: Message, validation_fold: int | None) -> list[list[Picture]]:
    """The folds after ``sample_modifier_config``, which acts on all but the validation fold."""
    if not spec.has("sample_modifier_config"):
        return folds
    if validation_fold is None or not 0 <= validation_fold < len(folds):
        raise UserError(
            "sample_modifier_config changes training pictures, so the validation fold must be known",
            where=spec.where("sample_modifier_config"),
            allowed=f"a validation fold of 0 to {len(folds) - 1}",
            remedy="Give its number (-f).",
        )
    config = spec.sample_modifier_config
    room = config.max_training_samples or None
    made = []
    for index, members in enumerate(folds):
        changed = members if index == validation_fold else modified(members, config)[:room]
        if room is not None and index != validation_fold:
            room -= len(changed)
        made.append(changed)
    return made
