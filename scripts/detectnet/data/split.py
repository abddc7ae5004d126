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
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, write_csv
from detectnet.logs import log

LINK_COLUMNS = ("source", "image", "fold", "linked_source", "linked_image", "linked_fold", "by", "bits")
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
    training and its old validation pictures are ``excluded`` from evaluation; pictures of a source with a
    ``fixed`` fold count as old. All other groups are dealt so that each source comes as near to its share
    as whole groups allow. ``random`` is NVIDIA's sorted prefix and ``sequence`` NVIDIA's dealing of
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
    if mode == "grouped":
        old = _old_folds(pictures, fixed, previous)
        folds = _grouped(pictures, group, names, shares, old)
    else:
        old = np.full(len(pictures), "", dtype=object)
        folds = _by_source(pictures, shares, fixed, _prefix if mode == "random" else _dealt)
        if previous is not None:
            log.warning("partition_mode %r does not keep old folds: %s is not used", mode, previous)
    made = pictures[["image", "source"]].assign(group=names[group], fold=folds)
    write_csv(out, made[list(COLUMNS)])
    write_csv(Path(out).with_name("split_links.csv"), _link_table(made, links, group, old))
    _say(made, pictures, shares, fixed, mode)
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
    frames = pictures[pictures["group"] != ""].reset_index(names="row")
    first = frames.groupby(["source", "group"])["row"].transform("first")
    videos = pd.DataFrame({"i": first, "j": frames["row"], "bits": -1, "by": "video"})
    return pd.concat([looks, videos[videos["i"] != videos["j"]]], ignore_index=True)


def _groups(pictures: pd.DataFrame, links: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The number of each picture's group, and by number the name: its first picture, source/stem."""
    size = len(pictures)
    i, j = links["i"].to_numpy(dtype=np.int64), links["j"].to_numpy(dtype=np.int64)
    edges = coo_array((np.ones(len(links), dtype=np.int8), (i, j)), shape=(size, size))
    _, number = connected_components(edges, directed=False)
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    names = [f"{row.source}/{Path(row.image).stem}" for row in pictures.iloc[first].itertuples()]
    return number, np.array(names, dtype=object)


def _old_folds(pictures: pd.DataFrame, fixed: Mapping[str, str], previous: PathLike | None) -> np.ndarray:
    """The fold that a picture must keep, "" for a new one. A source's fixed fold goes before an old one."""
    old = np.full(len(pictures), "", dtype=object)
    if previous is not None:
        old = _previous_folds(pictures, read_split(previous, FROZEN_COLUMNS))
    for source, fold in fixed.items():
        rows = (pictures["source"] == source).to_numpy()
        moved = int((rows & (old != "") & (old != fold)).sum())
        if moved:
            log.warning("%s: %d old pictures leave their fold, because the source is %s", source, moved, fold)
        old[rows] = fold
    return old


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


def _link_table(made: pd.DataFrame, links: pd.DataFrame, group: np.ndarray, old: np.ndarray) -> pd.DataFrame:
    """The edges of groups that held old pictures of training and validation both."""
    count = group.max(initial=-1) + 1
    torn = np.ones(count, dtype=bool)
    for fold in (TRAINING, VALIDATION):
        torn &= np.bincount(group[old == fold], minlength=count) > 0
    edges = links[torn[group[links["i"].to_numpy(dtype=np.int64)]]] if count else links
    left = made.iloc[edges["i"]].reset_index(drop=True)
    right = made.iloc[edges["j"]].reset_index(drop=True).add_prefix("linked_")
    table = pd.concat([left, right, edges[["by", "bits"]].reset_index(drop=True)], axis=1)
    table["bits"] = table["bits"].astype(str).replace("-1", "")
    excluded = int((made["fold"].to_numpy() == EXCLUDED).sum() - (old == EXCLUDED).sum())
    if len(table):
        log.warning(
            "%d groups join pictures whose fold is settled, by an old list or for the whole source, and not "
            "the same; %d validation pictures leave the evaluation, their links are in split_links.csv",
            int(torn.sum()),
            excluded,
        )
    return table[list(LINK_COLUMNS)].sort_values(list(LINK_COLUMNS))


def _say(
    made: pd.DataFrame, pictures: pd.DataFrame, shares: dict[str, float], fixed: Mapping[str, str], mode: str
) -> None:
    rows = []
    for source, part in made.groupby("source"):
        evaluated = int((part["fold"] != EXCLUDED).sum())
        validation = int((part["fold"] == VALIDATION).sum())
        wanted = f"all {fixed[source]}" if source in fixed else f"{shares[source]:.1f} %"
        rows.append(
            {
                "source": source,
                "pictures": len(part),
                "plates": int(pictures["boxes"][part.index].sum()),
                "groups": part["group"].nunique(),
                "validation": validation,
                "excluded": len(part) - evaluated,
                "wanted": "videos dealt" if mode == "sequence" and source not in fixed else wanted,
                "got": f"{100 * validation / max(evaluated, 1):.1f} %",
            }
        )
    log.info("%s", pd.DataFrame(rows).to_string(index=False))
    largest = made["group"].value_counts()
    log.info("%d groups, the largest holds %d pictures", len(largest), int(largest.iloc[0]))
    _warn_of_leaks(made)


def _warn_of_leaks(made: pd.DataFrame) -> None:
    used = made[made["fold"] != EXCLUDED]
    torn = used.groupby("group")["fold"].transform("nunique") > 1
    leaking = used[torn & (used["fold"] == VALIDATION)]
    if len(leaking):
        log.warning(
            "this split leaks: %d of %d validation pictures have a near-duplicate or a frame of their video "
            "in training (%d groups); partition_mode 'grouped' would not",
            len(leaking),
            int((used["fold"] == VALIDATION).sum()),
            leaking["group"].nunique(),
        )
