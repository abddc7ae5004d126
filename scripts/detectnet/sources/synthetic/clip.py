"""A short film of passing cars, with the box of every plate in every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from detectnet.errors import UserError
from detectnet.files import atomic_path, write_csv
from detectnet.logs import log, progress
from detectnet.sources.synthetic.backgrounds import BACKGROUNDS
from detectnet.sources.synthetic.camera import Camera
from detectnet.sources.synthetic.canvas import Canvas
from detectnet.sources.synthetic.composing import boards, row_of
from detectnet.sources.synthetic.effects import Effects, develop
from detectnet.sources.synthetic.equipment import Choice, fit_plate, some_vehicle
from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.render import chosen_names, known_names
from detectnet.sources.synthetic.scenes import Scene, empty_place, finished, paint
from detectnet.sources.synthetic.structures import Site
from detectnet.sources.synthetic.truth import Seen, far_plates, judged, without
from detectnet.sources.synthetic.vehicles import Vehicle
from detectnet.sources.synthetic.weather import LIGHTS

Rng = np.random.Generator


@dataclass(frozen=True)
class ClipSettings:
    """What to film.

    Args:
        seed: of everything.
        seconds, fps, width, height: of the film; pixels.
        layouts, fonts, backgrounds: names that may occur, as for scenes; empty means all
            (absent backgrounds are the street, where traffic passes)
    """

    seed: int = 1
    seconds: float = 10.0
    fps: int = 20
    width: int = 960
    height: int = 540
    layouts: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ("street",)

    @classmethod
    def read(cls, settings: dict) -> ClipSettings:
        """Settings from a mapping; UserError names what is unknown or out of range."""
        known_names(cls, settings, "a clip")
        made = cls(**chosen_names({**asdict(cls()), **settings}))
        ranges = {
            "seconds": (0 < made.seconds <= 600, "more than 0, to 600"),
            "fps": (1 <= made.fps <= 60, "1 to 60"),
            "width": (160 <= made.width <= 1280 and made.width % 2 == 0, "even, 160 to 1280"),
            "height": (120 <= made.height <= 1280 and made.height % 2 == 0, "even, 120 to 1280"),
        }
        for name, (fine, allowed) in ranges.items():
            if not fine:
                raise UserError(
                    f"{getattr(made, name)} is out of range", where=f"settings.{name}", allowed=allowed
                )
        return made


@dataclass(frozen=True)
class Passing:
    """A vehicle on its way: where its rear end is at time 0 (Y), and metres a second along +Y."""

    vehicle: Vehicle
    start: float
    speed: float

    def at(self, seconds: float) -> Vehicle:
        """The vehicle at a time."""
        return self.vehicle.placed((self.vehicle.position[0], self.start + self.speed * seconds))


def render_clip(settings: dict, out_path: Path) -> pd.DataFrame:
    """Write an MPEG-4 film and, beside it, ``<name>.labels.csv`` (frame, x1, y1, x2, y2).

    Args:
        settings: see ``ClipSettings``.
        out_path: ``*.mp4``.

    Returns:
        The labels; frames are counted from 0, boxes are pixels of the film.

    Raises:
        UserError: an impossible setting, or no codec to write the film with.
    """
    read, out = ClipSettings.read(settings), Path(out_path)
    rows = []
    with atomic_path(out) as temporary:
        writer = cv2.VideoWriter(
            str(temporary), cv2.VideoWriter_fourcc(*"mp4v"), read.fps, (read.width, read.height)
        )
        if not writer.isOpened():
            raise UserError(
                "OpenCV cannot write an MPEG-4 film here", where=out, allowed="a path that ends in .mp4"
            )
        count = round(read.seconds * read.fps)
        for frame, (picture, boxes) in enumerate(
            progress(frames(read), total=count, what="filming", unit="frames")
        ):
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            rows += [(frame, *box) for box in boxes]
        writer.release()
    table = pd.DataFrame(rows, columns=["frame", "x1", "y1", "x2", "y2"]).round(2)
    write_csv(out.with_suffix(".labels.csv"), table)
    log.info("%s: %d frames, plates in %d of them", out, count, table["frame"].nunique())
    return table


def frames(settings: ClipSettings) -> Iterator[tuple[np.ndarray, list[tuple[float, float, float, float]]]]:
    """Yield (H, W, 3) uint8 RGB and the boxes of its plates, frame by frame."""
    rng = np.random.Generator(np.random.PCG64([settings.seed, 2**32 - 1]))
    scene, traffic = _stage(settings, rng)
    # Nothing at the roadside can come between the camera over the road and the lanes, so it is drawn once.
    place = paint(replace(scene, vehicles=()), empty_place(scene)).canvas
    scene = replace(scene, posts=())
    hidden: dict[int, int] = {}  # identity of a plate -> frame up to which it stays off
    for frame in range(round(settings.seconds * settings.fps)):
        now = replace(scene, vehicles=_present(traffic, frame / settings.fps))
        painter, plates = _settled(now, place, hidden, frame)
        yield develop(finished(painter), replace(scene.effects, seed=frame)), [seen.box for seen in plates]


def _settled(scene: Scene, place: Canvas, hidden: dict[int, int], frame: int) -> tuple[Painter, list[Seen]]:
    """One frame without the plates that are too far or too hidden.

    What is hidden in one frame nearly always is in the next, so it stays off for a while: else nearly
    every frame would have to be painted twice.
    """
    scene = without(scene, far_plates(scene) | {one for one, until in hidden.items() if until >= frame})
    while True:
        painter = paint(scene, place)
        plates, bad = judged(scene, painter)
        if not bad:
            return painter, plates
        hidden.update(dict.fromkeys(bad, frame + 6))
        scene = without(scene, bad)


def _present(traffic: list[Passing], seconds: float) -> tuple[Vehicle, ...]:
    vehicles = [passing.at(seconds) for passing in traffic]
    return tuple(one for one in vehicles if 1.0 < one.middle()[1] < 85)


def _stage(settings: ClipSettings, rng: Rng) -> tuple[Scene, list[Passing]]:
    """The street with its camera over the roadside, and the traffic of the whole film."""
    background = BACKGROUNDS[settings.backgrounds[int(rng.integers(len(settings.backgrounds)))]]
    light = LIGHTS[background.lights[int(rng.integers(len(background.lights)))]](rng)
    choice = Choice(
        settings.width,
        settings.height,
        (16.0, 200.0),
        0.0,
        1.0,
        settings.layouts,
        settings.fonts,
        settings.backgrounds,
    )
    site = Site(0.0, max(3.6, background.half_road), max(3.6, background.half_road) + 3.0)
    camera = Camera(settings.width, settings.height, settings.width * 1.05, (-0.6, 0.0, 2.6))
    camera = camera.aimed((0.0, 14.0, 0.6), settings.width * 0.5, settings.height * 0.56)
    posts = tuple(post for kind in background.posts for post in row_of(kind, site, rng))
    effects = Effects(defocus=0.4, noise=1.6, quality=90)
    scene = Scene(
        camera,
        light,
        background,
        site,
        (),
        posts,
        boards(choice, True, rng),
        (),
        None,
        effects,
        float(rng.uniform(0.2, background.clouds + 0.2)),
        int(rng.integers(1, 2**30)),
        True,
    )
    return scene, _traffic(settings, choice, scene, rng)


def _traffic(settings: ClipSettings, choice: Choice, scene: Scene, rng: Rng) -> list[Passing]:
    """Two lanes: on the left vehicles come nearer, on the right they drive away, each lane at one pace."""
    made: list[Passing] = []
    for towards, lane in ((True, -1.75), (False, 1.75)):
        speed = float(rng.uniform(6.5, 9.5)) * (-1 if towards else 1)
        gap = float(rng.uniform(13, 17))
        reach = abs(speed) * settings.seconds + 60
        start = 14.0 if towards else 30.0
        while abs(start - 14.0) < reach:
            one = some_vehicle(choice, scene.background, scene.light, rng, True, towards)
            one = fit_plate(choice, one, scene.light, 1 + len(made) % 90, True, rng)
            one = replace(
                one, heading=np.pi if towards else 0.0, position=(lane + float(rng.normal(0, 0.15)), 0.0)
            )
            made.append(Passing(one, start, speed))
            start += (gap + one.length * float(rng.uniform(0.6, 1.6))) * (1 if towards else -1)
    return made
