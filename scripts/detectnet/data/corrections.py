"""Reviewed corrections of labels: a CSV that is applied to the training fold while records are packed.

One row a correction, boxes in pixels of the *original* picture (those of the KITTI stage):

    source,image,action,class,x1,y1,x2,y2,new_x1,new_y1,new_x2,new_y2,note

``add`` labels an object, ``remove`` takes a label away, ``move`` gives it the new box, ``ignore`` marks a
region that training shall neither call an object nor background (an object of the class ``dontcare``), and
``drop`` leaves the whole picture out. Validation labels never change: they are the yardstick.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from detectnet.data import boxes as box_math
from detectnet.data import kitti, manifest
from detectnet.data.folds import TRAINING, read_split
from detectnet.data.letterbox import letterbox_geometry
from detectnet.data.samples import Picture
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, sha256
from detectnet.logs import log

CORNERS = ("x1", "y1", "x2", "y2")
NEW_CORNERS = tuple(f"new_{name}" for name in CORNERS)
COLUMNS = ("source", "image", "action", "class", *CORNERS, *NEW_CORNERS, "note")
DONTCARE = "dontcare"
SAME = 0.9
"""The IoU from which a row's box is the label that it names: boxes in a file are rounded."""
LABELLED = 0.5
"""The IoU with a label from which an added object is there already."""
_NO_FOLD = "none"
# What an action needs of a row: a class, the box, the new box.
_NEEDS = {
    "add": (True, True, False),
    "remove": (True, True, False),
    "move": (True, True, True),
    "ignore": (False, True, False),
    "drop": (False, False, False),
}
ACTIONS = tuple(_NEEDS)


@dataclass(frozen=True)
class Correction:
    """One row.

    Attributes:
        source, image: the picture, as the manifest of the KITTI stage names it.
        action: one of `ACTIONS`.
        name: class, lower case; empty for ``ignore`` and ``drop``.
        box, new_box: x1, y1, x2, y2 in pixels of the original picture; None where the action has none.
        where: file and line.
    """

    source: str
    image: str
    action: str
    name: str
    box: kitti.Box | None
    new_box: kitti.Box | None
    where: str


