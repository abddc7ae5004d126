"""Training and validation that share no scene, and the same split again when pictures are added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from detectnet.data import duplicates, manifest
from detectnet.data.folds import (
    COLUMNS,
    EXCLUDED,
    FOLDS,
    FROZEN_COLUMNS,
    SEED,
    TRAINING,
    VALIDATION,
    read_split,
)
from detectnet.data.resizing import read_mirrored
from detectnet.data.shares import deal, prefix_length
from detectnet.data.split_summary import link_table, say
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, write_csv
from detectnet.logs import log

MODES = ("grouped", "random", "sequence")


def split(
    manifests: Mapping[str, PathLike],
    out: PathLike,
    *,
    share: float | Mapping[str, float] = 14.0,
    mode: str = "grouped",
    fixed: Mapping[str, str] | None = None,
    previous: PathLike | None = None,
    originals: Mapping[str, PathLike] | None = None,
    threshold: int = duplicates.THRESHOLD,
) -> pd.DataFrame:
    """Put every picture of every source into a fold and write ``split.csv``.

    A *group* is what look-alikes join: frames of one video (the manifest's ``group``), near-duplicates by
    perceptual hash and near-duplicates of the mirror image, across all sources. In ``grouped`` mode a
    group is never in training and validation both: pictures of ``previous`` keep their fold, new ones
    of their group follow, and where a group holds old pictures of both folds its new pictures go to
    training and its old validation pictures are ``excluded`` from evaluation. A ``fixed`` fold stands as an
    old one does, but an evaluation never shrinks for it: a training picture that looks like a validation
    picture is ``excluded`` where its fold is fixed and not of the list, or the other's source is fixed for
    validation. All other groups are dealt so that each source comes as near to its share as whole groups
    allow. ``random`` is NVIDIA's sorted prefix and ``sequence`` NVIDIA's dealing of
    videos; both may leak, and say how much.

    Args:
        manifests: source -> its ``manifest.csv`` after resizing, ``mirrored.csv`` beside it.
        out: ``split.csv``: image, source, group, fold, sorted by source and image. Beside it
            ``split_links.csv`` lists what joined old training and old validation pictures.
        share: percent 0..100 of each source's pictures for validation, or a mapping by source.
        mode: ``grouped``, ``random`` or ``sequence``.
        fixed: source -> ``training`` or ``validation``: all its pictures stand there.
        previous: an earlier list (source, image, sha256, group, fold), see `freeze`; ``grouped`` only.
        originals: source -> its ``manifest.csv`` before resizing. Its ``sha256`` tells a renamed old picture,
            whatever size the list was made for; that of ``manifests`` does where a source is not named.
        threshold: bits in which near-duplicates may differ, 0..63.

    Returns:
        the rows of ``split.csv``.

    Raises:
        UserError: unknown mode, source or fold, share out of range, a file that is none of its kind.
    """
    pictures = _identified(_read(manifests), originals or {})
    shares = _shares(pictures, share)
    fixed = _checked_fixed(pictures, fixed or {})
    if mode not in MODES:
        raise UserError(f"no split mode {mode!r}", allowed=MODES, remedy=did_you_mean(mode, MODES))
    links = _links(pictures, threshold)
    group, names = _groups(pictures, links)
    kept = group
    if mode == "grouped":
        listed = _listed_folds(pictures, previous)
        old = _settled_folds(pictures, fixed, listed)
        leaves = _leaves_training(pictures, fixed, group, listed, old)
        kept, names = _groups(pictures, _links_without(leaves, links, pictures))
        folds = _grouped(pictures, kept, names, shares, np.where(leaves, EXCLUDED, old))
    else:
        old = np.full(len(pictures), "", dtype=object)
        folds = _by_source(pictures, shares, fixed, _prefix if mode == "random" else _dealt)
        if previous is not None:
            log.warning("partition_mode %r does not keep old folds: %s is not used", mode, previous)
    made = pictures[["image", "source"]].assign(group=names[kept], fold=folds)
    write_csv(out, made[list(COLUMNS)])
    write_csv(Path(out).with_name("split_links.csv"), link_table(made, links, group, old))
    say(made, pictures["boxes"], shares, fixed, mode)
    return made


def freeze(
    split_csv: PathLike,
    manifests: Mapping[str, PathLike],
    out: PathLike,
    originals: Mapping[str, PathLike] | None = None,
) -> pd.DataFrame:
    """Write the list to commit, so that old pictures keep their fold when pictures are added.

    Columns source, image, sha256, group, fold, sorted by source and image. ``sha256`` is of the pictures
    in ``originals``, else ``manifests``, by which a renamed picture is known again.

    Raises:
        UserError: a picture of the split stands in none of the manifests.
    """
    pictures = _identified(_manifests(manifests), originals or {})
    rows, known = read_split(split_csv), pictures[["source", "image", "sha256"]]
    merged = rows.merge(known, on=["source", "image"], how="left", validate="one_to_one")
    strangers = merged[merged["sha256"].isna()]
    if len(strangers):
        first = strangers.iloc[0]
        raise UserError(
            f"{len(strangers)} pictures of the split are in no manifest, the first is "
            f"{first['source']} {first['image']}",
            where=split_csv,
            remedy="Give the manifests that the split was made from.",
        )
    made = merged[list(FROZEN_COLUMNS)].sort_values(["source", "image"])
    write_csv(out, made)
    return made


def group_names(pictures: pd.DataFrame, threshold: int = duplicates.THRESHOLD) -> np.ndarray:
    """The group of each picture, as `split` makes them.

    Args:
        pictures: columns source, image, phash and mirrored (16 hex digits each), and group: the video that
            a picture is a frame of, "" for none.
        threshold: bits in which near-duplicates may differ, 0..63.

    Returns:
        (N,) names: source/stem of the group's first picture.
    """
    number, names = _groups(pictures, _links(pictures, threshold))
    return names[number]


def grouped_validation(
    pictures: pd.DataFrame, share: float, threshold: int = duplicates.THRESHOLD
) -> np.ndarray:
    """Which pictures of one source are for validation so that no group is torn: (N,) bool.

    ``share`` is in percent 0..100; pictures as in `group_names`, with one source.
    """
    number, names = _groups(pictures, _links(pictures, threshold))
    new = np.full(len(pictures), "", dtype=object)
    shares = _shares(pictures, share)
    return _grouped(pictures, number, names, shares, new) == VALIDATION


def _manifests(paths: Mapping[str, PathLike]) -> pd.DataFrame:
    if not paths:
        raise UserError("no manifest given", remedy="Give the manifest.csv of every resized source.")
    frames = []
    for source, path in paths.items():
        frame = manifest.read(path)
        others = set(frame["source"]) - {source}
        if others:
            raise UserError(f"holds the source {min(others)!r}, not {source!r}", where=path)
        if frame["image"].duplicated().any():
            raise UserError(
                f"{frame['image'][frame['image'].duplicated()].iloc[0]} appears twice", where=path
            )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True).sort_values(["source", "image"], ignore_index=True)


def _identified(pictures: pd.DataFrame, originals: Mapping[str, PathLike]) -> pd.DataFrame:
    """The pictures with the sha256 of what they were resized from; stems are unique within a source."""
    if not originals:
        return pictures
    before = _manifests(originals)
    stems = zip(before["source"], before["image"].map(lambda image: Path(image).stem), before["sha256"])
    hashes = {(source, stem): value for source, stem, value in stems}
    found = [hashes.get((row.source, Path(row.image).stem), row.sha256) for row in pictures.itertuples()]
    return pictures.assign(sha256=found)


def _read(paths: Mapping[str, PathLike]) -> pd.DataFrame:
    frame = _manifests(paths)
    mirrored = {source: read_mirrored(path) for source, path in paths.items()}
    turned = [mirrored[source].get(image, "") for source, image in zip(frame["source"], frame["image"])]
    return frame.assign(mirrored=turned)


def _shares(pictures: pd.DataFrame, share: float | Mapping[str, float]) -> dict[str, float]:
    sources = list(pictures["source"].unique())
    given = share if isinstance(share, Mapping) else dict.fromkeys(sources, share)
    _check_sources(given, sources)
    for source in sources:
        if source not in given:
            raise UserError(f"no validation share for the source {source!r}", allowed="0 to 100 percent")
        if not 0 <= given[source] <= 100:
            raise UserError(f"validation share {given[source]} of {source!r}", allowed="0 to 100 percent")
    return {source: float(given[source]) for source in sources}


def _checked_fixed(pictures: pd.DataFrame, fixed: Mapping[str, str]) -> dict[str, str]:
    _check_sources(fixed, list(pictures["source"].unique()))
    for source, fold in fixed.items():
        if fold not in (TRAINING, VALIDATION):
            raise UserError(f"no fold {fold!r} for the source {source!r}", allowed=(TRAINING, VALIDATION))
    return dict(fixed)


def _check_sources(given: Mapping[str, object], sources: list[str]) -> None:
    for source in given:
        if source not in sources:
            remedy = did_you_mean(source, sources) or None
            raise UserError(f"no source {source!r}", allowed=sources, remedy=remedy)


def _links(pictures: pd.DataFrame, threshold: int) -> pd.DataFrame:
    """Edges between rows of ``pictures``: columns i, j, by, bits."""
    plain = duplicates.parse(pictures["phash"], where="column phash of manifest.csv")
    turned = duplicates.parse(pictures["mirrored"], where="column phash of mirrored.csv")
    near = duplicates.near_pairs(plain, turned, threshold)
    looks = pd.DataFrame(near, columns=["i", "j", "bits", "by"])
    looks["by"] = looks["by"].map({0: "near-duplicate", 1: "mirrored near-duplicate"})
    return pd.concat([looks, _videos(pictures)], ignore_index=True)


def _videos(pictures: pd.DataFrame) -> pd.DataFrame:
    """Edges from the first of a video's frames to each other one; the index of ``pictures`` numbers rows."""
    frames = pictures[pictures["group"] != ""].reset_index(names="row")
    first = frames.groupby(["source", "group"])["row"].transform("first")
    videos = pd.DataFrame({"i": first, "j": frames["row"], "bits": -1, "by": "video"})
    return videos[videos["i"] != videos["j"]]


def _links_without(gone: np.ndarray, links: pd.DataFrame, pictures: pd.DataFrame) -> pd.DataFrame:
    """The edges that are left when some pictures, bool (N,), leave; a video's other frames stay joined."""
    i, j = (links[end].to_numpy(dtype=np.int64) for end in ("i", "j"))
    looks = links[~(gone[i] | gone[j]) & (links["by"] != "video").to_numpy()]
    return pd.concat([looks, _videos(pictures[~gone])], ignore_index=True)


def _groups(pictures: pd.DataFrame, links: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The number of each picture's group, and by number the name: its first picture, source/stem."""
    size = len(pictures)
    i, j = links["i"].to_numpy(dtype=np.int64), links["j"].to_numpy(dtype=np.int64)
    edges = coo_array((np.ones(len(links), dtype=np.int8), (i, j)), shape=(size, size))
    _, number = connected_components(edges, directed=False)
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    names = [f"{row.source}/{Path(row.image).stem}" for row in pictures.iloc[first].itertuples()]
    return number, np.array(names, dtype=object)


def _listed_folds(pictures: pd.DataFrame, previous: PathLike | None) -> np.ndarray:
    """The fold of each picture in the earlier list, "" for a new one."""
    if previous is None:
        return np.full(len(pictures), "", dtype=object)
    return _previous_folds(pictures, read_split(previous, FROZEN_COLUMNS))


def _settled_folds(pictures: pd.DataFrame, fixed: Mapping[str, str], listed: np.ndarray) -> np.ndarray:
    """The fold that a picture must keep, "" for none. A source's fixed fold goes before a listed one."""
    old = listed.copy()
    for source, fold in fixed.items():
        rows = (pictures["source"] == source).to_numpy()
        moved = int((rows & (old != "") & (old != fold)).sum())
        if moved:
            log.warning("%s: %d old pictures leave their fold, because the source is %s", source, moved, fold)
        old[rows] = fold
    return old


def _leaves_training(
    pictures: pd.DataFrame, fixed: Mapping[str, str], group: np.ndarray, listed: np.ndarray, old: np.ndarray
) -> np.ndarray:
    """Which training pictures are left out for the sake of a validation picture of their group: bool (N,)."""
    count = group.max(initial=-1) + 1
    validated = np.bincount(group[old == VALIDATION], minlength=count) > 0
    whole = pictures["source"].map(fixed).eq(VALIDATION).to_numpy()
    measured = np.bincount(group[whole], minlength=count) > 0
    return (old == TRAINING) & (measured[group] | (validated[group] & (listed != TRAINING)))


def _previous_folds(pictures: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Old folds by name and bytes, then by bytes (renamed), then by name (encoded anew)."""
    rows = rows.sort_values("fold")  # equal bytes in several folds count as excluded, else as training
    exact, by_bytes, by_name = {}, {}, {}
    for row in rows.itertuples():
        name = (row.source, Path(row.image).stem)
        exact[(*name, row.sha256)] = row.fold
        by_bytes.setdefault(row.sha256, row.fold)
        by_name.setdefault(name, row.fold)
    folds, renamed = [], 0
    for row in pictures.itertuples():
        name = (row.source, Path(row.image).stem)
        known = exact.get((*name, row.sha256))
        folds.append(known or by_bytes.get(row.sha256) or by_name.get(name, ""))
        renamed += known is None and folds[-1] != ""
    found = sum(fold != "" for fold in folds)
    log.info(
        "%d of %d pictures keep their fold, %d of them with another name or other bytes; the list has %d",
        found,
        len(folds),
        renamed,
        len(rows),
    )
    return np.array(folds, dtype=object)


def _grouped(
    pictures: pd.DataFrame, group: np.ndarray, names: np.ndarray, shares: dict[str, float], old: np.ndarray
) -> np.ndarray:
    held = {fold: np.bincount(group[old == fold], minlength=len(names)) > 0 for fold in FOLDS}
    torn = held[TRAINING] & held[VALIDATION]
    free = ~(held[TRAINING] | held[VALIDATION] | held[EXCLUDED])
    follows = np.where(held[VALIDATION] & ~torn, VALIDATION, TRAINING).astype(object)
    folds = np.where(old == "", follows[group], old)
    folds[torn[group] & (old == VALIDATION)] = EXCLUDED
    sources, source = np.unique(pictures["source"], return_inverse=True)
    counts = np.zeros((len(names), len(sources)), dtype=np.int64)
    np.add.at(counts, (group, source), 1)
    evaluated = np.bincount(source[folds != EXCLUDED], minlength=len(sources))
    wanted = evaluated * np.array([shares[name] for name in sources]) / 100
    wanted -= np.bincount(source[folds == VALIDATION], minlength=len(sources))
    settled = counts[~free].sum(axis=0) == counts.sum(axis=0)
    chosen = np.zeros(len(names), dtype=bool)
    chosen[free] = deal(names[free], counts[free], np.where(settled, np.nan, wanted), SEED)
    folds[chosen[group]] = VALIDATION
    return folds


def _by_source(
    pictures: pd.DataFrame,
    shares: dict[str, float],
    fixed: Mapping[str, str],
    choose: Callable[[pd.DataFrame, float], np.ndarray],
) -> np.ndarray:
    folds = pd.Series(TRAINING, index=pictures.index, dtype=object)
    for source, rows in pictures.groupby("source"):
        if source in fixed:
            folds[rows.index] = fixed[source]
        else:
            folds[rows.index[choose(rows, shares[source])]] = VALIDATION
    return folds.to_numpy()


def _prefix(rows: pd.DataFrame, percent: float) -> np.ndarray:
    """NVIDIA's ``random``: the first of the sorted names."""
    return np.arange(len(rows)) < prefix_length(percent, len(rows))


def _dealt(rows: pd.DataFrame, _percent: float) -> np.ndarray:
    """NVIDIA's ``sequence`` with two partitions: the longest videos first, dealt in turn, lists swapped.

    The first, third, ... longest go to training, the others to validation; a picture without a video
    is a sequence of its own.
    """
    names = rows["group"].where(rows["group"] != "", rows["image"])
    sizes = names.value_counts()
    ordered = sorted(sizes.index, key=lambda name: (-sizes[name], name))
    return names.isin(ordered[1::2]).to_numpy()
