"""What was found in each picture, and the lists that are made of it: CSV and COCO."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectnet.deploy.runtime import Found
from detectnet.files import write_json, write_text

LIST = "inference.csv"
TABLE = "detections.csv"
COCO = "coco.json"
DECIMALS = 3
"""Of boxes and confidences, everywhere: the lists and the KITTI files say the same."""


@dataclass(frozen=True)
class Seen:
    """What was found in one picture or frame.

    Attributes:
        image: its name in the lists.
        width, height: of the picture, pixels.
        seconds: letterbox, network and clustering.
        names: of classes, as they are written.
        boxes: x1 y1 x2 y2 in pixels of the picture, three decimals.
        confidence: three decimals.
    """

    image: str
    width: int
    height: int
    seconds: float
    names: tuple[str, ...]
    boxes: tuple[tuple[float, ...], ...]
    confidence: tuple[float, ...]

    @classmethod
    def of(cls, image: str, shape: Sequence[int], found: Found, written: Callable[[str], str] = str) -> Seen:
        """What a detector found in a picture of a shape (H, W, ...); ``written`` names the classes."""
        boxes = tuple(tuple(round(float(edge), DECIMALS) for edge in box) for box in found.boxes)
        confidence = tuple(round(float(value), DECIMALS) for value in found.confidence)
        names = tuple(written(name).lower() for name in found.names)
        return cls(image, shape[1], shape[0], round(found.seconds, 4), names, boxes, confidence)

    @property
    def detections(self) -> int:
        """How many objects."""
        return len(self.names)


def write_list(out: Path, seen: Sequence[Seen]) -> None:
    """``inference.csv``: every picture with the number of detections and the seconds."""
    rows = [[one.image, one.detections, f"{one.seconds:.4f}"] for one in seen]
    write_text(out / LIST, _csv(["image", "detections", "seconds"], rows))


def write_table(out: Path, seen: Sequence[Seen], classes: Sequence[str]) -> None:
    """``detections.csv``: every object, box in pixels of the picture; each names its own of the classes."""
    rows = [
        [one.image, name, f"{value:.3f}", *(f"{edge:.3f}" for edge in box)]
        for one in seen
        for name, value, box in zip(one.names, one.confidence, one.boxes, strict=True)
    ]
    write_text(out / TABLE, _csv(["image", "class", "confidence", "x1", "y1", "x2", "y2"], rows))


def write_coco(out: Path, seen: Sequence[Seen], classes: Sequence[str]) -> None:
    """``coco.json``: a COCO data set whose annotations have scores.

    pycocotools reads the file as a data set, and its ``annotations`` as results. Numbers count from 1 in the
    order of the pictures and of the classes. Boxes are x, y, width, height.
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(classes), start=1)}
    images = [
        {"id": number, "file_name": one.image, "width": one.width, "height": one.height}
        for number, one in enumerate(seen, start=1)
    ]
    annotations = [
        _annotation(image["id"], numbers[name], box, value)
        for image, one in zip(images, seen)
        for name, box, value in zip(one.names, one.boxes, one.confidence, strict=True)
    ]
    content = {
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "annotations": [{"id": number, **one} for number, one in enumerate(annotations, start=1)],
    }
    write_json(out / COCO, content)


FORMATS: dict[str, tuple[str, Callable[[Path, Sequence[Seen], Sequence[str]], None]]] = {
    "coco": (COCO, write_coco),
    "csv": (TABLE, write_table),
}
"""The file of each format that is one file for all pictures, and what writes it. KITTI has one for each."""


def _annotation(image: int, category: int, box: Sequence[float], score: float) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    width, height = round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [x1, y1, width, height],
        "area": round(width * height, DECIMALS),
        "iscrowd": 0,
        "score": score,
    }


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()
