"""Houses, walls, rails, woods: what stands along a road and closes its view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from detectnet.sources.synthetic.facades import Face, house, pattern_wall, shelf
from detectnet.sources.synthetic.lettered import Sign
from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.plants import VARIANTS, tree

Rng = np.random.Generator
Boards = Iterator[tuple[Sign, int]]


@dataclass(frozen=True)
class Site:
    """Where things stand: the road's middle (X), its half width, the walls' distance from the middle.

    ``near`` and ``far`` are the Y between which structures are built.
    """

    middle: float
    half_road: float
    reach: float
    near: float = -2.0
    far: float = 90.0

    def wall(self, painter: Painter, side: float, offset: float = 0.0, near: float | None = None) -> Face:
        """The upright plane along one side (-1 left, 1 right), its a = 0 at the left end as seen."""
        x = self.middle + side * (self.reach + offset)
        start = self.near if near is None else near
        if side > 0:
            return Face(painter, (x, self.far), (0.0, -1.0), self.far - start)
        return Face(painter, (x, start), (0.0, 1.0), self.far - start)

    def end(self, painter: Painter, y: float | None = None, wide: float = 0.0) -> Face:
        """The upright plane across the far end."""
        half = self.reach + wide
        return Face(painter, (self.middle - half, y or self.far), (1.0, 0.0), 2 * half)


def _row(
    painter: Painter,
    site: Site,
    side: float,
    rng: Rng,
    boards: Boards,
    lit: float,
    shops: float,
    offset: float = 0.0,
) -> None:
    """Houses one after the other, the farthest first."""
    face = site.wall(painter, side, offset)
    edges = [0.0]
    while edges[-1] < face.length:
        edges.append(edges[-1] + float(rng.uniform(7, 15)))
    pieces = list(pairwise(edges))
    for start, end in pieces if side > 0 else pieces[::-1]:
        house(face, start, min(end, face.length), rng, boards, lit, rng.random() < shops, side)


def houses(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Town houses, a shop here and there."""
    _row(painter, site, side, rng, boards, 0.0, 0.3)


