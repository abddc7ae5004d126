"""The stage that resizes a KITTI source to the network's input, pictures and labels together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from detectnet.data import boxes as box_math
from detectnet.data import dropped, kitti, manifest, pictures
from detectnet.data.dropped import Drop
from detectnet.data.hashes import reduced_hash
from detectnet.data.letterbox import Letterbox, letterbox
from detectnet.data.workers import every
from detectnet.errors import UserError
from detectnet.files import PathLike, sha256, write_csv
from detectnet.logs import log

MIRRORED = "mirrored.csv"
UNREADABLE = "picture or label file cannot be read"
TOO_SMALL = "under 1 pixel after scaling"


@dataclass(frozen=True)
class _Task:
    row: dict
    picture: Path
    labels: Path
    out_dir: Path
    net_width: int
    net_height: int


@dataclass(frozen=True)
class _Done:
    row: dict | None
    mirrored: str
    dropped: list[Drop]


def letterbox_source(
    kitti_manifest: PathLike,
    out_dir: PathLike,
    net_width: int,
    net_height: int,
    workers: int | None = None,
) -> pd.DataFrame:
    """Resize every picture of a KITTI source and move its labels with it.

    Writes ``images/<stem>.jpg`` (quality 95, always ``net_width`` x ``net_height`` pixels),
    ``labels/<stem>.txt`` (pixels of the new picture, cut to it), ``manifest.csv`` (``phash`` and ``group``
    as they were, ``sha256`` of the new file), ``mirrored.csv`` (image, phash: the perceptual hash of the
    *mirrored* original, for the split) and ``dropped.csv`` (file, line, reason, detail: unreadable
    pictures with no line, boxes under 1 pixel with their number in the label file). Everything is
    written anew, what no row names is removed, and the bytes do not depend on ``workers`` (None: every
    core).

    Returns:
        the new manifest.

    Raises:
        UserError: two pictures share a stem, or no picture could be read.
    """
    source_dir, out = Path(kitti_manifest).parent, Path(out_dir)
    rows = manifest.read(kitti_manifest)
    _check_stems(rows["image"], kitti_manifest)
    _clear(out)
    tasks = [
        _Task(row, source_dir / row["image"], source_dir / row["label"], out, net_width, net_height)
        for row in rows.to_dict("records")
    ]
    done = list(every(_resize, tasks, workers=workers, what=f"resizing {out.name}"))
    drops = [drop for one in done for drop in one.dropped]
    kept = [one for one in done if one.row is not None]
    if tasks and not kept:
        raise UserError(
            "not one picture could be read",
            where=kitti_manifest,
            remedy=f"The first: {drops[0].detail}.",
        )
    dropped.write(out / "dropped.csv", drops)
    hashes = [{"image": one.row["image"], "phash": one.mirrored} for one in kept]
    write_csv(out / MIRRORED, pd.DataFrame(hashes, columns=["image", "phash"]).sort_values("image"))
    made = pd.DataFrame([one.row for one in kept], columns=list(manifest.COLUMNS))
    _remove_strangers(out, {*made["image"], *made["label"]})
    manifest.write(out / "manifest.csv", made)
    _say(out, len(tasks), len(kept), drops)
    return made


def read_mirrored(resized_manifest: PathLike) -> dict[str, str]:
    """The hash of every picture's mirror image, by ``image``, from beside a resized manifest.

    Raises:
        UserError: `letterbox_source` has not written the table there.
    """
    path = Path(resized_manifest).with_name(MIRRORED)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise UserError(
            "the hashes of the mirrored pictures are missing",
            where=path,
            remedy="Resize the source again with letterbox_pictures.py, which writes them.",
        ) from error
    return dict(zip(table["image"], table["phash"], strict=True))


def _resize(task: _Task) -> _Done:
    cv2.setNumThreads(1)  # the processes share the cores already
    try:
        rgb = pictures.load(task.picture)
        labels = kitti.read_labels(task.labels)
    except UserError as error:
        return _Done(None, "", [Drop(task.row["image"], "", UNREADABLE, error.what)])
    padded, geometry = letterbox(rgb, task.net_width, task.net_height)
    moved, drops = _move(task, labels, geometry)
    stem = Path(task.row["image"]).stem
    image, label = f"images/{stem}.jpg", f"labels/{stem}.txt"
    pictures.save_jpeg(task.out_dir / image, padded)
    kitti.write_labels(task.out_dir / label, moved)
    made = {
        "image": image,
        "label": label,
        "width": task.net_width,
        "height": task.net_height,
        "sha256": sha256(task.out_dir / image),
        "boxes": len(moved),
    }
    return _Done(task.row | made, reduced_hash(rgb, mirrored=True), drops)


def _move(
    task: _Task, labels: list[kitti.Label], geometry: Letterbox
) -> tuple[list[kitti.Label], list[Drop]]:
    if not labels:
        return [], []
    scaled = geometry.forward(np.array([label.box for label in labels], dtype=np.float64))
    scaled = box_math.clip(scaled, geometry.width, geometry.height)
    large = box_math.valid(scaled, minimum=1.0)
    moved = [
        replace(label, box=tuple(map(float, box)))
        for label, box, keep in zip(labels, scaled, large, strict=True)
        if keep
    ]
    return moved, [
        Drop(task.row["label"], index + 1, TOO_SMALL, _named(labels[index]))
        for index in np.flatnonzero(~large).tolist()
    ]


def _named(label: kitti.Label) -> str:
    return " ".join([label.name, *(f"{value:g}" for value in label.box)])


def _check_stems(images: Iterable[str], where: object) -> None:
    seen: dict[str, str] = {}
    for image in images:
        other = seen.setdefault(Path(image).stem, image)
        if other != image:
            raise UserError(
                f"'{other}' and '{image}' would both become 'images/{Path(image).stem}.jpg'",
                where=where,
                remedy="Give one of them another name.",
            )


def _clear(out: Path) -> None:
    """Folders to write to, and no manifest: while it is missing, nothing looks finished."""
    (out / "manifest.csv").unlink(missing_ok=True)
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)


def _remove_strangers(out: Path, names: set[str]) -> None:
    """Remove what an earlier run left of pictures that are no longer there or can no longer be read."""
    for folder in ("images", "labels"):
        for path in (out / folder).iterdir():
            if f"{folder}/{path.name}" not in names:
                path.unlink()


def _say(out: Path, wanted: int, kept: int, drops: list[Drop]) -> None:
    log.info("%s: resized %d of %d pictures", out.name, kept, wanted)
    for drop in [drop for drop in drops if drop.reason == UNREADABLE][:10]:
        log.warning("%s: left out %s: %s", out.name, drop.file, drop.detail)
    if drops:
        pictures_lost = wanted - kept
        boxes_lost = len(drops) - pictures_lost
        log.warning(
            "%s: left out %d pictures and %d boxes, all in dropped.csv", out.name, pictures_lost, boxes_lost
        )
