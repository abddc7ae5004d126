"""One picture of a source to one picture and label of a KITTI folder; runs in worker processes."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from detectnet.data import kitti, pictures
from detectnet.data.dropped import Drop
from detectnet.errors import UserError
from detectnet.files import atomic_path, printable, sha256
from detectnet.sources.base import Annotated, Box, Object
from detectnet.sources.tidy import TURNED, as_shown, fit

EVERY_CLASS = "*"


@dataclass(frozen=True)
class Job:
    """A picture with its annotation, and the names that it gets."""

    annotated: Annotated
    stem: str
    group: str


@dataclass(frozen=True)
class Setting:
    """What all pictures of a source share; ``classes`` maps lower-case names of the source."""

    source: str
    raw_dir: Path
    out_dir: Path
    classes: dict[str, str]
    keep_unlabelled: bool


@dataclass
class Outcome:
    """What became of a picture: its row of the manifest (None when dropped), and what is to be told."""

    row: dict | None = None
    drops: list[Drop] = field(default_factory=list)
    kept: Counter = field(default_factory=Counter)
    mended: Counter = field(default_factory=Counter)


def standardise(job: Job, setting: Setting) -> Outcome:
    """Write the picture and its label, or say why not.

    A plain 8-bit RGB JPEG or PNG is copied byte for byte (with the suffix of what it is); everything else
    is decoded, turned as shown, and written as JPEG of quality 95.
    """
    outcome = Outcome()
    annotated = job.annotated
    if not annotated.labelled and not setting.keep_unlabelled:
        outcome.drops.append(Drop(printable(annotated.picture), "", "no annotation", ""))
        return outcome
    try:
        picture = _whole(setting.raw_dir / annotated.picture)
    except UserError as error:
        outcome.drops.append(Drop(printable(annotated.picture), "", "unreadable picture", error.what))
        return outcome
    if mismatch := _size_mismatch(annotated, picture):
        outcome.drops.append(Drop(printable(annotated.picture), "", "size differs from annotation", mismatch))
        return outcome
    labels, lost = _labels(annotated, picture, setting.classes, outcome)
    if lost and not labels:  # what may show a plate must not be trained as background
        detail = f"of a wanted class, but malformed: {', '.join(lost)}"
        outcome.drops.append(Drop(printable(annotated.picture), "", "its only boxes are malformed", detail))
        return outcome
    image = setting.out_dir / "images" / f"{job.stem}{picture.suffix or '.jpg'}"
    rgb = _write(setting.raw_dir / annotated.picture, picture, image, outcome)
    label = setting.out_dir / "labels" / f"{job.stem}.txt"
    kitti.write_labels(label, labels)
    outcome.row = _row(image, label, rgb, job, setting, len(labels))
    return outcome


def _whole(path: Path) -> pictures.Picture:
    picture = pictures.inspect(path)
    complaint = pictures.jpeg_damage(path.read_bytes()) if picture.format == "JPEG" else ""
    if complaint:
        raise UserError(f"not a whole picture ({complaint})", where=path)
    return picture


def _shown(picture: pictures.Picture) -> tuple[int, int]:
    height, width = picture.rgb.shape[:2]
    return width, height


def _turned(annotated: Annotated, picture: pictures.Picture) -> bool:
    """Whether the boxes were drawn on the stored picture and not on the picture as shown."""
    stored = picture.orientation in TURNED and annotated.size == picture.stored
    return stored and annotated.size != _shown(picture)


def _size_mismatch(annotated: Annotated, picture: pictures.Picture) -> str:
    """What is wrong when the annotation claims a size that is neither the stored nor the shown one."""
    if annotated.size in (None, _shown(picture)) or _turned(annotated, picture):
        return ""
    return "the annotation says {}x{}, the picture has {}x{}".format(*annotated.size, *_shown(picture))


def _labels(
    annotated: Annotated, picture: pictures.Picture, classes: dict[str, str], outcome: Outcome
) -> tuple[list[kitti.Label], list[str]]:
    """The labels of a picture, and the names of objects of wanted classes that gave none."""
    labels: list[kitti.Label] = []
    lost = [name or "unknown" for name in annotated.lost if _target(name, classes) or (classes and not name)]
    for one in annotated.objects:
        name = _target(one.name, classes)
        if name is None:
            outcome.drops.append(Drop(annotated.annotation, one.line, "class not wanted", one.name))
            continue
        box, notes = fit(_box(one, annotated, picture), *_shown(picture))
        if box is None:
            lost.append(one.name)
            corners = ", ".join(f"{value:g}" for value in one.box)
            outcome.drops.append(Drop(annotated.annotation, one.line, notes[0], f"{one.name}: {corners}"))
            continue
        label = kitti.Label(name, one.truncation, one.occlusion, box=box)
        if label in labels:
            outcome.drops.append(Drop(annotated.annotation, one.line, "box given twice", one.name))
            continue
        labels.append(label)
        outcome.kept[f"{one.name} -> {name}"] += 1
        outcome.mended.update(f"boxes {note}" for note in notes)
    return labels, lost


def _target(name: str, classes: dict[str, str]) -> str | None:
    """The detector's class of a class of the source, None for one that is not wanted."""
    return classes.get(name.strip().lower(), classes.get(EVERY_CLASS))


def _box(one: Object, annotated: Annotated, picture: pictures.Picture) -> Box:
    """The box in pixels of the picture as shown."""
    width, height = _shown(picture)
    if annotated.relative:
        x1, y1, x2, y2 = one.box
        return x1 * width, y1 * height, x2 * width, y2 * height
    if _turned(annotated, picture):
        return as_shown(one.box, picture.stored, picture.orientation)
    return one.box


def _write(source: Path, picture: pictures.Picture, image: Path, outcome: Outcome) -> np.ndarray:
    """Write the picture; returns uint8 RGB (height, width, 3) as it can be read from there."""
    if picture.suffix:
        with atomic_path(image) as temporary:
            shutil.copyfile(source, temporary)
        return picture.rgb
    outcome.mended["pictures re-encoded"] += 1
    pictures.save_jpeg(image, picture.rgb)
    return pictures.load(image)


def _row(image: Path, label: Path, rgb: np.ndarray, job: Job, setting: Setting, boxes: int) -> dict:
    height, width = rgb.shape[:2]
    return {
        "image": f"images/{image.name}",
        "label": f"labels/{label.name}",
        "width": width,
        "height": height,
        "sha256": sha256(image),
        "phash": str(imagehash.phash(Image.fromarray(rgb))),
        "group": job.group,
        "source": setting.source,
        "boxes": boxes,
    }
