"""KITTI text files: 15 columns for labels, 16 (a confidence at the end) for detections."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from detectnet.errors import UserError
from detectnet.files import PathLike, write_text

LABEL_COLUMNS = 15
DETECTION_COLUMNS = 16
Box = tuple[float, float, float, float]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Label:
    """One labelled object; the fields stand in the order of the columns.

    ``box`` is x1, y1, x2, y2 in continuous pixels of the picture, 0-based, width = x2 - x1.
    ``h, w, l, x, y, z`` are metres and ``alpha``, ``rotation`` radians; a 2-D detector leaves them 0.
    """

    name: str
    truncation: float = 0.0
    occlusion: int = 0
    alpha: float = 0.0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    h: float = 0.0
    w: float = 0.0
    l: float = 0.0  # noqa: E741 - KITTI's name of the column
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    rotation: float = 0.0


def parse_label(line: str) -> Label:
    """Read one line of a label file; the class name becomes lower case.

    Raises:
        ValueError: not exactly 15 columns, a column that is no number, or a box that is not finite.
    """
    name, numbers = _fields(line, LABEL_COLUMNS)
    truncation, occlusion, alpha, x1, y1, x2, y2, *solid = numbers
    return Label(name, truncation, int(occlusion), alpha, (x1, y1, x2, y2), *solid)


def read_labels(path: PathLike) -> list[Label]:
    """Read a label file; blank lines are skipped, an empty file has no objects.

    Raises:
        UserError: the file cannot be read, or a line is no label (named with its number).
    """
    return [_parsed(parse_label, path, number, line) for number, line in _lines(path)]


def read_class_names(path: PathLike) -> set[str]:
    """The class names of a label file as it writes them, in any case; raises as `read_labels`."""
    return {line.split()[0] for _, line in _lines(path)}


def write_labels(path: PathLike, labels: Iterable[Label]) -> None:
    """Write a label file atomically: lower-case names, numbers that read back exactly."""
    write_text(path, "".join(_label_line(label) + "\n" for label in labels))


def write_detections(
    path: PathLike, names: Sequence[str], boxes: np.ndarray, confidences: Sequence[float] | np.ndarray
) -> None:
    """Write detections in 16 columns with 3 decimals, as NVIDIA's inference does.

    Args:
        path: the file; written even when there is nothing to write.
        names: N class names.
        boxes: (N, 4) x1, y1, x2, y2 in pixels of the picture.
        confidences: (N,) any float; NVIDIA's summed coverage may exceed 1.
    """
    rows = zip(names, np.asarray(boxes, dtype=np.float64).reshape(-1, 4), confidences, strict=True)
    write_text(path, "".join(_detection_line(name, box, float(value)) for name, box, value in rows))


def read_detections(path: PathLike) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read detections: N lower-case names, boxes (N, 4) float64 in pixels, confidences (N,) float64.

    Raises:
        UserError: the file cannot be read, or a line does not have 16 columns.
    """
    rows = [_parsed(_parse_detection, path, number, line) for number, line in _lines(path)]
    boxes = np.array([numbers[3:7] for _, numbers in rows], dtype=np.float64).reshape(-1, 4)
    confidences = np.array([numbers[-1] for _, numbers in rows], dtype=np.float64)
    return [name for name, _ in rows], boxes, confidences


def _lines(path: PathLike) -> list[tuple[int, str]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the label file cannot be read ({error})", where=path) from error
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _parsed(parse: Callable[[str], Row], path: PathLike, number: int, line: str) -> Row:
    try:
        return parse(line)
    except ValueError as error:
        raise UserError(str(error), where=f"{path}:{number}") from error


def _fields(line: str, columns: int) -> tuple[str, list[float]]:
    fields = line.split()
    if len(fields) != columns:
        raise ValueError(
            f"a line needs {columns} columns, this one has {len(fields)}{_hint(fields, columns)}"
        )
    try:
        numbers = [float(field) for field in fields[1:]]
    except ValueError as error:
        raise ValueError(f"columns 2 to {columns} must be numbers ({error})") from error
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a column is not a finite number")
    return fields[0].lower(), numbers


def _hint(fields: list[str], columns: int) -> str:
    """What a line with too many columns may be."""
    if len(fields) <= columns:
        return ""
    if columns == LABEL_COLUMNS and len(fields) == DETECTION_COLUMNS and _is_number(fields[1]):
        return (
            " (the last one of 16 is a confidence: this is a result file, which holds detections and cannot "
            "be used as labels)"
        )
    return " (a class name with a space shifts the columns)"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_detection(line: str) -> tuple[str, list[float]]:
    return _fields(line, DETECTION_COLUMNS)


def _label_line(label: Label) -> str:
    box = " ".join(_exact(value, 3) for value in label.box)
    solid = (label.h, label.w, label.l, label.x, label.y, label.z, label.rotation)
    rest = " ".join(_exact(value, 2) for value in solid)
    start = f"{label.name.lower()} {_exact(label.truncation, 2)} {int(label.occlusion)}"
    return f"{start} {_exact(label.alpha, 2)} {box} {rest}"


def _exact(value: float, decimals: int) -> str:
    """``decimals`` decimals where they say it all, else the shortest text that reads back exactly."""
    short = f"{float(value):.{decimals}f}"
    return short if float(short) == float(value) else repr(float(value))


def _detection_line(name: str, box: np.ndarray, confidence: float) -> str:
    x1, y1, x2, y2 = box
    corners = f"{x1:.3f} {y1:.3f} {x2:.3f} {y2:.3f}"
    return f"{name.lower()} 0.00 0 0.00 {corners} {' '.join(['0.00'] * 7)} {confidence:.3f}\n"
