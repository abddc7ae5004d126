"""Turns a body's outline into small flat pieces in vehicle axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectnet.sources.synthetic.bodies import BODIES, Body

MATERIALS = ("paint", "glass", "plastic", "panel", "dark")


@dataclass(frozen=True)
class Mesh:
    """Pieces of a body: (M, 4, 3) corners in metres, (M,) index into ``MATERIALS``, outward normals."""

    quads: np.ndarray
    materials: np.ndarray
    normals: np.ndarray


class Shape:
    """Where a body's surface is; heights and lengths in metres."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.points, self.tags = _rounded(body) if body.rounded else _plain(body)
        self.length = float(self.points[:, 0].max())
        self.height = float(self.points[:, 1].max())
        top = int(np.argmax(self.points[:, 1]))
        self._rear, self._front = self.points[: top + 1], self.points[top:][::-1]

    def half_width(self, z: np.ndarray | float) -> np.ndarray:
        """Half width at height ``z``."""
        heights, widths = zip(*self.body.widths)
        return np.interp(z, heights, widths)

    def end_x(self, end: str, z: np.ndarray | float) -> np.ndarray:
        """x of the rear or front outline in the vehicle's middle plane at height ``z``."""
        edge = self._rear if end == "rear" else self._front
        return np.interp(z, edge[:, 1], edge[:, 0])

    def surface(self, end: str, across: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(..., 3) points on the rear or front at ``across`` (-1..1 of the half width) and height ``z``."""
        x = self.end_x(end, z)
        return np.stack([x + self.pull(x) * np.abs(across) ** 4, across * self.half_width(z), z], axis=-1)

    def pull(self, x: np.ndarray) -> np.ndarray:
        """How far the corners are drawn towards the vehicle's middle at length ``x``."""
        reach = 0.9
        near_rear = np.clip(1 - x / reach, 0, 1)
        near_front = np.clip(1 - (self.length - x) / reach, 0, 1)
        return self.body.corner * (near_rear - near_front)

    def foremost(self, end: str, low: float, high: float) -> float:
        """x of the outermost point between two heights."""
        x = self.end_x(end, np.linspace(low, high, 9))
        return float(x.min() if end == "rear" else x.max())


@lru_cache(maxsize=64)
def shape(name: str) -> Shape:
    """The shape of the body ``name``."""
    return Shape(BODIES[name])


@lru_cache(maxsize=64)
def mesh(name: str, detail: int) -> Mesh:
    """The body ``name`` in about ``detail`` columns across and along."""
    form = shape(name)
    parts = [_loft(form, detail), _side(form, detail, 1.0), _side(form, detail, -1.0)]
    quads = np.concatenate([quads for quads, _ in parts])
    materials = np.concatenate([materials for _, materials in parts])
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    keep = length[:, 0] > 1e-9
    return Mesh(quads[keep], materials[keep], normals[keep] / length[keep])


def _plain(body: Body) -> tuple[np.ndarray, list[str]]:
    return np.array([(x, z) for x, z, _ in body.outline]), [tag for _, _, tag in body.outline[:-1]]


def _rounded(body: Body) -> tuple[np.ndarray, list[str]]:
    """The outline with its corners cut twice (Chaikin), each piece keeping its material."""
    points, tags = _plain(body)
    for _ in range(2):
        made, kept = [points[0]], []
        for index, tag in enumerate(tags):
            start, end = points[index], points[index + 1]
            cut = min(0.22, 0.10 / max(1e-6, float(np.linalg.norm(end - start))))
            made += [start + cut * (end - start), end + cut * (start - end)]
            kept += [tag if index == 0 else _join(tags[index - 1], tag), tag]
        points, tags = np.array([*made, points[-1]]), [*kept, tags[-1]]
    return points, tags


def _join(before: str, after: str) -> str:
    return after if before == "glass" else before


def _loft(form: Shape, detail: int) -> tuple[np.ndarray, np.ndarray]:
    """The pieces between left and right: rear, roof, bonnet and front."""
    glass = form.body.glass
    across = np.unique(np.concatenate([np.linspace(-1, 1, detail + 1), [-glass, glass]]))
    points, tags = _divided(form.points, form.tags, form.height / detail)
    x, z = points[:, :1], points[:, 1:]
    grid = np.stack(
        [
            x + form.pull(x) * np.abs(across) ** 4,
            form.half_width(z) * across,
            np.broadcast_to(z, (len(points), len(across))),
        ],
        axis=-1,
    )
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)
    middle = (across[1:] + across[:-1]) / 2
    codes = np.array([MATERIALS.index(tag) for tag in tags])
    materials = np.broadcast_to(codes[:, None], quads.shape[:2]).copy()
    materials[(materials == MATERIALS.index("glass")) & (np.abs(middle)[None] > glass)] = 0
    return quads[:, :, ::-1].reshape(-1, 4, 3), materials.ravel()


def _divided(points: np.ndarray, tags: list[str], step: float) -> tuple[np.ndarray, list[str]]:
    """The outline with pieces no longer than ``step``, apart from long flat roofs."""
    made, kept = [points[0]], []
    for start, end, tag in zip(points[:-1], points[1:], tags):
        pieces = int(np.clip(np.ceil(np.linalg.norm(end - start) / step), 1, 10))
        made += [start + (end - start) * (i + 1) / pieces for i in range(pieces)]
        kept += [tag] * pieces
    return np.array(made), kept


def _side(form: Shape, detail: int, sign: float) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of one flank, rows of equal height between its rear and front edges."""
    low = max(form.points[0, 1], form.points[-1, 1])
    z = np.linspace(low, form.height - 0.004, detail + 1)[:, None]
    rear, front = form.end_x("rear", z), form.end_x("front", z)
    rear, front = rear + form.pull(rear), front + form.pull(front)
    share = np.linspace(0, 1, detail + 1)[None]
    x = rear + (front - rear) * share
    y = np.broadcast_to(sign * form.half_width(z), x.shape)
    grid = np.stack([x, y, np.broadcast_to(z, x.shape)], axis=-1)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2).reshape(-1, 4, 3)
    outline_tags = set(form.tags)
    materials = np.zeros(len(quads), int)
    if "panel" in outline_tags:
        box = quads[:, :, 0].mean(axis=1) < _panel_end(form)
        materials[box] = MATERIALS.index("panel")
        materials[box & (quads[:, :, 2].mean(axis=1) < 0.95)] = MATERIALS.index("dark")
    return (quads if sign < 0 else quads[:, ::-1]), materials


def _panel_end(form: Shape) -> float:
    last = max(index for index, tag in enumerate(form.tags) if tag == "panel")
    return float(form.points[last + 1, 0])
