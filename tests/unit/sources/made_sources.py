"""Small sources that the tests of this folder make for themselves."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from detectnet.data.kitti import read_labels
from detectnet.sources.convert import convert

CONTENT = {"made/images/a#1 =b.jpg": b"picture", "made/LICENSE": b"free"}  # of an archive
SIZE = (64, 48)  # width, height


def noise(seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    rgb = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(cv2.GaussianBlur(rgb, (0, 0), 2))


def save(path: Path, image: Image.Image | None = None, kind: str = "JPEG", **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or noise(len(path.name))).save(path, kind, **options)
    return path


def voc(path: Path, objects: list[tuple], filename: str = "", size: tuple[int, int] = SIZE) -> Path:
    """Objects are (name, x1, y1, x2, y2), written as they are."""
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in objects
    )
    shape = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{filename}</filename>{shape}{boxes}</annotation>")
    return path


def text(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def coco(path: Path, images: list[dict], annotations: list[dict], categories: list[dict]) -> Path:
    content = {"images": images, "annotations": annotations, "categories": categories}
    return text(path, json.dumps(content))


def tar(path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def zip_(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def archived(path: Path, **more: object) -> dict:
    archive = {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **more}
    return {"adapter": "folder", "licence": "CC0", "archive": archive}


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of all files below a folder, without the note that a fetch leaves."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "source.json"
    }


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Converted:
    """The result of a conversion, as its files say it."""

    def __init__(self, root: Path, workers: int = 1, **declaration: object) -> None:
        declaration.setdefault("classes", {"plate": "plate"})
        self.out = root / "kitti" / "made"
        self.frame = convert(declaration, root / "raw", self.out, workers)
        with (self.out / "dropped.csv").open(newline="", encoding="utf-8") as handle:
            self.dropped = list(csv.DictReader(handle))

    @property
    def stems(self) -> list[str]:
        return [Path(image).stem for image in self.frame["image"]]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(row["file"], row["reason"]) for row in self.dropped]

    def boxes(self, stem: str) -> list[tuple[float, ...]]:
        return [label.box for label in read_labels(self.out / "labels" / f"{stem}.txt")]

    def row(self, stem: str) -> dict:
        (row,) = self.frame[self.frame["label"] == f"labels/{stem}.txt"].to_dict("records")
        return row
