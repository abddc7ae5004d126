"""Upright planes and what is drawn on them: windows, doors, shops, boards, wall patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from detectnet.sources.synthetic.lettered import Sign
from detectnet.sources.synthetic.painter import Painter

Rng = np.random.Generator
Boards = Iterator[tuple[Sign, int]]
Rect = tuple[float, float, float, float]  # a1, a2 along the face, z1, z2

PLASTER = (
    (206, 196, 176), (188, 170, 146), (214, 206, 196), (176, 150, 126), (196, 176, 150), (160, 164, 168),
    (186, 120, 96), (150, 106, 86), (222, 214, 190), (170, 182, 178), (208, 178, 150),
)  # fmt: skip
WARM = ((255, 214, 140), (255, 196, 110), (240, 226, 190), (200, 216, 240))


class Face:
    """An upright plane from ``origin`` along ``direction`` (unit, left to right as seen), metres."""

    def __init__(
        self, painter: Painter, origin: tuple[float, float], direction: tuple[float, float], length: float
    ) -> None:
        self.painter, self.origin, self.direction, self.length = painter, origin, direction, length
        self.normal = (direction[1], -direction[0], 0.0)

    def corners(self, rect: Rect, lift: float = 0.0) -> np.ndarray:
        """(4, 3) world corners clockwise from the top left, ``lift`` metres before the plane."""
        a1, a2, z1, z2 = rect
        x, y = self.origin[0] + lift * self.normal[0], self.origin[1] + lift * self.normal[1]
        dx, dy = self.direction
        left, right = (x + a1 * dx, y + a1 * dy), (x + a2 * dx, y + a2 * dy)
        return np.array([(*left, z2), (*right, z2), (*right, z1), (*left, z1)])

    def in_view(self, start: float, end: float, high: float) -> bool:
        """Whether the camera can see anything of a piece of the face."""
        outline = self.painter.camera.outline(self.corners((start, end, 0.0, high)))
        if outline is None:
            return False
        size = self.painter.camera.width, self.painter.camera.height
        return bool((outline.max(axis=0) > 0).all() and (outline.min(axis=0) < size).all())

    def rects(self, rects: Sequence[Rect], albedo: ArrayLike) -> None:
        """Many rectangles; ``albedo`` is one colour or one for each."""
        if len(rects):
            a1, a2, z1, z2 = np.array(rects, float).T
            along = np.stack([a1, a2, a2, a1], axis=1)
            up = np.stack([z2, z2, z1, z1], axis=1)
            x, y = self.origin[0] + along * self.direction[0], self.origin[1] + along * self.direction[1]
            self.painter.batch(np.stack([x, y, up], axis=-1), albedo, self.normal)

    def strip(
        self, low: float, high: float, albedo: ArrayLike, start: float = 0.0, end: float | None = None
    ) -> None:
        """A band from ``start`` to ``end`` (the whole length by default), in pieces for the haze."""
        end = self.length if end is None else end
        edges = np.linspace(start, end, max(2, int((end - start) / 12) + 1))
        for a1, a2 in pairwise(edges):
            self.painter.flat(self.corners((a1, a2, low, high)), albedo, self.normal)

    def glowing(self, a1: float, a2: float, low: float, high: float, colour: ArrayLike) -> None:
        """A lit rectangle."""
        self.painter.glowing(self.corners((a1, a2, low, high)), colour)

    def sign(self, board: tuple[Sign, int], middle: float, low: float, width: float | None = None) -> None:
        """A lettered board whose lower edge is at ``low``."""
        sign, identity = board
        half = (width or sign.width) / 2
        high = low + 2 * half * sign.height / sign.width
        corners = self.corners((middle - half, middle + half, low, high), 0.06)
        self.painter.sprite(sign.sprite, corners, None if self.painter.light.night else self.normal, identity)


def house(
    face: Face,
    start: float,
    end: float,
    rng: Rng,
    boards: Boards,
    lit: float,
    shop: bool,
    side: float,
    floors: int | None = None,
) -> None:
    """A town house between ``start`` and ``end`` of a face; ``lit`` is the share of lit windows."""
    if not face.in_view(start, end, 16.0):
        return
    floors = floors or int(rng.integers(2, 5))
    wall = np.array(PLASTER[rng.integers(len(PLASTER))], float) * rng.uniform(0.85, 1.05)
    high = 0.6 + 3.1 * floors
    if side:
        _gable(face, start if side < 0 else end, high, wall, side)
    face.strip(0, high, wall, start, end)
    face.strip(0, 0.7, wall * 0.7, start, end)
    face.strip(high, high + 0.35, wall * 0.6, start, end)
    face.strip(high + 0.35, high + 1.6, (112, 70, 58) if rng.random() < 0.6 else (82, 82, 88), start, end)
    count = max(1, int((end - start) / rng.uniform(2.0, 2.9)))
    step = (end - start) / count
    across = start + step * (np.arange(count) + 0.5)
    for floor in range(1 if shop else 0, floors):
        _windows(face, across, 1.2 + 3.1 * floor, wall, rng, lit)
    if shop:
        _shop(face, start, end, rng, boards, lit)
    else:
        door = float(across[rng.integers(count)])
        face.rects([(door - 0.6, door + 0.6, 0, 2.3)], wall * 0.5)
        face.rects(
            [(door - 0.48, door + 0.48, 0, 2.15)], ((90, 60, 44), (50, 70, 60), (60, 60, 70))[rng.integers(3)]
        )
        _house_number(face, door + 0.85, boards)


def _house_number(face: Face, a: float, boards: Boards) -> None:
    board = next(boards, None)
    if board is not None:
        face.sign(board, a, 1.7, min(board[0].width, 1.2))


def _gable(face: Face, at: float, high: float, wall: np.ndarray, side: float) -> None:
    """The end wall that looks towards the camera."""
    x, y = (face.origin[i] + at * face.direction[i] for i in (0, 1))
    face.painter.wall((x, y), (x + side * 9, y), 0, high, wall * 0.92, (0, -1, 0))


def _windows(face: Face, across: np.ndarray, low: float, wall: np.ndarray, rng: Rng, lit: float) -> None:
    half, tall = 0.5, 1.5
    light = face.painter.light
    face.rects(
        [(a - half - 0.1, a + half + 0.1, low - 0.12, low + tall + 0.1) for a in across],
        np.minimum(wall * 1.12, 245),
    )
    sky = light.mirrored(np.add(face.normal, (0, 0, 0.3))) * 0.35
    glass = np.array((34, 40, 46)) * 0.6 + sky
    gain = light.matt(np.ones(3), face.normal)
    panes = [
        (a + s * half / 2 - 0.21, a + s * half / 2 + 0.21, z, z + 0.66)
        for a in across
        for s in (-1, 1)
        for z in (low + 0.06, low + 0.78)
    ]
    on = rng.random(len(across)) < lit
    face.rects(panes, np.broadcast_to(glass / np.maximum(gain, 0.05), (len(panes), 3)))
    for a in across[on]:
        tone = np.array(WARM[rng.integers(len(WARM))]) * rng.uniform(0.55, 0.95)
        face.glowing(a - half + 0.05, a + half - 0.05, low + 0.06, low + tall - 0.06, tone)


def _shop(face: Face, start: float, end: float, rng: Rng, boards: Boards, lit: float) -> None:
    frame = np.array(((40, 60, 54), (60, 40, 40), (40, 44, 60), (70, 70, 72), (120, 40, 36))[rng.integers(5)])
    face.rects([(start + 0.3, end - 0.3, 0.0, 3.0)], frame)
    glass = np.array((60, 66, 70))
    edges = np.linspace(start + 0.5, end - 0.5, max(2, int((end - start) / 2.5)))
    panes = [(a + 0.08, b - 0.08, 0.5, 2.3) for a, b in pairwise(edges)]
    face.rects(panes, glass)
    face.rects([(a + 0.2, b - 0.9, 0.9, 2.2) for a, _, _, _ in panes for b in (a + 1.6,)], glass * 1.25)
    if lit > 0:
        for a1, a2, z1, z2 in panes:
            face.glowing(a1, a2, z1, z2, np.array(WARM[rng.integers(3)]) * rng.uniform(0.6, 0.9))
    board = next(boards, None)
    if board is not None:
        face.sign(board, (start + end) / 2, 2.4, min(board[0].width, (end - start) * 0.6))


def shelf(face: Face, a: float, rng: Rng, boards: Boards) -> None:
    """A window, a door or a board on a plain wall."""
    kind = int(rng.integers(4))
    if kind == 0:
        face.rects([(a, a + 1.1, 0, 2.2)], (70, 80, 76))
        face.rects([(a + 0.1, a + 1.0, 0.1, 2.1)], (54, 62, 60))
    elif kind <= 2:
        face.rects([(a, a + 1.5, 1.3, 2.9)], (186, 180, 168))
        face.rects([(a + 0.1, a + 0.7, 1.4, 2.8), (a + 0.8, a + 1.4, 1.4, 2.8)], (44, 50, 56))
    board = next(boards, None)
    if board is not None:
        face.sign(board, a + 2.8, 1.9, min(board[0].width, 2.4))


def pattern_wall(face: Face, kind: str, high: float, rng: Rng) -> None:
    """A wall of "brick", "concrete" or "rock", its joints drawn only where they can be seen."""
    tones = {
        "brick": ((150, 84, 66), (128, 72, 60), (166, 110, 84), (140, 96, 78)),
        "concrete": ((168, 166, 160), (148, 148, 144)),
        "rock": ((150, 132, 108), (126, 116, 104)),
    }
    tone = np.array(tones[kind][rng.integers(len(tones[kind]))], float)
    face.strip(0, high, tone)
    long, tall = {"brick": (0.5, 0.16), "concrete": (2.6, 1.3), "rock": (1.6, 0.9)}[kind]
    spread = {"brick": 0.10, "concrete": 0.04, "rock": 0.14}[kind]
    reach = 24.0 if kind == "brick" else face.length
    first = face.length - reach if face.direction[1] < 0 else 0.0
    a, z = np.meshgrid(np.arange(first, first + reach, long), np.arange(0, high, tall), indexing="ij")
    shift = (np.round(z / tall) % 2) * long / 2 if kind != "concrete" else 0.0
    a1, z1 = (a + shift).ravel(), z.ravel()
    joint = 0.035 if kind == "concrete" else 0.02
    gain = 1 + rng.normal(0, spread, len(a1))
    rects = np.column_stack([a1, a1 + long - joint, z1, np.minimum(z1 + tall - joint, high)])
    face.rects([tuple(row) for row in rects], np.clip(tone * gain[:, None] * 1.04, 0, 250))
    face.strip(0, 0.12, tone * 0.6)
