"""Hangs number plates on vehicles: holder, plate, and what may cover a part of it."""

from __future__ import annotations

import numpy as np

from detectnet.sources.synthetic.surface import Surface
from detectnet.sources.synthetic.vehicles import Mount, plate_corners


def hang(surface: Surface, mount: Mount) -> None:
    """Draw a plate on its vehicle; only the plate's own visible pixels carry its identity."""
    painter, vehicle = surface.painter, surface.vehicle
    quad = vehicle.plate_quad(mount)
    if float(painter.camera.to_camera(quad)[:, 2].min()) < 0.5:
        return
    if mount.holder is not None:
        _holder(surface, mount)
    normal = np.add(surface.normal(), (0.0, 0.0, np.sin(mount.tilt)))
    gain = painter.light.matt((1.0, 1.0, 1.0), normal / np.linalg.norm(normal)) * mount.shine
    painter.canvas.paste(mount.sprite, painter.camera.project(quad)[0], mount.identity, gain)
    if mount.occluder:
        _Before(surface, mount).draw()


def _holder(surface: Surface, mount: Mount) -> None:
    painter, vehicle = surface.painter, surface.vehicle
    frame = vehicle.to_world(plate_corners(vehicle, mount, 0.012))
    if mount.caption is not None:
        quad = vehicle.plate_quad(mount)
        down = (quad[3] - quad[0]) / np.linalg.norm(quad[3] - quad[0])
        frame[2:] += down * 0.016
        painter.canvas.polygon(painter.camera.outline(frame), surface.shaded(mount.holder or (24, 24, 26)))
        foot = np.array(
            [quad[3] + 0.003 * down, quad[2] + 0.003 * down, quad[2] + 0.025 * down, quad[3] + 0.025 * down]
        )
        painter.sprite(mount.caption, foot, surface.normal())
        return
    painter.canvas.polygon(painter.camera.outline(frame), surface.shaded(mount.holder or (24, 24, 26)))


class _Before:
    """Draws something before a plate, in coordinates of the plate: (0, 0) top left, (1, 1) bottom right."""

    def __init__(self, surface: Surface, mount: Mount) -> None:
        self.surface, self.mount = surface, mount
        self.quad = surface.vehicle.plate_quad(mount)
        self.rng = np.random.Generator(np.random.PCG64([11, mount.seed]))

    def draw(self) -> None:
        """The mount's occluder."""
        {
            "tow bar": self._tow_bar,
            "snow": self._snow,
            "mud": self._mud,
            "bull bar": self._bull_bar,
            "frame": self._frame,
            "strap": self._strap,
        }[self.mount.occluder]()

    def _fill(
        self, corners: list[tuple[float, float]] | np.ndarray, albedo: tuple[float, float, float]
    ) -> None:
        across, down = np.asarray(corners, float).T
        top_left, top_right, _, bottom_left = self.quad
        points = (
            top_left + across[:, None] * (top_right - top_left) + down[:, None] * (bottom_left - top_left)
        )
        self.surface.painter.canvas.area(
            self.surface.painter.camera.outline(points), self.surface.shaded(albedo)
        )

    def _tow_bar(self) -> None:
        x = 0.5 + self.rng.normal(0, 0.08)
        top = self.rng.uniform(0.25, 0.7)
        ratio = self.mount.size[1] / self.mount.size[0]
        self._fill([(x - 0.028, top), (x + 0.028, top), (x + 0.04, 1.6), (x - 0.04, 1.6)], (46, 46, 48))
        turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        for size, tone in ((0.055, (60, 60, 62)), (0.03, (130, 130, 132))):
            self._fill(np.column_stack([x + size * np.cos(turn), top + size / ratio * np.sin(turn)]), tone)

    def _blob(self, low: bool, depth: float, albedo: tuple[float, float, float]) -> None:
        x = np.linspace(-0.06, 1.06, 24)
        edge = depth * (
            0.6 + 0.5 * np.abs(np.interp(x, np.linspace(-0.1, 1.1, 9), self.rng.normal(0.6, 0.5, 9)))
        )
        curve = 1 - edge if low else edge
        outer = 1.12 if low else -0.12
        self._fill(np.concatenate([np.column_stack([x, curve]), [(1.06, outer), (-0.06, outer)]]), albedo)

    def _snow(self) -> None:
        self._blob(bool(self.rng.random() < 0.5), float(self.rng.uniform(0.12, 0.38)), (236, 240, 246))

    def _mud(self) -> None:
        self._blob(True, float(self.rng.uniform(0.10, 0.30)), (96, 80, 62))

    def _bull_bar(self) -> None:
        y = self.rng.uniform(0.0, 0.9)
        for offset, tone in ((0.0, (150, 152, 156)), (0.08, (206, 208, 212)), (0.16, (120, 122, 126))):
            self._fill(
                [(-0.5, y + offset), (1.5, y + offset), (1.5, y + offset + 0.09), (-0.5, y + offset + 0.09)],
                tone,
            )

    def _frame(self) -> None:
        depth = self.rng.uniform(0.05, 0.14)
        side = depth * self.mount.size[1] / self.mount.size[0]
        tone = ((30, 30, 32), (176, 178, 182))[self.rng.integers(2)]
        self._fill([(-0.02, -0.06), (1.02, -0.06), (1.02, depth), (-0.02, depth)], tone)
        self._fill([(-0.02, 1 - depth), (1.02, 1 - depth), (1.02, 1.06), (-0.02, 1.06)], tone)
        self._fill([(-0.02, -0.06), (side, -0.06), (side, 1.06), (-0.02, 1.06)], tone)
        self._fill([(1 - side, -0.06), (1.02, -0.06), (1.02, 1.06), (1 - side, 1.06)], tone)

    def _strap(self) -> None:
        x = self.rng.uniform(0.1, 0.85)
        lean = self.rng.normal(0, 0.06)
        self._fill([(x, -0.3), (x + 0.05, -0.3), (x + 0.05 + lean, 1.3), (x + lean, 1.3)], (60, 66, 90))
