"""Run a detector over a picture, a folder, a video or a camera, and write what it finds.

``labels/`` gets one KITTI file of 16 columns for each picture or frame, in pixels of the original and empty
where nothing is found; ``images_annotated/`` the pictures with boxes drawn in. A video becomes
``annotated.mp4``, and of its frames only a few are kept as pictures. ``inference.csv`` lists everything.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detectnet.contract import Contract
from detectnet.data.kitti import write_detections
from detectnet.data.pictures import SUFFIXES, load, save_jpeg
from detectnet.deploy.cluster_params import ClusterParams
from detectnet.deploy.runtime import KERAS_SUFFIXES, Detector, Found
from detectnet.detection.draw import annotate
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, write_text
from detectnet.logs import log, progress
from detectnet.sources.base import printable
from detectnet.sources.naming import unique_stems
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


def open_detector(
    model: PathLike,
    spec_path: PathLike | None = None,
    threads: int | None = None,
    classes: tuple[str, ...] = (),
    contract: Contract | None = None,
) -> Detector:
    """The detector of a model file of any stage.

    Args:
        model: ``.onnx``, or ``.keras`` or ``.hdf5``, which do not say their classes.
        spec_path: experiment spec of the training, for a Keras file.
        threads: of an ONNX network; None takes all cores.
        classes: of a Keras file of which nothing else is known, in the order of its channels.
        contract: of a Keras file whose experiment spec is read already; the file's own input size counts.

    Raises:
        UserError: a Keras file without its classes, or another kind of file.
    """
    suffix = Path(model).suffix.lower()
    if suffix == ".onnx":
        return Detector.from_onnx(model, threads=threads)
    if suffix not in KERAS_SUFFIXES:
        allowed = (".onnx", *KERAS_SUFFIXES)
        raise UserError("this kind of model file is unknown", where=model, allowed=allowed)
    if spec_path is None and not classes and contract is None:
        raise UserError(f"a {suffix} file does not say its classes", where=model, remedy="Add --spec.")
    from detectnet.deploy.keras_network import KerasNetwork

    network = KerasNetwork(model)
    if spec_path is not None:
        contract = contract_of(load_spec(spec_path, "experiment"))
    own = network.contract(classes if contract is None else contract.classes)
    return Detector(network, own if contract is None else _at_own_size(contract, own))


def _at_own_size(contract: Contract, own: Contract) -> Contract:
    """Coding of boxes and scaling of pictures are the spec's; the input is what the network has."""
    names = ("width", "height", "channels", "channel_order", "offsets")
    return dataclasses.replace(contract, **{name: getattr(own, name) for name in names})


def infer(
    detector: Detector,
    source: PathLike,
    out_dir: PathLike,
    params: ClusterParams | None = None,
    *,
    suffixes: Collection[str] = SUFFIXES,
) -> list[Line]:
    """Find objects in everything that ``source`` holds.

    Args:
        detector: of any stage.
        source: a picture, a folder of pictures (not its sub-folders), a video, a camera's number, or an
            ``rtsp://`` address.
        out_dir: gets the files; the labels and pictures of an earlier inference are removed.
        params: clustering, names and colours, and what is written; by default the detector's own clustering.
        suffixes: what counts as a picture in a folder, lower case.

    Returns:
        A line for each picture or frame, in the order of the source. Frames are called
        ``<video>_<6 digits>``, counted from 0. An interrupted video or camera gives those until then.
        Files are called after the picture's stem, and after its suffix too where several share a stem.

    Raises:
        UserError: the source is missing, empty or unreadable, or ``out_dir`` holds labels that no
            inference wrote.
    """
    params = params or ClusterParams.from_contract(detector.contract)
    detector = Detector(detector.network, params.applied(detector.contract), detector.mode)
    out = Path(out_dir)
    video = _is_video(source)
    pictures = [] if video else _pictures(Path(source), suffixes)
    _refuse_foreign_labels(out, Path(source))
    (out / LIST).unlink(missing_ok=True)
    files = _Files(out)
    lines = (
        _stream(detector, source, out, files, params) if video else _each(detector, pictures, files, params)
    )
    files.remove_others()
    write_text(out / LIST, _table(lines))
    log.info("%d detections in %d %s: %s", *_summary(lines), "frames" if video else "pictures", out)
    return lines


def _summary(lines: list[Line]) -> tuple[int, int]:
    return sum(line.detections for line in lines), len(lines)


def _is_video(source: PathLike) -> bool:
    text = str(source)
    return text.isdecimal() or text.startswith("rtsp://") or Path(text).suffix.lower() in VIDEO_SUFFIXES


def _pictures(source: Path, suffixes: Collection[str]) -> list[Path]:
    if not source.exists():
        raise UserError("the source does not exist", where=source)
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in suffixes)
    if not found:
        below = sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes)
        raise UserError(
            f"the folder holds no pictures itself, its sub-folders hold {len(below)}"
            if below
            else "the folder holds no pictures",
            where=source,
            allowed=sorted(suffixes),
            remedy=f"Name the sub-folder, as {below[0].parent}." if below else None,
        )
    return found


