"""Draws vehicles by chance: body, colour, lettering, plate, and what covers the plate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectnet.sources.synthetic import lettered
from detectnet.sources.synthetic.backgrounds import Background
from detectnet.sources.synthetic.bodies import BODIES
from detectnet.sources.synthetic.layouts import LAYOUTS
from detectnet.sources.synthetic.lettered import pick
from detectnet.sources.synthetic.light import Light
from detectnet.sources.synthetic.plates import draw_plate, soil
from detectnet.sources.synthetic.scenes import LETTERED
from detectnet.sources.synthetic.vehicles import Decal, Mount, Vehicle

Rng = np.random.Generator
PAINTS = (
    (24, 25, 28), (228, 230, 230), (150, 154, 158), (92, 96, 102), (150, 22, 28), (26, 52, 110), (40, 70, 60),
    (196, 188, 170), (90, 40, 36), (200, 120, 30), (60, 110, 160), (52, 54, 60), (214, 190, 60), (120,
    150, 170),
)  # fmt: skip
CARS = (
    "hatchback",
    "hatchback",
    "saloon",
    "saloon",
    "estate_suv",
    "estate_suv",
    "van",
    "motorcycle",
    "lorry",
    "bus",
)


@dataclass(frozen=True)
class Choice:
    """What scenes may be made of; see ``render.Settings``."""

    width: int
    height: int
    plate_width: tuple[float, float]
    empty_share: float
    distractor_share: float
    layouts: tuple[str, ...]
    fonts: tuple[str, ...]
    backgrounds: tuple[str, ...]


def some_vehicle(
    choice: Choice, background: Background, light: Light, rng: Rng, letters: bool, towards: bool | None = None
) -> Vehicle:
    """A vehicle at the origin that drives away or towards the camera, without plates."""
    towards = bool(rng.random() < 0.45) if towards is None else towards
    left_out = {"motorcycle"} if towards else set()  # they are drawn from behind only
    if 0 < background.roof < 4:
        left_out |= {"lorry", "bus"}
    body = str(pick(tuple(name for name in CARS if name not in left_out), rng))
    heading = (np.pi if towards else 0.0) + float(np.clip(rng.normal(0, background.turn), -0.6, 0.6))
    paint = tuple(int(part) for part in np.clip(np.array(pick(PAINTS, rng)) + rng.normal(0, 10, 3), 8, 240))
    box = tuple(
        int(part)
        for part in pick(
            ((226, 226, 222), (200, 60, 50), (60, 90, 150), (230, 200, 90), (150, 160, 150)), rng
        )
    )
    scale = tuple(float(part) for part in rng.normal(1.0, 0.03, 3))
    vehicle = Vehicle(
        body,
        paint,
        (0.0, 0.0),
        heading,
        scale,
        box,
        bool(light.night or rng.random() < 0.2),
        int(rng.integers(0, 4)),
    )
    return replace(vehicle, decals=_decals(choice, vehicle, towards, rng)) if letters else vehicle


def _decals(choice: Choice, vehicle: Vehicle, towards: bool, rng: Rng) -> tuple[Decal, ...]:
    end, form = ("front" if towards else "rear"), BODIES[vehicle.body]
    spec, made = getattr(form, end), []
    font = str(pick(choice.fonts, rng))
    if spec.lettering and rng.random() < 0.75:
        if vehicle.body in ("van", "lorry") and not towards:
            sign = lettered.firm_band(rng, font)
            wide = 1.3 if vehicle.body == "van" else 2.0
            made.append(
                Decal(
                    sign.sprite,
                    end,
                    (0.0, spec.lettering),
                    (wide, wide * sign.height / sign.width),
                    LETTERED + 90,
                )
            )
        else:
            sign = lettered.badge(rng, font)
            side = 0.0 if spec.lettering > 1.5 else float(rng.choice([-0.55, 0.55]))
            made.append(
                Decal(sign.sprite, end, (side, spec.lettering), (sign.width, sign.height), LETTERED + 91)
            )
    if not towards and rng.random() < 0.4:
        sign = lettered.sticker(rng, font)
        made.append(
            Decal(
                sign.sprite,
                end,
                (float(rng.choice([-0.6, 0.6])), form.outline[1][1] + 0.1),
                (sign.width, sign.height),
                LETTERED + 92,
            )
        )
    return tuple(made)


def fit_plate(
    choice: Choice, vehicle: Vehicle, light: Light, identity: int, letters: bool, rng: Rng
) -> Vehicle:
    """The vehicle with a plate on the end that it shows."""
    end = "rear" if np.cos(vehicle.heading) > 0 else "front"
    plate = draw_plate(_layout(choice.layouts, vehicle.body, rng), str(pick(choice.fonts, rng)), rng)
    sprite = plate.sprite
    if rng.random() < 0.35:
        mud = ((112, 92, 70), (150, 146, 138), (70, 66, 60))[rng.integers(3)]
        sprite = soil(sprite, float(rng.uniform(0.05, 0.42)), mud, rng)
    centre = float(pick(getattr(BODIES[vehicle.body], end).plate, rng))
    shine = float(rng.uniform(0.95, 1.35))
    if light.night and rng.random() < 0.7:
        shine = float(rng.uniform(1.6, 4.0))
    elif rng.random() < 0.06:
        shine = float(rng.uniform(1.4, 2.0))
    holder = None if rng.random() < 0.35 else ((24, 24, 26), (24, 24, 26), (170, 172, 176))[rng.integers(3)]
    captioned = holder is not None and letters and rng.random() < 0.5
    written = lettered.dealer_caption(rng, str(pick(choice.fonts, rng))).sprite if captioned else None
    occluder = _occluder(end, light, rng)
    mount = Mount(
        sprite,
        (plate.width, plate.height),
        end,
        (float(rng.normal(0, 0.01)), centre),
        float(rng.normal(0.04, 0.06)),
        float(rng.normal(0, 0.02)),
        shine,
        holder,
        written,
        identity,
        occluder,
        int(rng.integers(2**31)),
    )
    return replace(vehicle, mounts=(mount,))


def _layout(names: tuple[str, ...], body: str, rng: Rng) -> str:
    """Motorcycles carry short plates where there are any, cars all but the motorcycles' own."""
    short = [name for name in names if LAYOUTS[name].width <= 335]
    longer = [name for name in names if name != "moto_square"]
    return str(pick(tuple((short if body == "motorcycle" else longer) or names), rng))


def _occluder(end: str, light: Light, rng: Rng) -> str:
    """Most plates are free; a tow bar hangs at the rear only, a bull bar at the front only."""
    if rng.random() > 0.16:
        return ""
    options = ("frame", "mud", "strap", "snow" if light.ground[2] > 150 else "mud")
    return str(pick((*options, "tow bar", "tow bar") if end == "rear" else (*options, "bull bar"), rng))
