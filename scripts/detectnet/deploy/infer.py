"""Run a detector over a picture, a folder, a video or a camera, and write what it finds.

``labels/`` gets one KITTI file of 16 columns for each picture or frame, in pixels of the original and empty
where nothing is found; ``images_annotated/`` the pictures with boxes drawn in. A video becomes
``annotated.mp4``, and of its frames only a few are kept as pictures. ``inference.csv`` lists everything.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.kitti import write_detections
from detectnet.data.pictures import SUFFIXES, load, save_jpeg
from detectnet.deploy.cluster_params import ClusterParams
from detectnet.deploy.runtime import Detector, Found
from detectnet.detection.draw import annotate
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, write_text
from detectnet.logs import log, progress
from detectnet.spec import contract_of
from detectnet.spec import load as load_spec

RELEASED = Path(__file__).parents[3] / "models" / "plates.onnx"
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
LIST = "inference.csv"
KEY_FRAMES = 8
"""How many frames of a video are kept as pictures, evenly spread."""
_KEY_FRAME_EVERY = 250
_DEFAULT_RATE = 25.0


@dataclass(frozen=True)
class Line:
    """One line of ``inference.csv``."""

    image: str
    detections: int
    seconds: float


def released_model() -> Path:
    """The detector that ships with this repository, wherever the command is started.

    Raises:
        UserError: there is none yet.
    """
    if not RELEASED.is_file():
        raise UserError(
            "there is no released detector yet",
            where=RELEASED,
            remedy="Name one with --model. `snakemake export` makes one: results/<run>/export/model.onnx.",
        )
    return RELEASED


def open_detector(model: PathLike, spec_path: PathLike | None = None, threads: int | None = None) -> Detector:
    """The detector of a model file of any stage.

    Args:
        model: ``.onnx``, or ``.keras``.
        spec_path: experiment spec of the training; only a ``.keras`` file needs it.
        threads: of an ONNX network; None takes all cores.

    Raises:
        UserError: a ``.keras`` file without its spec, or another kind of file.
    """
    suffix = Path(model).suffix
    if suffix == ".onnx":
        return Detector.from_onnx(model, threads=threads)
    if suffix != ".keras":
        raise UserError("this kind of model file is unknown", where=model, allowed=(".onnx", ".keras"))
    if spec_path is None:
        raise UserError("a .keras file does not say its classes", where=model, remedy="Add --spec.")
    from detectnet.deploy.keras_network import KerasNetwork

    return Detector(KerasNetwork(model), contract_of(load_spec(spec_path, "experiment")))


def infer(
    detector: Detector, source: PathLike, out_dir: PathLike, params: ClusterParams | None = None
) -> list[Line]:
    """Find objects in everything that ``source`` holds.

    Args:
        detector: of any stage.
        source: a picture, a folder of pictures (not its sub-folders), a video, a camera's number, or an
            ``rtsp://`` address.
        out_dir: gets the files; those of an earlier inference are replaced.
        params: clustering, names and colours; by default the detector's own clustering.

    Returns:
        A line for each picture or frame, in the order of the source. Frames are called
        ``<video>_<6 digits>``, counted from 0.

    Raises:
        UserError: the source is missing, empty or unreadable, or two pictures have the same stem.
    """
    params = params or ClusterParams.from_contract(detector.contract)
    detector = Detector(detector.network, params.applied(detector.contract), detector.mode)
    out = Path(out_dir)
    video = _is_video(source)
    pictures = [] if video else _pictures(Path(source))
    _make_room(out, Path(source))
    lines = list(_stream(detector, source, out, params) if video else _each(detector, pictures, out, params))
    write_text(out / LIST, _table(lines))
    log.info("%d detections in %d %s: %s", *_summary(lines), "frames" if video else "pictures", out)
    return lines


def _summary(lines: list[Line]) -> tuple[int, int]:
    return sum(line.detections for line in lines), len(lines)


def _is_video(source: PathLike) -> bool:
    text = str(source)
    return text.isdecimal() or text.startswith("rtsp://") or Path(text).suffix.lower() in VIDEO_SUFFIXES


def _pictures(source: Path) -> list[Path]:
    if not source.exists():
        raise UserError("the source does not exist", where=source)
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError("the folder holds no pictures", where=source, allowed=sorted(SUFFIXES))
    stems: dict[str, Path] = {}
    for path in found:
        if path.stem in stems:
            raise UserError(
                f"{stems[path.stem].name} and {path.name} would write the same label file",
                where=source,
                remedy="Rename one of them.",
            )
        stems[path.stem] = path
    return found


def _make_room(out: Path, source: Path) -> None:
    """Remove the files of an earlier inference; leave labels that belong to the source alone."""
    labels, listed = out / "labels", out / LIST
    if not listed.is_file():
        if labels.is_dir() and out.resolve() in (source.resolve(), source.resolve().parent):
            raise UserError(
                "the folder holds labels of its own, which would be overwritten",
                where=labels,
                remedy="Choose another output folder.",
            )
        return
    with listed.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            (labels / f"{Path(row['image']).stem}.txt").unlink(missing_ok=True)
            (out / "images_annotated" / f"{Path(row['image']).stem}.jpg").unlink(missing_ok=True)
    listed.unlink()


def _each(detector: Detector, pictures: list[Path], out: Path, params: ClusterParams) -> Iterator[Line]:
    skipped = []
    for path in progress(pictures, what="inference", unit="pictures"):
        try:
            picture = load(path)
        except UserError as error:
            skipped.append(str(error))
            continue
        found = _shown(detector.detect(picture), params)
        _write_labels(out, path.stem, found, params)
        if params.overlay:
            save_jpeg(out / "images_annotated" / f"{path.stem}.jpg", _drawn(picture, found, params))
        yield Line(path.name, len(found), found.seconds)
    for reason in skipped:
        log.warning("skipped: %s", reason)
    if len(skipped) == len(pictures):
        raise UserError(f"none of {len(pictures)} pictures can be read", where=pictures[0].parent)
    if skipped:
        log.warning("%d of %d pictures were skipped", len(skipped), len(pictures))


def _stream(detector: Detector, source: PathLike, out: Path, params: ClusterParams) -> Iterator[Line]:
    text = str(source)
    stem = Path(text).stem if Path(text).is_file() else "camera"
    with _opened(text) as capture:
        total = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        every = max(total // KEY_FRAMES, 1) if total else _KEY_FRAME_EVERY
        with _writer(out / "annotated.mp4", capture) as write:
            frames = progress(_frames(capture), total=total or None, what="inference", unit="frames")
            for number, frame in enumerate(frames):
                found = _shown(detector.detect(frame), params)
                name = f"{stem}_{number:06d}"
                _write_labels(out, name, found, params)
                drawn = _drawn(frame, found, params)
                write(drawn)
                if number % every == 0:
                    save_jpeg(out / "images_annotated" / f"{name}.jpg", drawn)
                yield Line(name, len(found), found.seconds)


@contextmanager
def _opened(source: str) -> Iterator[cv2.VideoCapture]:
    camera = source.isdecimal()
    if not camera and not source.startswith("rtsp://") and not Path(source).is_file():
        raise UserError("the video does not exist", where=source)
    capture = cv2.VideoCapture(int(source) if camera else source)
    try:
        if not capture.isOpened():
            raise UserError("the video or camera cannot be opened", where=source)
        yield capture
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    """uint8 RGB (H, W, 3) until the video ends or the user interrupts a camera."""
    try:
        while (read := capture.read())[0]:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
    except KeyboardInterrupt:
        log.info("interrupted; what was seen until now is kept")


@contextmanager
def _writer(path: Path, capture: cv2.VideoCapture) -> Iterator[object]:
    """A function that appends an RGB frame to an MP4 (MPEG-4 video, which every OpenCV build can write)."""
    size = tuple(int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS) or _DEFAULT_RATE
    with atomic_path(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
        if not writer.isOpened():
            raise UserError("this OpenCV cannot write MPEG-4 video", where=path)
        try:
            yield lambda frame: writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        finally:
            writer.release()


def _shown(found: Found, params: ClusterParams) -> Found:
    keep = [index for index, name in enumerate(found.names) if params.shows(name)]
    names = tuple(found.names[index] for index in keep)
    return Found(names, found.boxes[keep], found.confidence[keep], found.seconds)


def _write_labels(out: Path, stem: str, found: Found, params: ClusterParams) -> None:
    names = [params.written(name) for name in found.names]
    write_detections(out / "labels" / f"{stem}.txt", names, found.boxes, found.confidence)


def _drawn(picture: np.ndarray, found: Found, params: ClusterParams) -> np.ndarray:
    texts = [f"{params.written(name)}:{value:.3f}" for name, value in zip(found.names, found.confidence)]
    colours = [params.colour(name) for name in found.names]
    return annotate(picture, found.boxes, texts, colours, params.linewidth)


def _table(lines: list[Line]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["image", "detections", "seconds"])
    table.writerows([line.image, line.detections, f"{line.seconds:.4f}"] for line in lines)
    return text.getvalue()