def _stems(pictures: list[Path]) -> dict[str, str]:
    """What the files of each picture are called, by its name."""
    stems = unique_stems(path.name for path in pictures)
    changed = [path for path in pictures if stems[path.name] != printable(path.stem)]
    if changed:
        first = changed[0].name
        log.info("%d pictures share a stem: files of %s are called %s", len(changed), first, stems[first])
    return stems


def _refuse_foreign_labels(out: Path, source: Path) -> None:
    """Labels that no inference wrote would be lost: those beside the source, and those of another form."""
    labels = out / "labels"
    beside = out.resolve() in (source.resolve(), source.resolve().parent)
    unknown = labels.is_dir() and beside and not (out / LIST).is_file()
    if unknown or not all(map(_is_detection_file, labels.glob("*.txt"))):
        raise UserError(
            "the folder holds labels of its own, which would be overwritten",
            where=labels,
            remedy="Choose another output folder.",
        )


def _is_detection_file(path: Path) -> bool:
    """Whether it is empty, or ends its first line as ours: seven zeros of the solid, then the confidence.

    A line of a label ends with the solid; its seven columns before the last begin at the box.
    """
    with path.open(encoding="utf-8", errors="replace") as handle:
        fields = handle.readline().split()
    return not fields or fields[-8:-1] == ["0.00"] * 7


class _Files:
    """The output files of one inference by stem; stems may hold dots."""

    def __init__(self, out: Path) -> None:
        self._folders = {".txt": out / "labels", ".jpg": out / "images_annotated"}
        self._finished: set[str] = set()

    def labels(self, stem: str) -> Path:
        return self._folders[".txt"] / f"{stem}.txt"

    def picture(self, stem: str) -> Path:
        return self._folders[".jpg"] / f"{stem}.jpg"

    def finish(self, *paths: Path) -> None:
        """These are whole; what is not finished by the end goes."""
        self._finished.update(map(str, paths))

    def remove_others(self) -> None:
        """Remove labels and pictures of an earlier inference, and those of a frame that was broken off."""
        for suffix, folder in self._folders.items():
            own = SUFFIXES if suffix == ".jpg" else {suffix}
            for path in sorted(folder.glob("*")):
                if path.suffix.lower() in own and path.is_file() and str(path) not in self._finished:
                    path.unlink()


def _each(detector: Detector, pictures: list[Path], files: _Files, params: ClusterParams) -> list[Line]:
    lines, skipped, stems = [], [], _stems(pictures)
    for path in progress(pictures, what="inference", unit="pictures"):
        try:
            picture = load(path)
        except UserError as error:
            skipped.append(str(error))
            continue
        found = _shown(detector.detect(picture), params)
        drawn = _drawn(picture, found, params) if params.overlay else None
        files.finish(*_write(files, stems[path.name], found, params, drawn))
        lines.append(Line(path.name, len(found), found.seconds))
    for reason in skipped:
        log.warning("skipped: %s", reason)
    if len(skipped) == len(pictures):
        raise UserError(f"none of {len(pictures)} pictures can be read", where=pictures[0].parent)
    if skipped:
        log.warning("%d of %d pictures were skipped", len(skipped), len(pictures))
    return lines


def _stream(
    detector: Detector, source: PathLike, out: Path, files: _Files, params: ClusterParams
) -> list[Line]:
    text, lines = str(source), []
    stem = Path(text).stem if Path(text).is_file() else "camera"
    with _opened(text) as capture:
        total = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        every = max(total // KEY_FRAMES, 1) if total else _KEY_FRAME_EVERY
        with _writer(out / "annotated.mp4", capture) as write:
            frames = progress(_frames(capture), total=total or None, what="inference", unit="frames")
            try:
                for number, frame in enumerate(frames):
                    name = f"{stem}_{number:06d}"
                    found = _shown(detector.detect(frame), params)
                    drawn = _drawn(frame, found, params)
                    written = _write(files, name, found, params, None if number % every else drawn)
                    write(drawn)
                    files.finish(*written)
                    lines.append(Line(name, len(found), found.seconds))
            except KeyboardInterrupt:
                log.info("interrupted; what was seen until now is kept")
    return lines


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
    """uint8 RGB (H, W, 3) until the video ends."""
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)


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


def _write(
    files: _Files, stem: str, found: Found, params: ClusterParams, drawn: np.ndarray | None
) -> list[Path]:
    """Write the labels, if they are asked for, and the picture where there is one."""
    written = []
    if params.labels:
        names = [params.written(name) for name in found.names]
        write_detections(files.labels(stem), names, found.boxes, found.confidence)
        written.append(files.labels(stem))
    if drawn is not None:
        save_jpeg(files.picture(stem), drawn)
        written.append(files.picture(stem))
    return written


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
