"""Number plates as flat pictures: ground, patches, lettering, relief, and what weather does to them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectnet.sources.synthetic.fonts import write
from detectnet.sources.synthetic.layouts import LAYOUTS, Layout, Patch

_PIXELS_PER_METRE = 1200  # of the sprite; a 520 mm plate is 624 pixels wide
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


@dataclass(frozen=True)
class Plate:
    """A drawn plate: (h, w, 3) uint8 RGB sprite, its size in metres, its text, how strongly it reflects."""

    sprite: np.ndarray
    width: float
    height: float
    text: str


def draw_plate(layout_name: str, font_name: str, rng: np.random.Generator) -> Plate:
    """A clean plate of the given layout with an invented text."""
    layout = LAYOUTS[layout_name]
    width, height = layout.width / 1000, layout.height / 1000
    ground = layout.ground[rng.integers(len(layout.ground))]
    ink = layout.ink[rng.integers(len(layout.ink))]
    sprite = np.empty((round(height * _PIXELS_PER_METRE), round(width * _PIXELS_PER_METRE), 3), np.uint8)
    sprite[:] = ground
    if layout.graphic:
        _GRAPHICS[layout.graphic](sprite)
    for patch in layout.patches:
        _patch(sprite, patch, font_name, rng)
    texts = [_invent(patterns[rng.integers(len(patterns))], rng) for _, patterns in layout.lines]
    stretch = (0.5, float(rng.uniform(0.8, 1.15)))
    for (box, _), text in zip(layout.lines, texts):
        write(sprite, text, font_name, box, ink, stretch)
    _finish(sprite, layout, ink, rng)
    return Plate(sprite, width, height, " ".join(texts))


def _invent(pattern: str, rng: np.random.Generator) -> str:
    letters = rng.integers(len(_LETTERS), size=len(pattern))
    digits = rng.integers(10, size=len(pattern))
    drawn = {"A": lambda i: _LETTERS[letters[i]], "9": lambda i: str(digits[i])}
    return "".join(drawn[sign](i) if sign in drawn else sign for i, sign in enumerate(pattern))


def _patch(sprite: np.ndarray, patch: Patch, font_name: str, rng: np.random.Generator) -> None:
    height, width = sprite.shape[:2]
    x1, y1, x2, y2 = patch.box
    left, top, right, bottom = (round(part) for part in (x1 * width, y1 * height, x2 * width, y2 * height))
    cv2.rectangle(sprite, (left, top), (right - 1, bottom - 1), patch.colour, cv2.FILLED)
    if patch.ring:
        _stars(sprite, (left + right) / 2, top + 0.33 * (bottom - top), 0.3 * min(right - left, bottom - top))
    if patch.texts:
        text = patch.texts[rng.integers(len(patch.texts))]
        low = y1 + (0.62 if patch.ring else 0.16) * (y2 - y1)
        high = y1 + (0.90 if patch.ring else 0.84) * (y2 - y1)
        margin = 0.12 * (x2 - x1)
        write(sprite, text, font_name, (x1 + margin, low, x2 - margin, high), patch.ink, (0.6, 1.3))


def _stars(sprite: np.ndarray, x: float, y: float, radius: float) -> None:
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        centre = round(x + radius * np.sin(angle)), round(y - radius * np.cos(angle))
        cv2.circle(sprite, centre, max(1, round(radius * 0.14)), (250, 210, 40), cv2.FILLED, cv2.LINE_AA)


def _finish(sprite: np.ndarray, layout: Layout, ink: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Border, seals, screws and a slight relief of the pressed letters."""
    height, width = sprite.shape[:2]
    if layout.seal:
        cv2.circle(
            sprite,
            (round(0.415 * width), round(0.33 * height)),
            round(0.13 * height),
            (160, 150, 90),
            -1,
            cv2.LINE_AA,
        )
        cv2.circle(
            sprite,
            (round(0.415 * width), round(0.68 * height)),
            round(0.15 * height),
            (60, 110, 80),
            -1,
            cv2.LINE_AA,
        )
    if layout.border:
        inset, thick = max(3, height // 36), max(2, height // 45)
        cv2.rectangle(
            sprite, (inset, inset), (width - 1 - inset, height - 1 - inset), ink, thick, cv2.LINE_AA
        )
    if rng.random() < 0.6:
        for x in (0.13, 0.87) if width > 2 * height else (0.2, 0.8):
            where = round(x * width), round((0.5 if width > 3 * height else 0.1) * height)
            cv2.circle(sprite, where, max(2, height // 28), (120, 120, 118), -1, cv2.LINE_AA)
            cv2.circle(sprite, where, max(1, height // 60), (200, 200, 200), -1, cv2.LINE_AA)
    grey = cv2.cvtColor(sprite, cv2.COLOR_RGB2GRAY).astype(np.int16)
    relief = np.clip((grey - np.roll(grey, (2, 2), (0, 1))) // 5, -22, 22)
    sprite[:] = np.clip(sprite + relief[..., None], 0, 255).astype(np.uint8)


def _sunset(sprite: np.ndarray) -> None:
    height, width = sprite.shape[:2]
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sprite[:] = ((1 - ramp) * np.float32((250, 190, 150)) + ramp * np.float32((255, 240, 215))).astype(
        np.uint8
    )
    cv2.circle(
        sprite,
        (round(0.5 * width), round(0.62 * height)),
        round(0.3 * height),
        (255, 222, 150),
        -1,
        cv2.LINE_AA,
    )
    cv2.rectangle(sprite, (0, round(0.82 * height)), (width, height), (190, 205, 225), cv2.FILLED)


def _mountains(sprite: np.ndarray) -> None:
    height, width = sprite.shape[:2]
    for points, colour in (
        ([(0, 0.75), (0.2, 0.3), (0.4, 0.75)], (190, 210, 222)),
        ([(0.25, 0.8), (0.5, 0.24), (0.8, 0.8)], (178, 202, 214)),
        ([(0.6, 0.8), (0.85, 0.36), (1.0, 0.8)], (196, 214, 226)),
    ):
        corners = np.array([(x * width, y * height) for x, y in points], np.int32)
        cv2.fillPoly(sprite, [corners], colour, cv2.LINE_AA)
    cv2.rectangle(sprite, (0, round(0.8 * height)), (width, height), (188, 214, 186), cv2.FILLED)


def _green_fade(sprite: np.ndarray) -> None:
    ramp = np.linspace(0, 1, sprite.shape[0], dtype=np.float32)[:, None, None]
    sprite[:] = ((1 - ramp) * np.float32((240, 248, 242)) + ramp * np.float32((90, 200, 130))).astype(
        np.uint8
    )


_GRAPHICS = {"sunset": _sunset, "mountains": _mountains, "green_fade": _green_fade}


def soil(
    sprite: np.ndarray, amount: float, colour: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """The sprite under ``amount`` (0..1) of dirt or dust: patchy, thicker towards the lower edge."""
    height, width = sprite.shape[:2]
    coarse = cv2.resize(rng.random((4, 9), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.random((24, 72), np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    low = np.linspace(-0.15, 0.15, height, dtype=np.float32)[:, None]
    cover = np.clip((0.65 * coarse + 0.35 * fine + low + amount - 0.95) * 2.5, 0, 0.85)[..., None]
    return (sprite * (1 - cover) + np.float32(colour) * cover).astype(np.uint8)
