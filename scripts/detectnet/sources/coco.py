"""COCO: one JSON file for many pictures; boxes as x, y, width, height in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detectnet.data.coco import box_of, read_coco_file
from detectnet.data.dropped import Drop
from detectnet.data.pictures import SUFFIXES
from detectnet.errors import UserError
from detectnet.sources.base import (
    Annotated,
    Found,
    Object,
    check_options,
    files_under,
    inside,
    listed,
    printable,
)

Problem = tuple[str, str]


def read_coco(raw_dir: Path, options: dict) -> Iterator[Found]:
    """Pictures with COCO annotations.

    A category is known by its name; one that only groups others (Roboflow's number 0) has no boxes and so
    does no harm. A picture that the file lists without a box is a negative; a picture that it does not
    list is unlabelled.

    Options: ``annotations`` (JSON file or a list of them, required), ``images`` (the folder of each; where
    absent, the one in which the JSON lies), ``ignore_size``.
    """
    check_options(options, "coco")
    if "annotations" not in options:
        raise UserError("the JSON files must be named", where="options.annotations")
    files = [inside(raw_dir, one, "annotations") for one in listed(options, "annotations", [])]
    folders = [inside(raw_dir, one, "images") for one in listed(options, "images", [])]
    folders = folders or [path.parent for path in files]
    if len(folders) != len(files):
        raise UserError(f"{len(files)} JSON files and {len(folders)} folders of pictures", where="options")
    seen: set[str] = set()
    for path, folder in zip(files, folders, strict=True):
        for found in _Annotations(raw_dir, path, folder).run(bool(options.get("ignore_size"))):
            seen.add(getattr(found, "picture", ""))
            yield found
    yield from _unlisted(raw_dir, folders, seen)


def _unlisted(raw_dir: Path, folders: list[Path], seen: set[str]) -> Iterator[Annotated]:
    there = {
        (folder / path).relative_to(raw_dir).as_posix()
        for folder in folders
        for path in files_under(folder, SUFFIXES)
    }
    for picture in sorted(there - seen):
        yield Annotated(picture, labelled=False)


class _Annotations:
    """One JSON file and the folder of its pictures."""

    def __init__(self, raw_dir: Path, path: Path, folder: Path) -> None:
        self.raw_dir, self.folder = raw_dir, folder
        self.place = printable(path.relative_to(raw_dir))
        self.file = read_coco_file(path, self.place)

    def run(self, ignore_size: bool) -> Iterator[Found]:
        seen: set[str] = set()
        for one in self.file.loose:
            detail = f"picture id {one.get('image_id')} is not listed"
            yield Drop(self.place, _number(one), "annotation without picture", detail)
        for image in sorted(self.file.images, key=lambda image: str(image["file_name"])):
            picture, problem = self._picture(str(image["file_name"]))
            if problem or picture in seen:
                reason = problem or "second annotation of a picture"
                yield Drop(self.place, _number(image), reason, str(image["file_name"]))
                continue
            seen.add(picture)
            yield from self._annotated(picture, image, ignore_size)

    def _picture(self, name: str) -> tuple[str, str]:
        """The picture's path in the source, and why it cannot be used ("" where it can)."""
        path = self.folder / name.replace("\\", "/")
        if not path.resolve().is_relative_to(self.raw_dir.resolve()):
            return "", "picture outside the source"
        if not path.is_file():
            path = self.folder / path.name  # many exports keep folders of the machine they came from
        if not path.is_file():
            return "", "annotation without picture"
        return path.resolve().relative_to(self.raw_dir.resolve()).as_posix(), ""

    def _annotated(self, picture: str, image: dict, ignore_size: bool) -> Iterator[Found]:
        objects, lost = [], []
        for one in self.file.annotations.get(image["id"], []):
            found, (reason, detail) = self._object(one)
            if found:
                objects.append(found)
            else:
                lost.append(self.file.names.get(one.get("category_id"), ""))
                yield Drop(self.place, _number(one), reason, detail)
        width, height = image.get("width") or 0, image.get("height") or 0
        size = (int(width), int(height)) if width and height and not ignore_size else None
        yield Annotated(picture, tuple(objects), self.place, size, lost=tuple(lost))

    def _object(self, one: dict) -> tuple[Object | None, Problem]:
        name = self.file.names.get(one.get("category_id"))
        if name is None:
            return None, ("unknown category", f"category id {one.get('category_id')}")
        if one.get("iscrowd"):
            return None, ("crowd region", name)
        try:
            return Object(name, box_of(one), _number(one)), ("", "")
        except ValueError as error:
            return None, ("no box", f"{name}: {error}")


def _number(one: dict) -> int | str:
    return one.get("id", "")
