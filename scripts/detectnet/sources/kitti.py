"""KITTI: one text file per picture with 15 columns; also what the rendered scenes come as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detectnet.data.kitti import parse_label
from detectnet.sources.base import Found, Object, Parsed, check_options, per_picture


def read_kitti(raw_dir: Path, options: dict) -> Iterator[Found]:
    """Pictures with KITTI labels; where the options name no folders, ``images`` and ``labels``.

    Options: ``images``, ``annotations``, ``ignore_size``.
    """
    check_options(options, "kitti")
    yield from per_picture(raw_dir, options, parse_kitti, ".txt", "images", "labels")


def parse_kitti(path: Path) -> Parsed:
    """Read one label file; a line that is no label is a problem of that line only."""
    objects, problems, lost = [], [], []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            label = parse_label(line)
        except ValueError as error:
            problems.append((number, "not a label line", str(error)))
            lost.append(line.split()[0])
            continue
        objects.append(Object(label.name, label.box, number, label.truncation, label.occlusion))
    return Parsed(tuple(objects), tuple(problems), lost=tuple(lost))
