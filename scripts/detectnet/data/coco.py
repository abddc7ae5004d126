"""COCO files, read whole and checked: what is wrong in one is named with its entry."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from detectnet.data.kitti import Box
from detectnet.errors import UserError
from detectnet.files import PathLike

Entry = dict[str, Any]
Id = int | float | str

_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {  # list -> field that every entry needs -> its types
    "images": {"id": (int, float, str), "file_name": (str,)},
    "categories": {"id": (int, float, str), "name": (str, int, float)},
    "annotations": {},
}
_OPTIONAL: dict[str, dict[str, tuple[type, ...]]] = {
    "images": {"width": (int, float), "height": (int, float)},
    "categories": {},
    "annotations": {
        "id": (int, float, str),
        "image_id": (int, float, str),
        "category_id": (int, float, str),
    },
}
_WORDS = {int: "a number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class CocoFile:
    """A COCO file.

    ``images`` are its entries in the file's order, ``names`` the categories by id, ``annotations`` those
    of each picture by the picture's id, ``loose`` those of pictures that it does not list.
    """

    images: list[Entry]
    names: dict[Id, str]
    annotations: dict[Id, list[Entry]]
    loose: list[Entry]


def read_coco_file(path: PathLike, where: object = None) -> CocoFile:
    """Read a COCO file.

    Args:
        path: the JSON file.
        where: what to call it in an error; the path itself where absent.

    Raises:
        UserError: it cannot be read, is no JSON, or an entry lacks a field or holds one of another type;
            names the list and the number of the entry in it.
    """
    where = where or path
    content = _content(path, where)
    lists = {name: _entries(content, name, where) for name in _FIELDS}
    images = lists["images"]
    _check_ids(images, "images", where)
    _check_ids(lists["categories"], "categories", where)
    known = {image["id"] for image in images}
    by_image: dict[Id, list[Entry]] = defaultdict(list)
    loose: list[Entry] = []
    for one in lists["annotations"]:
        (by_image[one["image_id"]] if one.get("image_id") in known else loose).append(one)
    names = {one["id"]: str(one["name"]) for one in lists["categories"]}
    return CocoFile(images, names, dict(by_image), loose)


def box_of(annotation: Entry) -> Box:
    """Corners from ``bbox``, or around the polygons of ``segmentation`` where there is none, in pixels.

    Raises:
        ValueError: there is neither, or it does not hold the numbers that it should.
    """
    bbox, polygons = annotation.get("bbox"), annotation.get("segmentation")
    if bbox:
        x, y, width, height = _numbers(bbox, "bbox")
        return x, y, x + width, y + height
    values = [value for polygon in _list(polygons) for value in _numbers(polygon, "segmentation")]
    if not values or len(values) % 2:
        raise ValueError("neither bbox nor polygon")
    return min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2])


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _numbers(values: object, name: str) -> list[float]:
    try:
        numbers = [float(value) for value in _list(values)]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} holds something that is no number") from error
    if not numbers or (name == "bbox" and len(numbers) != 4):
        raise ValueError(f"{name} holds {len(numbers)} numbers")
    return numbers


def _content(path: PathLike, where: object) -> Entry:
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"the file cannot be read ({error.strerror})", where=where) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON ({error})", where=where) from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise UserError("not a COCO file: it has no list 'images' with 'id' and 'file_name'", where=where)
    return content


def _entries(content: Entry, name: str, where: object) -> list[Entry]:
    entries = content.get(name, [])
    if not isinstance(entries, list):
        raise UserError(f"'{name}' is no list", where=where)
    for index, one in enumerate(entries):
        if not isinstance(one, dict):
            raise UserError("the entry is no object with fields", where=f"{where} {name}[{index}]")
        for field, types in _FIELDS[name].items():
            if field not in one:
                raise UserError(f"the entry lacks '{field}'", where=f"{where} {name}[{index}]")
            _check_type(one[field], types, f"{where} {name}[{index}].{field}")
        for field, types in _OPTIONAL[name].items():
            if one.get(field) is not None:
                _check_type(one[field], types, f"{where} {name}[{index}].{field}")
    return entries


def _check_type(value: object, types: tuple[type, ...], where: str) -> None:
    finite = not isinstance(value, Real) or abs(value) < float("inf")
    if not isinstance(value, types) or isinstance(value, bool) or not finite:
        allowed = " or ".join(dict.fromkeys(_WORDS[one] for one in types))
        raise UserError(f"{value!r:.60} cannot stand here", where=where, allowed=allowed)


def _check_ids(entries: list[Entry], name: str, where: object) -> None:
    first: dict[Id, int] = {}
    for index, one in enumerate(entries):
        other = first.setdefault(one["id"], index)
        if other != index:
            raise UserError(
                f"has the id {one['id']!r} of {name}[{other}]",
                where=f"{where} {name}[{index}]",
                remedy="Ids must be unique: annotations point at them.",
            )
