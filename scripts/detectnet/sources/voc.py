"""Pascal VOC: one XML file per picture, corners in pixels, whole or decimal."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from detectnet.errors import UserError
from detectnet.sources.base import Box, Found, Object, Parsed, check_options, per_picture

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(raw_dir: Path, options: dict) -> Iterator[Found]:
    """Pictures with VOC annotations.

    Options: ``images``, ``annotations``, ``ignore_size``, and ``origin``: 0 (default) where the corners are
    continuous pixels, 1 where they are the original VOC's, which number pixels from 1 and name the first
    and the last pixel *inside* the box (so x1 = xmin - 1, x2 = xmax).
    """
    check_options(options, "voc")
    origin = options.get("origin", 0)
    if origin not in (0, 1):
        raise UserError(f"origin is {origin!r}", where="options.origin", allowed=(0, 1))
    yield from per_picture(raw_dir, options, partial(parse_voc, origin=origin), ".xml")


def parse_voc(path: Path, origin: int = 0) -> Parsed:
    """Read one VOC file. Raises ValueError where it is no XML of that kind."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise ValueError(f"not valid XML ({error})") from error
    objects, problems, lost = [], [], []
    for number, element in enumerate(root.iter("object"), start=1):
        name = (element.findtext("name") or "").strip()
        try:
            box = _box(element, origin)
        except ValueError as error:
            problems.append((number, "no box", f"{name}: {error}"))
            lost.append(name)
            continue
        objects.append(Object(name, box, number, *_flags(element)))
    named = (root.findtext("filename") or "").strip()
    return Parsed(tuple(objects), tuple(problems), _size(root), named, lost=tuple(lost))


def _box(element: ElementTree.Element, origin: int) -> Box:
    corners = element.find("bndbox")
    if corners is None:
        raise ValueError("the object has no bndbox")
    x1, y1, x2, y2 = (_number(corners.findtext(name), name) for name in CORNERS)
    return x1 - origin, y1 - origin, x2, y2


def _number(text: str | None, name: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a number") from None


def _flags(element: ElementTree.Element) -> tuple[float, int]:
    """Truncation 0 or 1 and occlusion 0 or 1, where the file says so."""
    truncated, occluded = (
        (element.findtext(name) or "").strip() == "1" for name in ("truncated", "occluded")
    )
    return float(truncated), int(occluded)


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Width and height; tools that do not know them write 0 or nothing."""
    try:
        width, height = (int(float(root.findtext(f"size/{name}") or 0)) for name in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
