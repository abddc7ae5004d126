"""Trees, bushes and far woods as sprites, drawn once and kept."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

VARIANTS = 10
_SIZE = 320


@cache
def tree(kind: str, variant: int) -> np.ndarray:
    """(h, w, 4) uint8 sprite; kinds: "leafy", "conifer", "bare", "bush", "palm"."""
    rng = np.random.Generator(np.random.PCG64([91, variant, sorted(_DRAWN).index(kind)]))
    sprite = np.zeros((_SIZE * 2, _SIZE * 2, 4), np.uint8)
    sprite[..., :3] = (60, 74, 44)
    _DRAWN[kind](sprite, rng)
    return cv2.resize(sprite, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)


def _trunk(sprite: np.ndarray, top: float, width: int, colour: tuple[int, int, int, int]) -> None:
    size = sprite.shape[0]
    corners = np.array(
        [
            (size / 2 - width, size),
            (size / 2 + width, size),
            (size / 2 + width * 0.5, top * size),
            (size / 2 - width * 0.5, top * size),
        ]
    )
    cv2.fillConvexPoly(sprite, corners.astype(np.int32), colour, cv2.LINE_AA)


def _leaves(
    sprite: np.ndarray, rng: np.random.Generator, centres: np.ndarray, radius: float, tone: np.ndarray
) -> None:
    """Many small discs, lighter where they look up and to the light."""
    size = sprite.shape[0]
    order = np.argsort(-centres[:, 1])
    for x, y in centres[order]:
        for _ in range(22):
            dx, dy = rng.normal(0, radius * 0.5, 2)
            bright = np.clip(
                0.95 - 0.42 * (y / size - 0.3) - 0.9 * dy / size * 4 + rng.normal(0, 0.13), 0.4, 1.5
            )
            colour = *(float(part) for part in np.clip(tone * bright, 0, 255)), 255.0
            cv2.circle(
                sprite,
                (int(x + dx), int(y + dy)),
                int(radius * rng.uniform(0.08, 0.2)),
                colour,
                -1,
                cv2.LINE_AA,
            )


def _leafy(sprite: np.ndarray, rng: np.random.Generator) -> None:
    size = sprite.shape[0]
    _trunk(sprite, 0.4, 16, (74, 60, 46, 255))
    turn, far = rng.uniform(0, 2 * np.pi, 90), np.sqrt(rng.uniform(0, 1, 90))
    centres = np.column_stack(
        [size * (0.5 + 0.38 * far * np.cos(turn)), size * (0.38 + 0.32 * far * np.sin(turn))]
    )
    _leaves(sprite, rng, centres, size * 0.075, np.array((82, 112, 48)) + rng.normal(0, 10, 3))


def _conifer(sprite: np.ndarray, rng: np.random.Generator) -> None:
    size = sprite.shape[0]
    _trunk(sprite, 0.2, 10, (66, 54, 44, 255))
    level = np.sqrt(rng.uniform(0, 1, 150))
    centres = np.column_stack(
        [size * (0.5 + 0.27 * level * rng.uniform(-1, 1, 150)), size * (0.05 + 0.83 * level)]
    )
    _leaves(sprite, rng, centres, size * 0.055, np.array((52, 80, 52)) + rng.normal(0, 7, 3))


def _bush(sprite: np.ndarray, rng: np.random.Generator) -> None:
    size = sprite.shape[0]
    turn, far = rng.uniform(0, np.pi, 90), np.sqrt(rng.uniform(0, 1, 90))
    centres = np.column_stack(
        [size * (0.5 + 0.4 * far * np.cos(turn)), size * (0.97 - 0.55 * far * np.sin(turn))]
    )
    _leaves(sprite, rng, centres, size * 0.09, np.array((74, 104, 46)) + rng.normal(0, 10, 3))


def _bare(sprite: np.ndarray, rng: np.random.Generator) -> None:
    size = sprite.shape[0]

    def branch(x: float, y: float, angle: float, length: float, width: float) -> None:
        end = x + length * np.sin(angle), y - length * np.cos(angle)
        cv2.line(
            sprite,
            (int(x), int(y)),
            (int(end[0]), int(end[1])),
            (70, 62, 58, 255),
            max(1, int(width)),
            cv2.LINE_AA,
        )
        if length > size * 0.035:
            for turn in (rng.uniform(-0.75, -0.15), rng.uniform(0.15, 0.75)):
                branch(*end, angle + turn, length * rng.uniform(0.66, 0.82), width * 0.68)

    sprite[..., :3] = (70, 62, 58)
    branch(size / 2, size, 0.0, size * 0.27, 18)


def _palm(sprite: np.ndarray, rng: np.random.Generator) -> None:
    size = sprite.shape[0]
    _trunk(sprite, 0.25, 11, (120, 100, 76, 255))
    for angle in np.linspace(0, 2 * np.pi, 17) + rng.uniform(0, 0.3):
        share = np.linspace(0, 1, 12)
        reach = size * 0.36 * rng.uniform(0.8, 1.1)
        x = size / 2 + reach * share * np.cos(angle)
        y = size * 0.25 - reach * 0.8 * share * np.sin(angle) * 0.6 + reach * 0.55 * share**2
        tone = np.array((84, 112, 58)) * rng.uniform(0.7, 1.2)
        colour = *(float(part) for part in tone), 255.0
        for start, end, width in zip(np.c_[x, y][:-1], np.c_[x, y][1:], np.linspace(20, 4, 11)):
            cv2.line(
                sprite,
                tuple(start.astype(int).tolist()),
                tuple(end.astype(int).tolist()),
                colour,
                int(width),
                cv2.LINE_AA,
            )


_DRAWN = {"leafy": _leafy, "conifer": _conifer, "bare": _bare, "bush": _bush, "palm": _palm}
