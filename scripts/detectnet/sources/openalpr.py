"""OpenALPR benchmarks: a text file beside each picture; tabs between file, x, y, width, height, text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detectnet.sources.base import Found, Object, Parsed, check_options, per_picture

CLASS = "plate"
FIELDS = 5


def read_openalpr(raw_dir: Path, options: dict) -> Iterator[Found]:
    """Pictures with OpenALPR labels; every object is of class "plate", the text on it is not used.

    Options: ``images``, ``annotations``, ``ignore_size``.
    """
    check_options(options, "openalpr")
    yield from per_picture(raw_dir, options, parse_openalpr, ".txt")


def parse_openalpr(path: Path) -> Parsed:
    """Read one label file. Plate texts need not be UTF-8; file names keep their bytes."""
    objects, problems, named = [], [], ""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        try:
            x, y, width, height = map(float, fields[1:FIELDS])
        except ValueError:
            problems.append(
                (number, "not a label line", "needs file, x, y, width, height and text between tabs")
            )
            continue
        named = named or fields[0].strip()
        objects.append(Object(CLASS, (x, y, x + width, y + height), number))
    return Parsed(tuple(objects), tuple(problems), named=named, lost=(CLASS,) * len(problems))
