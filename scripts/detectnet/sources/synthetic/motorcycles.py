"""Motorcycles with their riders, seen from behind, built from upright flat pieces."""

from __future__ import annotations

import numpy as np

from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.vehicles import Vehicle

Points = list[tuple[float, float]]
JACKETS = ((30, 30, 34), (60, 62, 70), (120, 40, 36), (40, 60, 96), (150, 140, 120), (200, 180, 40))
HELMETS = ((230, 230, 228), (24, 24, 26), (160, 30, 34), (40, 70, 140))


def paint_motorcycle(painter: Painter, vehicle: Vehicle) -> None:
    """Draw the machine and its rider, the front parts first; the plate is hung by the caller."""
    draw = _Pieces(painter, vehicle)
    outline = np.array(
        [(0.7, 0.3, 0.4), (0.7, 0.3, 1.3), (0.7, 0.0, 1.7), (0.7, -0.3, 1.3), (0.7, -0.3, 0.4)]
    )
    painter.hide_glows(painter.camera.project(vehicle.to_world(outline))[0])
    draw.disc(1.55, (0.0, 0.31), (0.06, 0.31), (26, 26, 28))
    draw.mirrored(1.35, [(0.30, 0.98), (0.36, 0.98), (0.36, 1.02), (0.06, 0.96), (0.06, 0.92)], (40, 40, 42))
    draw.mirrored(1.35, [(0.30, 1.14), (0.46, 1.16), (0.45, 1.25), (0.31, 1.23)], (30, 32, 36))
    draw.piece(1.1, [(-0.20, 0.40), (0.20, 0.40), (0.24, 0.85), (-0.24, 0.85)], vehicle.paint)
    draw.disc(0.33, (0.0, 0.32), (0.085, 0.32), (24, 24, 26))
    draw.disc(0.32, (0.0, 0.32), (0.05, 0.27), (40, 40, 42))
    draw.mirrored(0.4, [(0.10, 0.30), (0.17, 0.32), (0.18, 0.44), (0.11, 0.44)], (150, 152, 156))
    _rider(draw, vehicle)
    draw.piece(0.12, [(-0.15, 0.78), (0.15, 0.78), (0.11, 0.92), (-0.11, 0.92)], vehicle.paint)
    draw.piece(0.06, [(-0.09, 0.80), (0.09, 0.80), (0.07, 0.86), (-0.07, 0.86)], (210, 26, 30))
    draw.piece(0.05, [(-0.07, 0.46), (0.07, 0.46), (0.10, 0.78), (-0.10, 0.78)], (28, 28, 30))
    draw.mirrored(0.05, [(0.14, 0.70), (0.20, 0.70), (0.20, 0.75), (0.14, 0.75)], (236, 150, 40))
    if vehicle.lamps_on:
        painter.glow(vehicle.to_world(np.array([0.04, 0.0, 0.83])), 0.10, (255, 50, 30))


def _rider(draw: _Pieces, vehicle: Vehicle) -> None:
    jacket = JACKETS[(vehicle.style + vehicle.paint[0]) % len(JACKETS)]
    helmet = HELMETS[(vehicle.style + vehicle.paint[1]) % len(HELMETS)]
    draw.mirrored(0.8, [(0.10, 0.78), (0.30, 0.62), (0.30, 0.34), (0.21, 0.34), (0.19, 0.60)], (38, 40, 46))
    draw.mirrored(0.9, [(0.22, 1.36), (0.33, 1.26), (0.40, 1.06), (0.33, 1.00), (0.22, 1.16)], jacket)
    back = [
        (-0.19, 0.82),
        (0.19, 0.82),
        (0.25, 1.15),
        (0.24, 1.38),
        (0.10, 1.46),
        (-0.10, 1.46),
        (-0.24, 1.38),
        (-0.25, 1.15),
    ]
    draw.piece(0.7, back, jacket)
    draw.piece(
        0.69,
        [(-0.05, 0.84), (0.05, 0.84), (0.05, 1.40), (-0.05, 1.40)],
        tuple(part * 0.85 for part in jacket),
    )
    draw.disc(0.7, (0.0, 1.58), (0.14, 0.16), helmet)
    draw.disc(0.69, (-0.04, 1.63), (0.05, 0.06), tuple(min(255, part * 1.25 + 14) for part in helmet))


class _Pieces:
    """Upright pieces across the machine, at a length x, in (left, height)."""

    def __init__(self, painter: Painter, vehicle: Vehicle) -> None:
        self.painter, self.vehicle = painter, vehicle
        self.normal = vehicle.turned(np.array([-1.0, 0.0, 0.0]))

    def piece(self, x: float, corners: Points, albedo: tuple[float, float, float]) -> None:
        y, z = np.array(corners, float).T
        local = np.column_stack([np.full(len(y), x), y, z])
        pixels, depth = self.painter.camera.project(self.vehicle.to_world(local))
        if depth.min() > 0.4:
            colour = self.painter.light.faded(
                self.painter.light.matt(albedo, self.normal), float(depth.mean())
            )
            self.painter.canvas.area(pixels, colour)

    def mirrored(self, x: float, corners: Points, albedo: tuple[float, float, float]) -> None:
        for sign in (1.0, -1.0):
            self.piece(x, [(sign * y, z) for y, z in corners], albedo)

    def disc(
        self,
        x: float,
        centre: tuple[float, float],
        size: tuple[float, float],
        albedo: tuple[float, float, float],
    ) -> None:
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        corners = np.column_stack([centre[0] + size[0] * np.cos(turn), centre[1] + size[1] * np.sin(turn)])
        self.piece(x, [tuple(corner) for corner in corners], albedo)
