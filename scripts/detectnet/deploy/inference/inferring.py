"""Run a detector over a picture, a folder, a video or a camera, and write what it finds.

``labels/`` gets one KITTI file of 16 columns for each picture or frame, in pixels of the original and empty
where nothing is found; ``images_annotated/`` the pictures with boxes drawn in. A video becomes
``annotated.mp4``, and of its frames only a few are kept as pictures. ``inference.csv`` lists everything,
``detections.csv`` and ``coco.json`` hold all objects where they are asked for.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.pictures import SUFFIXES, load
from detectnet.deploy.cluster_params import ClusterParams
from detectnet.deploy.inference.ahead import ahead, newest
from detectnet.deploy.inference.interrupts import held_back
from detectnet.deploy.inference.journal import JOURNAL, Journal
from detectnet.deploy.inference.output import Files, Video, drawn, video_file
from detectnet.deploy.inference.screen import Meter, check_display, show, with_rate
from detectnet.deploy.inference.seen import FORMATS, Seen
from detectnet.deploy.inference.sources import File, Stream, is_stream, opened, pictures
from detectnet.deploy.runtime import Detector, Found
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log, progress

KITTI = "kitti"
FORMAT_NAMES = (KITTI, *FORMATS)
KEY_FRAMES = 8
"""How many frames of a video are kept as pictures, evenly spread."""
_KEY_FRAME_EVERY = 250


@dataclass(frozen=True)
class Wanted:
    """What of a source is looked at, and what comes of it beside the labels.

    Attributes:
        every: of so many pictures or frames one is looked at, the first to begin with.
        limit: look at no more than so many.
        formats: of ``FORMAT_NAMES``; KITTI's labels are written unless an inference spec says otherwise.
        resume: leave out pictures that an earlier, interrupted run with the same settings has done.
        show: show what is drawn in a window, too.
        model: what identifies the model file, as its sha256; goes on only where it is the same.
    """

    every: int = 1
    limit: int | None = None
    formats: Sequence[str] = (KITTI,)
    resume: bool = False
    show: bool = False
    model: str = ""


@dataclass(frozen=True)
class _Run:
    """What every picture of a run needs."""

    detector: Detector
    params: ClusterParams
    wanted: Wanted
    files: Files

    def found(self, picture: np.ndarray) -> Found:
        """What is reported of a picture."""
        found, shows = self.detector.detect(picture), self.params.shows
        keep = [index for index, name in enumerate(found.names) if shows(name)]
        names = tuple(found.names[index] for index in keep)
        return Found(names, found.boxes[keep], found.confidence[keep], found.seconds)

    def seen(self, name: str, picture: np.ndarray, found: Found) -> Seen:
        """The record of a picture."""
        return Seen.of(name, picture.shape, found, self.params.written)

    @property
    def classes(self) -> list[str]:
        """Every class as it is written, in the order of the network's channels."""
        return [self.params.written(name).lower() for name in self.detector.contract.classes]


def infer(
    detector: Detector,
    source: PathLike | Sequence[PathLike],
    out_dir: PathLike,
    params: ClusterParams | None = None,
    *,
    suffixes: Collection[str] = SUFFIXES,
    wanted: Wanted | None = None,
) -> list[Seen]:
    """Find objects in everything that ``source`` holds.

    Args:
        detector: of any stage.
        source: a picture, a folder of pictures (not its sub-folders), a pattern as ``cars/*.jpg``, several
            of these; or a video, a camera's number, an ``rtsp://`` or ``http://`` address.
        out_dir: gets the files; the labels and pictures of an earlier inference are removed.
        params: clustering, names and colours, and what is written; by default the detector's own clustering.
        suffixes: what counts as a picture in a folder, lower case.
        wanted: what is looked at, and the formats; everything, and KITTI's, by default.

    Returns:
        A record for each picture or frame, in the order of the source. Frames are called
        ``<video>_<6 digits>``, counted from 0. An interrupted video or camera gives those until then. Frames
        that a camera sends faster than the network works are left out.
        Files are called after the picture's stem, and after more of its path where several share a stem.
        Labels are equal byte for byte for equal pictures, model and number of threads; another number of
        threads may add in another order, and change the last decimal.

    Raises:
        UserError: the source is missing, empty or unreadable, or ``out_dir`` holds the source itself or
            labels that no inference wrote.
    """
    params = params or ClusterParams.from_contract(detector.contract)
    wanted = wanted or Wanted()
    detector = Detector(detector.network, params.applied(detector.contract), detector.mode)
    sources = [source] if isinstance(source, (str, Path)) else list(source)
    out = Path(out_dir)
    run = _Run(detector, params, wanted, Files(out))
    if wanted.show:
        check_display()
    stream = any(map(is_stream, sources))
    seen = _of_stream(run, sources, out) if stream else _of(run, sources, out, suffixes)
    run.files.remove_others()
    run.files.write_lists(seen, wanted.formats, run.classes)
    unit, total = "frames" if stream else "pictures", sum(one.detections for one in seen)
    log.info("%d detections in %d %s: %s", total, len(seen), unit, out)
    return seen


