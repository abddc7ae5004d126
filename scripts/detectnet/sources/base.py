"""What every adapter hands over, and how annotation files find their pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from detectnet.data.dropped import Drop
from detectnet.data.pictures import SUFFIXES
from detectnet.errors import UserError, did_you_mean
from detectnet.files import printable

Box = tuple[float, float, float, float]
SECOND = "second annotation of a picture"
COMMON_OPTIONS = ("images", "annotations", "ignore_size")
OPTIONS: dict[str, tuple[str, ...]] = {
    "coco": COMMON_OPTIONS,
    "folder": ("images",),
    "kitti": COMMON_OPTIONS,
    "openalpr": COMMON_OPTIONS,
    "voc": (*COMMON_OPTIONS, "origin"),
    "yolo": (*COMMON_OPTIONS, "names"),
}
"""The options of each adapter; the schema of the config has the same."""


@dataclass(frozen=True)
class Object:
    """One annotated object, as the source says it.

    ``box`` is x1, y1, x2, y2 in pixels of the picture, or in fractions of it (`Annotated.relative`).
    ``line`` is the line of the annotation file, or the number of the object in it.
    """

    name: str
    box: Box
    line: int
    truncation: float = 0.0
    occlusion: int = 0


@dataclass(frozen=True)
class Annotated:
    """A picture and what is said about it; paths are relative to the source and use ``/``.

    ``size`` is the (width, height) that the annotation claims, None when it claims none. ``labelled``
    is False when nothing is said about the picture at all, which is not the same as "nothing in it".
    ``lost`` are the class names of objects that could not be read ("" where even the name cannot).
    """

    picture: str
    objects: tuple[Object, ...] = ()
    annotation: str = ""
    size: tuple[int, int] | None = None
    relative: bool = False
    labelled: bool = True
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """An annotation file as read.

    ``named`` is the picture's file name that it gives, "" for none; ``problems`` are the line, the reason
    and the details of every object that could not be read, ``lost`` their class names.
    """

    objects: tuple[Object, ...] = ()
    problems: tuple[tuple[int, str, str], ...] = ()
    size: tuple[int, int] | None = None
    named: str = ""
    relative: bool = False
    lost: tuple[str, ...] = ()


Found = Annotated | Drop
Adapter = Callable[[Path, dict], Iterator[Found]]
Reader = Callable[[Path], Parsed]


def check_options(options: dict, adapter: str) -> None:
    """Raise UserError for an option that the adapter does not have."""
    known = OPTIONS[adapter]
    for name in options:
        if name not in known:
            raise UserError(
                f"the adapter {adapter!r} has no option {name!r}",
                where="options",
                allowed=known,
                remedy=did_you_mean(name, known) or None,
            )


def listed(options: dict, name: str, default: str | list[str]) -> list[str]:
    """An option that is one text or a list of texts, as a list; a UserError says where it is neither."""
    value = options.get(name, default)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise UserError(
            f"{value!r} is no path",
            where=f"options.{name}",
            allowed="a path in the source, or a list of them",
        )
    return texts


def inside(raw_dir: Path, relative: str, option: str) -> Path:
    """``raw_dir/relative``, which must exist and lie inside ``raw_dir``."""
    path = raw_dir / relative
    if not path.resolve().is_relative_to(raw_dir.resolve()):
        raise UserError(f"'{relative}' lies outside the source", where=f"options.{option}")
    if not path.exists():
        there = sorted(printable(one.relative_to(raw_dir)) for one in raw_dir.glob("*"))
        remedy = did_you_mean(relative, there) or None
        raise UserError(
            f"'{relative}' does not exist in the source",
            where=f"options.{option}",
            allowed=there,
            remedy=remedy,
        )
    return path


def folder_pairs(raw_dir: Path, options: dict, images: str, annotations: str) -> list[tuple[Path, Path]]:
    """The folders of pictures, each with its folder of annotations (one for all may be given).

    Args:
        images, annotations: the folders where the options name none; "." is the source itself, and ""
            for annotations means beside the pictures.
    """
    pictures = listed(options, "images", images)
    labels = listed(options, "annotations", annotations or pictures)
    labels = labels * len(pictures) if len(labels) == 1 else labels
    if len(labels) != len(pictures):
        raise UserError(
            f"{len(pictures)} folders of pictures and {len(labels)} of annotations",
            where="options",
            remedy="Name one folder of annotations for each folder of pictures, in the same order.",
        )
    return [
        (inside(raw_dir, one, "images"), inside(raw_dir, other, "annotations"))
        for one, other in zip(pictures, labels, strict=True)
    ]


def files_under(folder: Path, suffixes: frozenset[str]) -> list[PurePosixPath]:
    """Files below ``folder`` with one of these suffixes in any case, relative and sorted.

    Hidden files and folders, and the shadow copies that macOS puts into archives, are left out.
    """
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        base = PurePosixPath(Path(parent).relative_to(folder).as_posix())
        found += [base / name for name in names if not name.startswith(".")]
    return sorted((path for path in found if path.suffix.lower() in suffixes), key=str)


def per_picture(
    raw_dir: Path, options: dict, read: Reader, suffix: str, images: str = ".", annotations: str = ""
) -> Iterator[Found]:
    """Pictures whose annotations lie in one file each, matched by their place and name.

    Args:
        raw_dir: folder of the source.
        options: ``images``, ``annotations`` (a folder or a list of folders), ``ignore_size``.
        read: reads one annotation file; its ValueError says why it cannot be read.
        suffix: of annotation files, lower case, with the dot.
        images, annotations: folders where the options name none; "" is beside the pictures.
    """
    for pictures, labels in folder_pairs(raw_dir, options, images, annotations):
        yield from _Matching(raw_dir, pictures, labels).run(read, suffix, bool(options.get("ignore_size")))


class _Matching:
    """Matches the annotation files of one folder with the pictures of another."""

    def __init__(self, raw_dir: Path, pictures: Path, labels: Path) -> None:
        self.raw_dir, self.pictures, self.labels = raw_dir, pictures, labels
        self.names = files_under(pictures, SUFFIXES)
        self.by_stem: dict[PurePosixPath, list[PurePosixPath]] = {}
        for name in self.names:
            self.by_stem.setdefault(name.with_suffix(""), []).append(name)
        self.known = set(self.names)
        self.taken: set[PurePosixPath] = set()

    def run(self, read: Reader, suffix: str, ignore_size: bool) -> Iterator[Found]:
        labels = files_under(self.labels, frozenset({suffix}))
        for label in sorted(labels, key=self._by_name_only):
            place = printable((self.labels / label).relative_to(self.raw_dir))
            try:
                parsed = read(self.labels / label)
            except (ValueError, OSError) as error:
                yield from self._unreadable(label, place, error)
                continue
            targets = self._targets(label, parsed.named)
            if not targets:
                yield Drop(place, "", "annotation without picture", parsed.named)
            for target in targets:
                yield from self._annotated(target, place, parsed, ignore_size)
        for name in self.names:
            if name not in self.taken:
                yield Annotated(self._relative(name), labelled=False)

    def _unreadable(self, label: PurePosixPath, place: str, error: Exception) -> Iterator[Drop]:
        yield Drop(place, "", "unreadable annotation", str(error))
        for target in self._targets(label, ""):
            if target not in self.taken:
                self.taken.add(target)
                yield Drop(printable(self._relative(target)), "", "its annotation is unreadable", place)

    def _annotated(
        self, target: PurePosixPath, place: str, parsed: Parsed, ignore_size: bool
    ) -> Iterator[Found]:
        if target in self.taken:
            yield Drop(place, "", SECOND, printable(target))
            return
        self.taken.add(target)
        yield from (Drop(place, line, reason, detail) for line, reason, detail in parsed.problems)
        size = None if ignore_size else parsed.size
        yield Annotated(
            self._relative(target), parsed.objects, place, size, parsed.relative, lost=parsed.lost
        )

    def _by_name_only(self, label: PurePosixPath) -> bool:
        """Whether only the name inside could match it: such files come last, so that no stale name
        takes a picture from the file that lies beside it."""
        whole = label.with_suffix("")
        return whole not in self.known and whole not in self.by_stem

    def _targets(self, label: PurePosixPath, named: str) -> list[PurePosixPath]:
        """The pictures that an annotation file speaks of.

        A whole name (a.jpg.xml) says most, then the stem. The name inside the file only decides between
        pictures of one stem, or where no stem fits: in published sets it is often a stale one.
        """
        whole = label.with_suffix("")
        by_name = whole.parent / PurePosixPath(named.replace("\\", "/")).name if named else None
        if whole in self.known:
            return [whole]
        same = self.by_stem.get(whole, [])
        if len(same) == 1 or (same and by_name not in same):
            return same
        return [by_name] if by_name in self.known else []

    def _relative(self, name: PurePosixPath) -> str:
        return (self.pictures / name).relative_to(self.raw_dir).as_posix()
