"""The stage that renders a source of synthetic scenes: pictures, KITTI labels, and what was made."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from detectnet.data.kitti import write_labels
from detectnet.data.workers import every
from detectnet.errors import UserError, did_you_mean
from detectnet.files import atomic_path, write_json
from detectnet.logs import log
from detectnet.sources.synthetic.backgrounds import BACKGROUNDS
from detectnet.sources.synthetic.composing import caption, compose
from detectnet.sources.synthetic.effects import develop, encode
from detectnet.sources.synthetic.equipment import Choice
from detectnet.sources.synthetic.fonts import FONTS
from detectnet.sources.synthetic.layouts import LAYOUTS
from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.scenes import LETTERED, finished, paint_caption
from detectnet.sources.synthetic.truth import NARROWEST, Seen, label, settle
from detectnet.sources.trees import describe

VERSION = 1  # raised whenever equal settings give other pictures


REGISTRIES = {"layouts": LAYOUTS, "fonts": FONTS, "backgrounds": BACKGROUNDS}


def known_names(cls: type, settings: dict, what: str) -> None:
    """Raise UserError for a key of ``settings`` that is no field of the dataclass ``cls``."""
    known = [field.name for field in fields(cls)]
    for name in settings:
        if name not in known:
            raise UserError(
                f"'{name}' is not a setting of {what}",
                where=f"settings.{name}",
                allowed=known,
                remedy=did_you_mean(name, known) or None,
            )


def chosen_names(settings: dict) -> dict:
    """``settings`` with lists as tuples, and every empty list of names filled with all of them.

    Raises:
        UserError: a layout, font or background that does not exist.
    """
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    for name, registry in REGISTRIES.items():
        values[name] = values[name] or tuple(registry)
        for entry in values[name]:
            if entry not in registry:
                raise UserError(
                    f"'{entry}' is not among the {name}",
                    where=f"settings.{name}",
                    allowed=registry,
                    remedy=did_you_mean(str(entry), registry) or None,
                )
    return values


@dataclass(frozen=True)
class Settings:
    """What to render.

    Args:
        count: scenes.
        seed: of everything; scene i depends on (seed, i) only.
        width, height: pixels of most scenes; some are 4:3 or portrait, with the same longer side.
        plate_width: smallest and largest width in pixels at a longer side of 640, drawn log-uniformly.
        empty_share: share of scenes without plates.
        distractor_share: share of scenes with lettering that is no plate.
        layouts, fonts, backgrounds: names that may occur; empty means all.
    """

    count: int = 100
    seed: int = 1
    width: int = 960
    height: int = 540
    plate_width: tuple[float, float] = (16.0, 200.0)
    empty_share: float = 0.2
    distractor_share: float = 0.6
    layouts: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()

    @classmethod
    def read(cls, settings: dict) -> Settings:
        """Settings from a mapping; UserError names what is unknown or out of range."""
        known_names(cls, settings, "synthetic scenes")
        made = cls(**chosen_names({**asdict(cls()), **settings}))
        made.check()
        return made

    def check(self) -> None:
        """Raise UserError for a value out of range."""
        low, high = self.plate_width
        ranges = {
            "count": (self.count >= 1, "1 or more"),
            "width": (320 <= self.width <= 1280, "320 to 1280"),
            "height": (240 <= self.height <= 1280, "240 to 1280"),
            "plate_width": (NARROWEST <= low <= high <= 300, f"{NARROWEST:g} <= smallest <= largest <= 300"),
            "empty_share": (0 <= self.empty_share <= 1, "0 to 1"),
            "distractor_share": (0 <= self.distractor_share <= 1, "0 to 1"),
        }
        for name, (fine, allowed) in ranges.items():
            if not fine:
                raise UserError(
                    f"{getattr(self, name)} is out of range", where=f"settings.{name}", allowed=allowed
                )

    def choice(self) -> Choice:
        """What scenes are drawn from."""
        return Choice(**{field.name: getattr(self, field.name) for field in fields(Choice)})


@dataclass(frozen=True)
class Rendered:
    """A finished picture: RGB uint8, its visible plates, whether other lettering is visible, JPEG quality."""

    picture: np.ndarray
    plates: list[Seen]
    lettered: bool
    quality: int


def render_source(settings: dict, out_dir: Path, workers: int = 1) -> dict:
    """Render a source: ``images/*.jpg``, ``labels/*.txt`` (KITTI, 15 columns), ``source.json``.

    Args:
        settings: see ``Settings``.
        out_dir: made if missing; its ``images`` and ``labels`` are replaced.
        workers: processes; the files are the same for any number.

    Returns:
        The content of ``source.json``.

    Raises:
        UserError: an unknown or impossible setting.
    """
    read = Settings.read(settings)
    _clear(Path(out_dir))
    job = partial(_render_one, read, Path(out_dir))
    rows = list(every(job, range(read.count), workers=workers, what="rendering", unit="scenes"))
    counts = {
        "scenes": read.count,
        "plates": sum(row[0] for row in rows),
        "without_plates": sum(row[0] == 0 for row in rows),
        "with_lettering": sum(row[1] for row in rows),
    }
    content = {
        "version": VERSION,
        "settings": asdict(read),
        "counts": counts,
        "content": describe(Path(out_dir))["content"],
    }
    write_json(Path(out_dir) / "source.json", content)
    log.info(
        "%d scenes with %d plates; %d without plates, %d with other lettering",
        read.count,
        counts["plates"],
        counts["without_plates"],
        counts["with_lettering"],
    )
    return content


def _clear(out_dir: Path) -> None:
    """Remove an earlier result, ``source.json`` first: while it is missing, nothing looks finished."""
    (out_dir / "source.json").unlink(missing_ok=True)
    for name in ("images", "labels"):
        shutil.rmtree(out_dir / name, ignore_errors=True)


def render_scene(settings: Settings, index: int) -> Rendered:
    """Scene ``index`` of the settings, a function of (seed, index) alone."""
    rng = np.random.Generator(np.random.PCG64([settings.seed, index]))
    scene = compose(settings.choice(), rng)
    painter, plates = settle(scene)
    is_lettered = _lettered(painter)
    if scene.lettered and not is_lettered:
        paint_caption(painter, caption(settings.fonts, rng))
        is_lettered = True
    picture = develop(finished(painter), scene.effects)
    return Rendered(picture, plates, is_lettered, scene.effects.quality)


def _lettered(painter: Painter) -> bool:
    """Whether lettering that is no plate covers more than a few pixels."""
    named = cv2.extractChannel(painter.canvas.pixels, 3)
    return cv2.countNonZero(cv2.compare(named, LETTERED, cv2.CMP_GE)) > 200


def _render_one(settings: Settings, out_dir: Path, index: int) -> tuple[int, bool]:
    cv2.setNumThreads(1)
    rendered = render_scene(settings, index)
    stem = f"{index:06d}"
    with atomic_path(out_dir / "images" / f"{stem}.jpg") as temporary:
        temporary.write_bytes(encode(rendered.picture, rendered.quality))
    write_labels(out_dir / "labels" / f"{stem}.txt", [label(seen) for seen in rendered.plates])
    return len(rendered.plates), rendered.lettered
