"""The files of an inference: labels and annotated pictures, the video, and what must not be lost for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.kitti import write_detections
from detectnet.data.pictures import SUFFIXES, save_jpeg
from detectnet.deploy.cluster_params import ClusterParams
from detectnet.deploy.inference.seen import FORMATS, LIST, Seen, write_list
from detectnet.deploy.runtime import Found
from detectnet.detection.draw import annotate
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path

VIDEO = "annotated.mp4"
_DEFAULT_RATE = 25.0
_RATES = (1.0, 240.0)
"""Frames a second that are believed; streams without a clock say 90000, which MPEG-4 cannot hold."""


class Files:
    """The output files of one inference by stem; stems may hold dots."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._folders = {".txt": out / "labels", ".jpg": out / "images_annotated"}
        self._finished: set[str] = set()

    @property
    def video(self) -> Path:
        """The video with boxes drawn in."""
        return self._out / VIDEO

    def of(self, stem: str, params: ClusterParams) -> list[Path]:
        """What a picture's own files are, with these settings."""
        wanted = {".txt": params.labels, ".jpg": params.overlay}
        return [
            self._folders[suffix] / f"{stem}{suffix}" for suffix, is_wanted in wanted.items() if is_wanted
        ]

    def check(self, places: Iterable[PathLike]) -> None:
        """Refuse to write where something would be lost.

        Args:
            places: the source, and the folders that its pictures lie in.

        Raises:
            UserError: a source is what would be overwritten or removed, or there are labels that no
                inference wrote: beside a source, or in another form.
        """
        resolved = {Path(place).resolve() for place in places}
        around = resolved | {place.parent for place in resolved}
        own = {folder.resolve() for folder in self._folders.values()}
        if around & own or self.video.resolve() in resolved:
            raise UserError(
                "the source would be overwritten", where=self._out, remedy="Choose another output folder."
            )
        labels = self._folders[".txt"]
        unknown = labels.is_dir() and self._out.resolve() in around and not (self._out / LIST).is_file()
        if unknown or not all(map(_is_detection_file, labels.glob("*.txt"))):
            raise UserError(
                "the folder holds labels of its own, which would be overwritten",
                where=labels,
                remedy="Choose another output folder.",
            )

    def begin(self) -> None:
        """Remove the lists of an earlier inference: they are there when this one is whole."""
        for name in (LIST, *(name for name, _ in FORMATS.values())):
            (self._out / name).unlink(missing_ok=True)

    def finish(self, paths: Sequence[Path]) -> None:
        """These are whole; what is not finished by the end goes."""
        self._finished.update(map(str, paths))

    def remove_others(self) -> None:
        """Remove labels and pictures of an earlier inference, and those of a frame that was broken off."""
        for suffix, folder in self._folders.items():
            own = SUFFIXES if suffix == ".jpg" else {suffix}
            for path in sorted(folder.glob("*")):
                if path.suffix.lower() in own and path.is_file() and str(path) not in self._finished:
                    path.unlink()

    def write(self, stem: str, found: Found, params: ClusterParams, drawn: np.ndarray | None) -> list[Path]:
        """Write the labels, if they are asked for, and the picture where there is one."""
        written = []
        if params.labels:
            labels = self._folders[".txt"] / f"{stem}.txt"
            names = [params.written(name) for name in found.names]
            write_detections(labels, names, found.boxes, found.confidence)
            written.append(labels)
        if drawn is not None:
            picture = self._folders[".jpg"] / f"{stem}.jpg"
            save_jpeg(picture, drawn)
            written.append(picture)
        return written

    def write_lists(self, seen: Sequence[Seen], formats: Sequence[str], classes: Sequence[str]) -> None:
        """Write what holds all pictures; ``inference.csv`` last, which says that the rest is whole."""
        for name in formats:
            if name in FORMATS:
                FORMATS[name][1](self._out, seen, classes)
        write_list(self._out, seen)


def _is_detection_file(path: Path) -> bool:
    """Whether it is empty, or ends its first line as ours: seven zeros of the solid, then the confidence.

    A line of a label ends with the solid; its seven columns before the last begin at the box.
    """
    with path.open(encoding="utf-8", errors="replace") as handle:
        fields = handle.readline().split()
    return not fields or fields[-8:-1] == ["0.00"] * 7


def drawn(picture: np.ndarray, found: Found, params: ClusterParams) -> np.ndarray:
    """The picture, uint8 RGB (H, W, 3), with boxes, names and confidences; a copy."""
    texts = [f"{params.written(name)}:{value:.3f}" for name, value in zip(found.names, found.confidence)]
    colours = [params.colour(name) for name in found.names]
    return annotate(picture, found.boxes, texts, colours, params.linewidth)


class Video:
    """An MP4 in the making (MPEG-4 video, which every OpenCV build can write), of its first frame's size."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer = cv2.VideoWriter()
        self._size = (0, 0)

    def append(self, frame: np.ndarray, times: int = 1) -> None:
        """Write uint8 RGB (H, W, 3) so many times; a frame of another size than the first is scaled.

        Raises:
            UserError: this OpenCV cannot write such a video.
        """
        if not self._writer.isOpened():
            self._size = frame.shape[1::-1]
            self._open()
        if frame.shape[1::-1] != self._size:
            frame = cv2.resize(frame, self._size)
        turned = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        for _ in range(times):
            self._writer.write(turned)

    def _open(self) -> None:
        code = cv2.VideoWriter_fourcc(*"mp4v")
        if not self._writer.open(str(self._path), code, self._rate, self._size):
            raise UserError("this OpenCV cannot write MPEG-4 video", where=self._path)

    def close(self) -> None:
        """Write the end, without which no player opens the file."""
        self._writer.release()


@contextmanager
def video_file(path: Path, rate: float) -> Iterator[Video]:
    """A video that takes its name when it is whole.

    Args:
        path: of the file.
        rate: frames a second; one that cannot be believed is 25.
    """
    with atomic_path(path) as temporary:
        video = Video(temporary, rate if _RATES[0] <= rate <= _RATES[1] else _DEFAULT_RATE)
        try:
            yield video
        finally:
            video.close()
