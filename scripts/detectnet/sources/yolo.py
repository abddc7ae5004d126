"""YOLO: one text file per picture, a line per object in fractions of the picture; boxes or polygons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from detectnet.errors import UserError
from detectnet.sources.base import Box, Found, Object, Parsed, check_options, inside, per_picture

CLASS_FILE = "classes.txt"  # labelling tools put it among the labels


def read_yolo(raw_dir: Path, options: dict) -> Iterator[Found]:
    """Pictures with YOLO labels; where the options name no folders, ``images`` and ``labels``.

    Options: ``images``, ``annotations``, ``ignore_size``, and ``names``: the class names in order, or a map
    of number to name, or the YAML file of the data set (its ``names``) or a text file with a name a line.
    Without it the classes are called by their numbers, "0", "1" ...
    """
    check_options(options, "yolo")
    names = _names(raw_dir, options.get("names", {}))
    for found in per_picture(raw_dir, options, partial(parse_yolo, names=names), ".txt", "images", "labels"):
        if not getattr(found, "file", "").endswith(CLASS_FILE):
            yield found


def parse_yolo(path: Path, names: dict[str, str]) -> Parsed:
    """Read one label file; ``names`` maps the class number, as text, to a name."""
    objects, problems, lost = [], [], []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        key = fields[0].removesuffix(".0")
        name = names.get(key, key)
        try:
            box = _box([float(field) for field in fields[1:]])
        except ValueError as error:
            problems.append((number, "not a label line", str(error)))
            lost.append(name)
            continue
        objects.append(Object(name, box, number))
    return Parsed(tuple(objects), tuple(problems), relative=True, lost=tuple(lost))


def _box(values: list[float]) -> Box:
    """Corners from centre, width, height (and perhaps a confidence), or around a polygon."""
    if len(values) in (4, 5):
        x, y, width, height = values[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[0::2], values[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    raise ValueError(f"{len(values)} numbers after the class: neither a box (4) nor a polygon (6, 8, ...)")


def _names(raw_dir: Path, given: list | dict | str) -> dict[str, str]:
    if isinstance(given, str):
        given = _names_in(inside(raw_dir, given, "names"))
    if not isinstance(given, list | dict):
        raise UserError(
            f"{given!r} cannot be the class names",
            where="options.names",
            allowed="a list of names, a map of number to name, or the name of a file",
        )
    pairs = given.items() if isinstance(given, dict) else enumerate(given)
    return {str(key): str(name) for key, name in pairs}


def _names_in(path: Path) -> list | dict:
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML ({error})", where=path) from error
    names = content.get("names") if isinstance(content, dict) else None
    if not isinstance(names, list | dict):
        raise UserError("the file has no list or map 'names'", where=path)
    return names