def shops(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Town houses with a shop in each."""
    _row(painter, site, side, rng, boards, 0.3 if painter.light.night else 0.0, 1.0)


def lit_houses(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Town houses with light in some windows."""
    _row(painter, site, side, rng, boards, 0.35, 0.5)


def villas(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Houses farther back, with gaps."""
    face = site.wall(painter, side, 7.0)
    starts = np.arange(4, face.length - 12, 17)
    for start in starts if side > 0 else starts[::-1]:
        house(face, float(start), float(start + rng.uniform(8, 11)), rng, boards, 0.0, False, side, floors=2)


def _trees(
    painter: Painter,
    site: Site,
    side: float,
    rng: Rng,
    kinds: tuple[str, ...],
    count: int,
    size: tuple[float, float],
    deep: float,
) -> None:
    # Denser near by, where gaps would show.
    y = np.sort(site.near + 3 + (site.far - site.near - 3) * rng.uniform(0, 1, count) ** 1.3)[::-1]
    for where in y:
        x = site.middle + side * (site.reach + float(rng.uniform(0.6, deep)))
        tall = float(rng.uniform(*size))
        sprite = tree(kinds[rng.integers(len(kinds))], int(rng.integers(VARIANTS)))
        painter.board(sprite, (x, where, -0.05), tall * float(rng.uniform(0.8, 1.1)), tall)


def forest(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A dark wood's edge with single trees before it."""
    shade = (52, 62, 40)
    painter.wall(
        (site.middle + side * (site.reach + 9), 0),
        (site.middle + side * (site.reach + 9), site.far),
        0,
        9,
        shade,
        (-side, 0, 0),
    )
    _trees(painter, site, side, rng, ("conifer", "leafy", "conifer"), 24, (7, 13), 8.0)


def hedge(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Bushes in a row."""
    step = 1.6
    for y in np.arange(site.far * 0.6, 2.0, -step):
        sprite = tree("bush", int(rng.integers(VARIANTS)))
        painter.board(
            sprite, (site.middle + side * (site.reach + 0.4), y, -0.1), 2.6, float(rng.uniform(1.5, 2.0))
        )


def rail(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A crash barrier on posts."""
    face = site.wall(painter, side, -0.4)
    posts = np.arange(0.5, face.length, 3.0)
    face.rects([(a, a + 0.12, 0, 0.7) for a in posts], (120, 122, 124))
    for low, high, tone in ((0.45, 0.56, 150), (0.56, 0.66, 186), (0.66, 0.76, 160)):
        face.strip(low, high, (tone, tone + 2, tone + 4))


def low_wall(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A low wall with a hedge behind it."""
    _trees(painter, site, side, rng, ("bush", "leafy"), 12, (2, 5), 4.0)
    site.wall(painter, side).strip(0.0, 0.9, (176, 168, 154))
    site.wall(painter, side).strip(0.9, 1.0, (200, 194, 182))


def fence(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Posts and three rails of wood."""
    face = site.wall(painter, side)
    for z in (0.35, 0.75, 1.15):
        face.strip(z, z + 0.12, (134, 106, 78))
    face.rects([(a, a + 0.14, 0, 1.4) for a in np.arange(0.3, face.length, 2.4)], (112, 88, 66))


def tunnel(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A tiled wall with a dark foot, a cable tray and lamps."""
    face = site.wall(painter, side)
    face.strip(0.0, 0.5, (92, 92, 92))
    face.strip(0.5, 3.2, (196, 192, 178))
    face.strip(3.2, 5.2, (84, 84, 86))
    face.rects([(a, a + 0.05, 0.5, 3.2) for a in np.arange(0, face.length, 1.8)], (160, 156, 146))
    face.strip(3.2, 3.32, (60, 60, 62))
    for a in np.arange(1, face.length, 6.0):
        face.glowing(a, a + 1.6, 4.55, 4.75, (255, 238, 196))


def pillars(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A garage's wall with a coloured band, and square pillars before it."""
    band = ((200, 160, 40), (50, 110, 170), (60, 140, 80), (180, 60, 50))[rng.integers(4)]
    face = site.wall(painter, side)
    face.strip(0.0, 2.7, (184, 182, 176))
    face.strip(0.9, 1.25, band)
    for y in np.arange(site.far, 2.0, -7.5):
        x = site.middle + side * (site.reach - 0.9)
        painter.box((x - 0.25, x + 0.25), (y, y + 0.5), (0, 2.7), (196, 194, 188))
        painter.box((x - 0.255, x + 0.255), (y - 0.005, y + 0.505), (0, 1.0), band)


def concrete(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Slabs of concrete with joints and anchor holes."""
    pattern_wall(site.wall(painter, side), "concrete", float(rng.uniform(3.0, 5.0)), rng)


def brick(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Brick walls with a few windows and doors."""
    face = site.wall(painter, side)
    pattern_wall(face, "brick", float(rng.uniform(6, 9)), rng)
    for a in np.arange(3, face.length - 3, 6.0):
        shelf(face, a, rng, boards)


def hall(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A hall of ribbed sheet metal with gates."""
    face = site.wall(painter, side)
    _hall(face, rng, boards)


def _hall(face: Face, rng: Rng, boards: Boards) -> None:
    tone = np.array(((176, 184, 192), (196, 190, 176), (130, 150, 166), (186, 120, 96))[rng.integers(4)])
    high = float(rng.uniform(5.5, 9))
    face.strip(0, high, tone)
    face.rects([(a, a + 0.12, 0.4, high) for a in np.arange(0, face.length, 0.8)], tone * 0.9)
    face.strip(high, high + 0.5, tone * 0.55)
    face.strip(0, 0.4, tone * 0.6)
    for a in np.arange(4, face.length - 5, 11.0):
        face.rects([(a, a + 4.2, 0, 4.0)], tone * 0.7)
        face.rects([(a, a + 4.2, z, z + 0.05) for z in np.arange(0.5, 4.0, 0.5)], tone * 0.55)
        board = next(boards, None)
        if board is not None:
            face.sign(board, a + 2.1, 4.6)


def containers(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Stacked freight containers."""
    face = site.wall(painter, side)
    colours = ((150, 50, 40), (40, 80, 130), (60, 110, 80), (180, 110, 40), (120, 122, 126), (90, 60, 90))
    for a in np.arange(0, face.length, 6.4):
        for level in range(int(rng.integers(1, 4))):
            tone = np.array(colours[rng.integers(len(colours))])
            low = 2.6 * level
            face.rects([(a, a + 6.2, low, low + 2.55)], tone)
            face.rects(
                [(b, b + 0.14, low + 0.15, low + 2.4) for b in np.arange(a + 0.2, a + 6.0, 0.34)], tone * 0.82
            )
            board = next(boards, None) if rng.random() < 0.3 else None
            if board is not None:
                face.sign(board, a + 3.1, low + 1.6, 1.8)


def snowbank(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Ploughed snow."""
    steps = np.linspace(site.far, 1.0, 40)
    tall = rng.uniform(0.4, 0.9, 40)
    x = site.middle + side * site.reach
    for index in range(39):
        far, near = steps[index], steps[index + 1]
        foot = x - side * 1.0
        painter.flat(
            [(foot, far, 0), (foot, near, 0), (x, near, tall[index + 1]), (x, far, tall[index])],
            (228, 232, 240),
            (-side * 0.6, 0, 0.8),
        )


def fields(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """Meadows and crops in strips, with trees far off."""
    edge = site.middle + side * (site.half_road + 2.5)
    outer = edge + side * 120
    for start, end in ((8, 40), (40, 90)):
        tone = ((116, 130, 60), (170, 150, 84), (98, 116, 60), (140, 136, 72))[rng.integers(4)]
        painter.ground(tuple(sorted((edge, outer))), (start, end), tone)
    far = Site(site.middle, site.half_road, site.reach + 14, 30, 90)
    _trees(painter, far, side, rng, ("leafy", "bush"), 14, (4, 9), 30.0)


def rocks(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A cut slope of rock."""
    pattern_wall(site.wall(painter, side, 1.0), "rock", float(rng.uniform(5, 10)), rng)


def pumps(painter: Painter, site: Site, side: float, rng: Rng, boards: Boards) -> None:
    """A canopy on columns with fuel pumps below."""
    x = site.middle + side * (site.reach - 1.0)
    trim = ((200, 40, 40), (30, 110, 190), (30, 140, 80), (240, 190, 40))[rng.integers(4)]
    for y in (26.0, 18.0, 10.0):
        painter.box((x - 0.2, x + 0.2), (y, y + 0.4), (0, 4.6), (214, 214, 212))
        painter.box((x - 0.45, x + 0.45), (y + 2, y + 2.6), (0.1, 1.9), (232, 232, 230))
        painter.box((x - 0.46, x + 0.46), (y + 1.99, y + 2.61), (1.5, 1.9), trim)
    painter.box((x - 4, x + 4), (6, 32), (4.6, 5.4), trim)
    painter.box((x - 3.9, x + 3.9), (6.2, 31.8), (4.55, 4.6), (226, 228, 228))


Side = Callable[[Painter, Site, float, Rng, Boards], None]
SIDES: dict[str, Side] = {
    "houses": houses, "shops": shops, "lit_houses": lit_houses, "villas": villas, "forest": forest,
    "hedge": hedge,
    "rail": rail, "low_wall": low_wall, "fence": fence, "tunnel": tunnel, "pillars": pillars,
    "concrete": concrete,
    "brick": brick, "hall": hall, "containers": containers, "snowbank": snowbank, "fields": fields,
    "rocks": rocks,
    "pumps": pumps,
}  # fmt: skip


def _far_houses(painter: Painter, site: Site, rng: Rng, boards: Boards, lit: float = 0.0) -> None:
    face = site.end(painter)
    for start in np.arange(0, face.length, 10.0):
        house(face, float(start), float(min(start + 10, face.length)), rng, boards, lit, False, 0.0)


def _ridge(
    painter: Painter, rng: Rng, distance: float, height: float, tone: tuple[int, int, int], rough: float
) -> None:
    """A skyline of hills or mountains as one polygon."""
    camera = painter.camera
    bearings = camera.pan + np.linspace(-1.5, 1.5, 60)
    wave = sum(np.sin(bearings * k * rough + rng.uniform(0, 6.28)) / k for k in (2, 5, 11, 23)) * 0.35 + 0.6
    x = camera.position[0] + distance * np.sin(bearings)
    y = camera.position[1] + distance * np.cos(bearings)
    top = np.column_stack([x, y, height * np.maximum(wave, 0.05)])
    low = np.column_stack([x, y, np.full(60, -2.0)])
    tops, depth = camera.project(top)
    lows, _ = camera.project(low)
    seen = np.flatnonzero(depth > 1)
    if len(seen) > 1:
        part = slice(seen[0], seen[-1] + 1)
        colour = painter.light.matt(tone, np.array((0.0, -0.5, 0.86)))
        painter.canvas.area(
            np.concatenate([tops[part], lows[part][::-1]]),
            painter.light.faded(colour, np.array(min(distance, 260.0))),
        )


def _hills(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    _ridge(painter, rng, 420, 46, (96, 116, 86), 1.0)
    _ridge(painter, rng, 180, 12, (78, 98, 60), 2.2)


def _mountains(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    _ridge(painter, rng, 460, 95, (134, 116, 104), 1.8)
    _ridge(painter, rng, 240, 22, (168, 140, 110), 1.2)


def _sea(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    blue = np.array(painter.light.zenith) * 0.55 + np.array((10, 40, 50))
    start = site.far + 30
    painter.glowing(
        [(-1500, start, -0.3), (1500, start, -0.3), (1500, 2500, -0.3), (-1500, 2500, -0.3)], blue
    )
    _ridge(painter, rng, 2000, 60, (110, 120, 132), 1.0)


def _woods(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    _ridge(painter, rng, 260, 22, (70, 86, 60), 2.0)
    far = Site(site.middle, site.half_road, 0.0, site.far, site.far + 18)
    for side in (-1.0, 1.0):
        _trees(painter, far, side, rng, ("leafy", "conifer"), 10, (6, 11), 34.0)


def _toll(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    _hills(painter, site, rng, boards)
    y, half = site.far - 4.0, site.reach
    for x in np.arange(-half, half + 1, 4.2) + site.middle:
        painter.box((x - 0.6, x + 0.6), (y, y + 3), (0, 2.5), (214, 210, 200))
        painter.box((x - 0.61, x + 0.61), (y - 0.01, y + 2), (1.1, 1.9), (40, 56, 66))
        painter.box((x + 0.6, x + 3.4), (y - 0.3, y - 0.2), (0.95, 1.05), (210, 40, 40))
    painter.box((site.middle - half - 2, site.middle + half + 2), (y - 2, y + 6), (4.6, 5.8), (206, 212, 218))
    face = Face(painter, (site.middle - half - 2, y - 2.05), (1.0, 0.0), 2 * half + 4)
    for a in np.arange(3, face.length - 2, 4.2):
        board = next(boards, None)
        if board is not None:
            face.sign(board, a, 5.2, 2.6)


def _dark(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    site.end(painter).strip(0, 6, (26, 26, 28))


def _far_concrete(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    pattern_wall(site.end(painter), "concrete", 4.0, rng)


def _far_brick(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    pattern_wall(site.end(painter), "brick", 7.0, rng)


def _far_hall(painter: Painter, site: Site, rng: Rng, boards: Boards) -> None:
    _hills(painter, site, rng, boards)
    _hall(site.end(painter, wide=10), rng, boards)


FAR: dict[str, Callable[[Painter, Site, Rng, Boards], None]] = {
    "houses": _far_houses, "lit_houses": lambda *a: _far_houses(*a, lit=0.4), "hills": _hills,
    "mountains": _mountains, "sea": _sea, "woods": _woods, "toll": _toll, "dark": _dark,
    "concrete": _far_concrete,
    "brick": _far_brick, "hall": _far_hall,
}  # fmt: skip
OPEN = ("hills", "mountains", "sea", "woods")  # far ends that are no wall across the road