def _of(run: _Run, sources: Sequence[PathLike], out: Path, suffixes: Collection[str]) -> list[Seen]:
    """Everything in pictures; interrupted, it keeps what is whole for going on."""
    found = pictures(sources, suffixes)
    run.files.check({*sources, *(file.path.resolve().parent for file in found)})
    files = found[:: run.wanted.every][: run.wanted.limit]
    settings = [
        dataclasses.asdict(run.detector.contract),
        {**dataclasses.asdict(run.params), "where": ""},
        [run.detector.mode, run.wanted.model],
    ]
    journal = Journal(out, settings, resume=run.wanted.resume)
    run.files.begin()
    done = _done(run, files, journal)
    try:
        seen = done | _each(run, [file for file in files if file.name not in done], journal)
    except KeyboardInterrupt:
        run.files.remove_others()
        log.info("interrupted; what is done is in %s, and --resume goes on from there", out)
        raise
    if not seen:
        raise UserError(f"none of {len(files)} pictures can be read", where=files[0].path.parent)
    return [seen[file.name] for file in files if file.name in seen]


def _done(run: _Run, files: Sequence[File], journal: Journal) -> dict[str, Seen]:
    """What an earlier run has found, by name, where its files are still there."""
    done = {}
    for file in files if run.wanted.resume else ():
        own = run.files.of(file.stem, run.params)
        seen = journal.find(file)
        if seen is not None and all(path.is_file() for path in own):
            run.files.finish(own)
            done[file.name] = seen
    if done:
        log.info("%d of %d pictures are done already", len(done), len(files))
    return done


def _each(run: _Run, files: Sequence[File], journal: Journal) -> dict[str, Seen]:
    seen, skipped, meter = {}, [], Meter()
    with closing(ahead(_loaded(files))) as coming:
        for file, picture in progress(coming, total=len(files), what="inference", unit="pictures"):
            if isinstance(picture, UserError):
                skipped.append(picture)
                continue
            found = run.found(picture)
            made = drawn(picture, found, run.params) if run.params.overlay or run.wanted.show else None
            with held_back():
                written = run.files.write(file.stem, found, run.params, made if run.params.overlay else None)
                seen[file.name] = run.seen(file.name, picture, found)
                run.files.finish(written)
                journal.add(file, seen[file.name])
            if run.wanted.show and not show(with_rate(made, meter.tick())):
                raise KeyboardInterrupt
    for reason in skipped:
        log.warning("skipped: %s", reason)
    if skipped:
        log.warning("%d of %d pictures were skipped", len(skipped), len(files))
    return seen


def _loaded(files: Sequence[File]) -> Iterator[tuple[File, np.ndarray | UserError]]:
    """Every picture, uint8 RGB (H, W, 3), or why it cannot be read."""
    for file in files:
        try:
            yield file, load(file.path)
        except UserError as error:
            yield file, error


def _of_stream(run: _Run, sources: Sequence[PathLike], out: Path) -> list[Seen]:
    """Everything in the frames of a video, a camera or an address."""
    if len(sources) > 1:
        raise UserError("a video or camera is looked at alone", where=", ".join(map(str, sources)))
    if run.wanted.resume:
        raise UserError("a video or camera cannot be gone on with", remedy="Leave --resume out.")
    run.files.check(source for source in sources if Path(source).is_file())
    with opened(sources[0], run.wanted.every) as stream:
        run.files.begin()
        (out / JOURNAL).unlink(missing_ok=True)
        rate = stream.capture.get(cv2.CAP_PROP_FPS) / run.wanted.every
        with video_file(run.files.video, rate) as video:
            seen = _frames(run, stream, video)
        stream.report()
    return seen


def _frames(run: _Run, stream: Stream, video: Video) -> list[Seen]:
    count = min(filter(None, (stream.wanted, run.wanted.limit)), default=0)
    key = max(count // KEY_FRAMES, 1) if stream.total else _KEY_FRAME_EVERY
    seen, before, meter = [], -run.wanted.every, Meter()
    with closing((newest if stream.live else ahead)(stream.frames())) as coming:
        wanted = itertools.islice(coming, run.wanted.limit)
        try:
            for number, frame in progress(wanted, total=count or None, what="inference", unit="frames"):
                name = f"{stream.name}_{number:06d}"
                found = run.found(frame)
                made, rate = drawn(frame, found, run.params), meter.tick()
                own = with_rate(made, rate) if stream.live else made
                with held_back():
                    written = run.files.write(name, found, run.params, None if len(seen) % key else own)
                    # What was left out stands still in the video, so that it lasts as long as the source.
                    video.append(own, (number - before) // run.wanted.every)
                    before = number
                    run.files.finish(written)
                    seen.append(run.seen(name, frame, found))
                if run.wanted.show and not show(own if stream.live else with_rate(made, rate)):
                    break
        except KeyboardInterrupt:
            log.info("interrupted; what was seen until now is kept")
    if not seen:
        raise UserError("no frame of the video or camera can be read", where=stream.name)
    left_out = before // run.wanted.every + 1 - len(seen) - len(stream.damaged)
    if left_out > 0:
        log.warning("%d frames came faster than the network works, and were left out", left_out)
    return seen
