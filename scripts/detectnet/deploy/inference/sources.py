"""What a detector is run over: pictures one by one, or the frames of a video, a camera or a stream."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.pictures import SUFFIXES
from detectnet.errors import UserError
from detectnet.files import PathLike, printable
from detectnet.logs import log
from detectnet.sources.naming import unique_stems

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
SCHEMES = ("http://", "https://", "rtmp://", "rtsp://", "rtsps://", "tcp://", "udp://")
CAMERA = "camera"
"""What frames of a camera or a stream are called after."""
_WILD = "*?["


@dataclass(frozen=True)
class File:
    """A picture to look at: its name in the lists, what its own files are called, and where it lies."""

    name: str
    stem: str
    path: Path

    @property
    def stamp(self) -> str:
        """Size and time of the file, which tell whether it is still the one that was looked at."""
        state = self.path.stat()
        return f"{state.st_size} {state.st_mtime_ns}"


@dataclass
class Stream:
    """An opened video, camera or address.

    Attributes:
        capture: gives the frames.
        name: what the frames are called after.
        total: frames that the file says it has; 0 where there is no end.
        every: of so many frames one is looked at.
        read: frames that came until now, looked at or not.
        damaged: numbers of those to be looked at that could not be decoded.
        ended: whether it came to an end by itself.
    """

    capture: cv2.VideoCapture
    name: str
    total: int
    every: int = 1
    read: int = 0
    damaged: list[int] = field(default_factory=list)
    ended: bool = False

    @property
    def live(self) -> bool:
        """Whether frames come when they happen, and not when they are asked for."""
        return not self.total

    @property
    def wanted(self) -> int:
        """Frames to be looked at; 0 where there is no end."""
        return -(-self.total // self.every)

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number, counted from 0, and uint8 RGB (H, W, 3) of every wanted frame, to the end."""
        while self.capture.grab():
            number, self.read = self.read, self.read + 1
            if number % self.every:
                continue
            whole, frame = self.capture.retrieve()
            if whole:
                yield number, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            else:
                self.damaged.append(number)
        self.ended = True

    def report(self) -> None:
        """Say which frames could not be read."""
        for number in self.damaged:
            log.warning("skipped: frame %d cannot be decoded", number)
        missing = self.total - self.read if self.ended and self.total else 0
        if missing > 0:
            log.warning("%d of %d frames cannot be read: the video ends before", missing, self.total)


def is_stream(source: PathLike) -> bool:
    """Whether it is a video file, a camera's number or an address."""
    text = str(source)
    return text.isdecimal() or text.startswith(SCHEMES) or Path(text).suffix.lower() in VIDEO_SUFFIXES


@contextmanager
def opened(source: PathLike, every: int = 1) -> Iterator[Stream]:
    """A video file, a camera or an address, closed at the end of the block.

    Raises:
        UserError: it is missing or cannot be opened.
    """
    text = str(source)
    camera, remote = text.isdecimal(), text.startswith(SCHEMES)
    if not camera and not remote and not Path(text).is_file():
        raise UserError("the video does not exist", where=source)
    capture = cv2.VideoCapture(int(text) if camera else text)
    try:
        if not capture.isOpened():
            raise UserError("the video or camera cannot be opened", where=source)
        total = 0 if camera else max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        yield Stream(capture, CAMERA if camera or remote else printable(Path(text).stem), total, every)
    finally:
        capture.release()


def pictures(sources: Sequence[PathLike], suffixes: Collection[str] = SUFFIXES) -> list[File]:
    """The pictures of files, folders (not their sub-folders) and patterns, in the order given.

    A picture of a single folder has its file name in the lists; others have their path below the folder that
    all have in common. Files made of a picture are called after its stem, and where several share a stem
    after what tells them apart.

    Raises:
        UserError: one of them is missing, or holds no pictures.
    """
    paths = list(dict.fromkeys(path for one in sources for path in _matching(Path(one), suffixes)))
    above = Path(os.path.commonpath([path.parent.absolute() for path in paths]))
    names = [path.absolute().relative_to(above).as_posix() for path in paths]
    stems = unique_stems(names)
    changed = [name for name in names if stems[name] != printable(Path(name).stem)]
    if changed:
        first = changed[0]
        log.info("%d pictures share a stem: files of %s are called %s", len(changed), first, stems[first])
    return [File(name, stems[name], path) for name, path in zip(names, paths)]


def _matching(source: Path, suffixes: Collection[str]) -> list[Path]:
    if source.is_dir():
        return _inside(source, suffixes)
    if source.exists():
        return [source]
    if not any(sign in str(source) for sign in _WILD):
        raise UserError("the source does not exist", where=source)
    matched = list(Path(source.anchor).glob(str(source.relative_to(source.anchor))))
    found = sorted(path for path in matched if path.suffix.lower() in suffixes and path.is_file())
    if not found:
        raise UserError("no picture matches the pattern", where=source, allowed=sorted(suffixes))
    if len(found) < len(matched):
        log.info("%s: %d matches are no pictures and left out", source, len(matched) - len(found))
    return found


def _inside(folder: Path, suffixes: Collection[str]) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not found:
        below = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
        raise UserError(
            f"the folder holds no pictures itself, its sub-folders hold {len(below)}"
            if below
            else "the folder holds no pictures",
            where=folder,
            allowed=sorted(suffixes),
            remedy=f"Name the sub-folder, as {below[0].parent}." if below else None,
        )
    return found
