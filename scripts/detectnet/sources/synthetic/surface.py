"""Drawing on the rear or front of a vehicle."""

from __future__ import annotations

import numpy as np

from detectnet.sources.synthetic.meshes import shape
from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.vehicles import Vehicle

Corners = list[tuple[float, float]]


class Surface:
    """Draws on one end of a vehicle in (across, z), both in the body's own measures."""

    def __init__(self, painter: Painter, vehicle: Vehicle, end: str) -> None:
        self.painter, self.vehicle, self.end = painter, vehicle, end
        self.form = shape(vehicle.body)
        self.outward = -1.0 if end == "rear" else 1.0
        centre = vehicle.to_world(self.points([(0.0, 0.8)])[0])
        depth = max(0.5, float(painter.camera.to_camera(centre)[2]))
        self.pixels_per_metre = painter.camera.focal / depth

    def points(self, corners: Corners) -> np.ndarray:
        """(N, 3) vehicle points just outside the surface."""
        across, z = np.array(corners, float).T
        found = self.form.surface(self.end, across, z)
        found[:, 0] += 0.008 * self.outward
        return found

    def pixels(self, corners: Corners) -> np.ndarray | None:
        """(N, 2) pixels, or None when too near."""
        found, depth = self.painter.camera.project(self.vehicle.to_world(self.points(corners)))
        return found if depth.min() > 0.4 else None

    def fill(self, corners: Corners, colour: tuple[float, float, float] | np.ndarray) -> None:
        """Fill a polygon with a colour as seen."""
        self.painter.canvas.area(self.pixels(corners), colour)

    def stroke(self, corners: Corners, colour: np.ndarray, width: float) -> None:
        """A line ``width`` metres wide."""
        found = self.pixels(corners)
        if found is not None:
            self.painter.canvas.line(found, colour, width * self.pixels_per_metre)

    def normal(self) -> np.ndarray:
        """(3,) outward direction in world axes."""
        return self.vehicle.turned(np.array([self.outward, 0.0, 0.0]))

    def shaded(self, albedo: tuple[float, float, float]) -> np.ndarray:
        """A matt colour on this end."""
        return self.painter.light.matt(albedo, self.normal())


def _arc(x1: float, x2: float, z: float, rise: float = 0.0) -> Corners:
    return [
        (float(x), z + rise * float(1 - ((x - (x1 + x2) / 2) / ((x2 - x1) / 2)) ** 2))
        for x in np.linspace(x1, x2, 7)
    ]


def block(x1: float, x2: float, z1: float, z2: float) -> Corners:
    """A rectangle on a curved end, with enough corners to follow the curve."""
    return _arc(x1, x2, z2) + _arc(x1, x2, z1)[::-1]