@dataclass(frozen=True)
class Corrections:
    """The corrections of one source.

    Attributes:
        file: the CSV. sha256: hex, of its bytes.
        rows: those that apply, by ``frame_id`` (``images/<stem>``), all of training pictures.
        skipped: number of rows by the fold of their picture, all other than training.
        sizes: width and height of every original picture, pixels, by ``frame_id``.
    """

    file: Path
    sha256: str
    rows: dict[str, tuple[Correction, ...]]
    skipped: dict[str, int]
    sizes: dict[str, tuple[int, int]]

    def applied_to(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The training pictures of the source with corrected labels, dropped ones left out, order kept.

        Raises:
            UserError: a row matches no label or adds one that is there, names no picture of these, or its
                box is not in its picture; all with file and line.
        """
        absent = sorted(set(self.rows) - {picture.frame_id for picture in pictures})
        if absent:
            raise UserError(
                f"the picture {absent[0]!r} is not among the resized ones",
                where=self.rows[absent[0]][0].where,
                remedy="Make the split again from the present manifests.",
            )
        made = [self._corrected(picture) for picture in pictures]
        return [picture for picture in made if picture is not None]

    def _corrected(self, picture: Picture) -> Picture | None:
        rows = self.rows.get(picture.frame_id)
        if rows is None:
            return picture
        if any(row.action == "drop" for row in rows):
            return None
        scaled = [self._scaled(row, picture) for row in rows]
        return replace(picture, given=tuple(_edited(picture.labels(), scaled)))

    def _scaled(self, row: Correction, picture: Picture) -> Correction:
        """The row with its boxes in pixels of the resized picture, cut to it."""
        size = self.sizes[picture.frame_id]
        geometry = letterbox_geometry(*size, picture.width, picture.height)

        def moved(box: kitti.Box | None) -> kitti.Box | None:
            if box is None:
                return None
            scaled = box_math.clip(geometry.forward(np.array(box)), geometry.width, geometry.height)
            if not box_math.valid(scaled, minimum=1.0):
                raise UserError(
                    "the box spans less than a pixel of the resized picture",
                    where=row.where,
                    allowed=f"boxes in the {size[0]} x {size[1]} pixels of the original picture",
                )
            return tuple(map(float, scaled))

        return replace(row, box=moved(row.box), new_box=moved(row.new_box))

    def summary(self) -> dict:
        """What was applied and what was not, for the provenance of the records."""
        applied = Counter(row.action for rows in self.rows.values() for row in rows)
        return {
            "file": self.file.as_posix(),
            "sha256": self.sha256,
            "applied": dict(sorted(applied.items())),
            "pictures": len(self.rows),
            "skipped_by_fold": self.skipped,
        }


def load(path: PathLike, kitti_manifest: PathLike, split_csv: PathLike, source: str) -> Corrections:
    """The corrections of one source, those of its training fold to apply.

    Args:
        path: the CSV.
        kitti_manifest: ``manifest.csv`` of the source before it was resized: names and sizes.
        split_csv: ``split.csv``. Rows of pictures outside the training fold are counted and skipped; rows of
            sources that the run does not have are skipped with a warning.
        source: name of the source.

    Raises:
        UserError: as `read` raises, or the source has no such picture.
    """
    originals, split = manifest.read(kitti_manifest), read_split(split_csv)
    every = read(path)
    _warn_of_others(every, {*split["source"], source}, path)
    known = set(originals["image"])
    rows = [row for row in every if row.source == source]
    for row in rows:
        if row.image not in known:
            raise UserError(
                f"the source {source!r} has no picture {row.image!r}",
                where=row.where,
                remedy=did_you_mean(row.image, known) or f"The names are those of {kitti_manifest}.",
            )
    own = split[split["source"] == source]
    folds = {_frame_id(image): fold for image, fold in zip(own["image"], own["fold"], strict=True)}
    apply, skipped = defaultdict(list), Counter()
    for row in rows:
        fold = folds.get(_frame_id(row.image), _NO_FOLD)
        if fold == TRAINING:
            apply[_frame_id(row.image)].append(row)
        else:
            skipped[fold] += 1
    _say(source, apply, skipped)
    sizes = {_frame_id(one.image): (one.width, one.height) for one in originals.itertuples()}
    chosen = {frame_id: tuple(apply[frame_id]) for frame_id in sorted(apply)}
    return Corrections(Path(path), sha256(path), chosen, dict(sorted(skipped.items())), sizes)


def read(path: PathLike) -> list[Correction]:
    """All rows of a corrections file, in its order.

    Raises:
        UserError: the file is missing or no CSV, lacks a column or has an unknown one, or a row has an
            unknown action, lacks what its action needs, has what it does not use, or a box that is none.
    """
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8", skip_blank_lines=False, index_col=False
        )
    except FileNotFoundError as error:
        raise UserError("the corrections do not exist", where=path) from error
    except ValueError as error:  # pandas' parser and encoding errors all derive from it
        raise UserError(f"not a table of corrections ({error})", where=path, allowed=COLUMNS) from error
    wrong = [name for name in COLUMNS if name not in frame] + [name for name in frame if name not in COLUMNS]
    if wrong:
        said = "missing" if wrong[0] in COLUMNS else "unknown"
        raise UserError(f"the column {wrong[0]!r} is {said}", where=f"{path}:1", allowed=COLUMNS)
    return [
        _correction(row, f"{path}:{number}") for number, row in enumerate(frame.to_dict("records"), start=2)
    ]


def _correction(row: dict[str, str], where: str) -> Correction:
    action, name = row["action"], row["class"].lower()
    if action not in ACTIONS:
        raise UserError(
            f"no action {action!r}",
            where=where,
            allowed=ACTIONS,
            remedy=did_you_mean(action, ACTIONS) or None,
        )
    class_wanted, *boxes_wanted = _NEEDS[action]
    if bool(name) != class_wanted:
        raise UserError(f"{action} {'needs a' if class_wanted else 'has no'} class", where=where)
    boxes = [
        _box(row, corners, action, wanted, where)
        for corners, wanted in zip((CORNERS, NEW_CORNERS), boxes_wanted, strict=True)
    ]
    return Correction(row["source"], row["image"], action, name, *boxes, where)


def _box(
    row: dict[str, str], corners: Sequence[str], action: str, wanted: bool, where: str
) -> kitti.Box | None:
    texts = [row[name] for name in corners]
    if not wanted and not any(texts):
        return None
    if not wanted:
        raise UserError(f"{action} has no {corners[0]} to {corners[3]}", where=where)
    try:
        box = tuple(map(float, texts))
    except ValueError as error:
        raise UserError(f"{action} needs {', '.join(corners)}, all numbers ({error})", where=where) from error
    if not box_math.valid(np.array(box)):
        raise UserError(f"the box {' '.join(texts)} has no extent", where=where, allowed="x1 < x2, y1 < y2")
    return box


def _edited(labels: list[kitti.Label], rows: Sequence[Correction]) -> list[kitti.Label]:
    """Labels after the rows, which are in the labels' pixels: first what goes and moves, then what comes."""
    made: list[kitti.Label | None] = list(labels)
    for row in rows:
        if row.action in ("remove", "move"):
            index = _matching(labels, made, row)
            made[index] = replace(labels[index], box=row.new_box) if row.action == "move" else None
    kept = [label for label in made if label is not None]
    for row in rows:
        if row.action == "add":
            _check_new(kept, row)
            kept.append(kitti.Label(row.name, box=row.box))
        elif row.action == "ignore":
            kept.append(kitti.Label(DONTCARE, box=row.box))
    return kept


def _matching(labels: list[kitti.Label], made: list[kitti.Label | None], row: Correction) -> int:
    """Index of the label that a row means; each label can be meant once."""
    overlap = _overlaps(labels, row)
    overlap[[one is not label for one, label in zip(made, labels, strict=True)]] = 0
    if overlap.max(initial=0) < SAME:
        raise UserError(
            f"no label {row.name!r} of {row.image!r} has an IoU of {SAME:g} or more with the box: "
            f"the best has {overlap.max(initial=0):.2f}",
            where=row.where,
            remedy="Take the box from the label file of the KITTI stage; a label can be named once.",
        )
    return int(overlap.argmax())


def _check_new(labels: list[kitti.Label], row: Correction) -> None:
    overlap = _overlaps(labels, row).max(initial=0)
    if overlap >= LABELLED:
        raise UserError(
            f"there is a label {row.name!r} already, with an IoU of {overlap:.2f}",
            where=row.where,
            remedy="Move the label instead of adding another one.",
        )


def _overlaps(labels: list[kitti.Label], row: Correction) -> np.ndarray:
    """IoU of the row's box with every label, 0 with those of other classes."""
    same = np.array([label.name == row.name for label in labels], dtype=bool)
    return box_math.iou(np.array([row.box]), np.array([label.box for label in labels]))[0] * same


def _frame_id(image: str) -> str:
    return Path(image).with_suffix("").as_posix()


def _warn_of_others(rows: Sequence[Correction], sources: set[str], path: PathLike) -> None:
    others = Counter(row.source for row in rows if row.source not in sources)
    if others:
        listed = ", ".join(f"{count} of {name!r}" for name, count in sorted(others.items()))
        log.warning("%s: skipped corrections of sources that this run does not have: %s", path, listed)


def _say(source: str, apply: dict[str, list[Correction]], skipped: Counter) -> None:
    actions = Counter(row.action for rows in apply.values() for row in rows)
    listed = ", ".join(f"{count} {action}" for action, count in sorted(actions.items())) or "none"
    log.info("%s: corrections of %d training pictures: %s", source, len(apply), listed)
    for fold, count in sorted(skipped.items()):
        log.info("%s: skipped %d corrections of pictures in the fold '%s'", source, count, fold)
