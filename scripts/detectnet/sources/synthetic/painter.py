"""Draws things of the world onto a canvas: flat pieces, sprites, shadows and glows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike

from detectnet.sources.synthetic.camera import NEAR, Camera
from detectnet.sources.synthetic.canvas import SCALE, Canvas
from detectnet.sources.synthetic.light import Light

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Shadow:
    """A convex (N, 3) outline on the ground, how dark (0..1), and the width of its edge in metres."""

    corners: np.ndarray
    strength: float
    soft: float


@dataclass
class Painter:
    """Canvas, camera and light together.

    ``glows`` collects lamps to be added at the end: (u, v, radius in pixels, RGB 0..255).
    """

    canvas: Canvas
    camera: Camera
    light: Light
    glows: list[tuple[float, float, float, tuple[float, float, float]]] = field(default_factory=list)

    def flat(self, points: ArrayLike, albedo: ArrayLike, normal: ArrayLike = UP, identity: int = 0) -> None:
        """A convex matt polygon (N, 3), faded by the haze."""
        points = np.asarray(points, float)
        outline = self.camera.outline(points)
        if outline is not None:
            depth = max(NEAR, float(self.camera.to_camera(points.mean(axis=0))[2]))
            colour = self.light.faded(self.light.matt(albedo, normal), depth)
            self.canvas.polygon(outline, colour, identity)

    def glowing(self, points: ArrayLike, colour: ArrayLike) -> None:
        """A convex polygon with a colour of its own, whatever the light."""
        self.canvas.polygon(self.camera.outline(np.asarray(points, float)), colour)

    def batch(self, quads: ArrayLike, albedos: ArrayLike, normal: ArrayLike) -> None:
        """Many matt quads (M, 4, 3) of one direction, in order, but none that reaches behind the camera."""
        quads = np.asarray(quads, float)
        if not len(quads):
            return
        pixels, depth = self.camera.project(quads)
        seen = depth.min(axis=1) > NEAR
        albedos = np.broadcast_to(np.asarray(albedos, float), (len(quads), 3))
        colours = self.light.matt(albedos[seen], np.asarray(normal, float))
        self.canvas.polygons(pixels[seen], self.light.faded(colours, depth[seen].mean(axis=1)))

    def wall(
        self, start: ArrayLike, end: ArrayLike, low: float, high: float, albedo: ArrayLike, normal: ArrayLike
    ) -> None:
        """An upright rectangle over the ground line from ``start`` to ``end`` (X, Y)."""
        (x1, y1), (x2, y2) = start, end
        self.flat([(x1, y1, low), (x2, y2, low), (x2, y2, high), (x1, y1, high)], albedo, normal)

    def box(
        self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], albedo: ArrayLike
    ) -> None:
        """An axis-parallel box; only its sides that face the camera are drawn."""
        camera_x, camera_y, camera_z = self.camera.position
        if camera_x < x[0]:
            self.wall((x[0], y[0]), (x[0], y[1]), *z, albedo, (-1, 0, 0))
        if camera_x > x[1]:
            self.wall((x[1], y[0]), (x[1], y[1]), *z, albedo, (1, 0, 0))
        if camera_y > y[1]:
            self.wall((x[0], y[1]), (x[1], y[1]), *z, albedo, (0, 1, 0))
        if camera_z > z[1] or camera_z < z[0]:
            level = z[1] if camera_z > z[1] else z[0]
            corners = [(x[0], y[0], level), (x[1], y[0], level), (x[1], y[1], level), (x[0], y[1], level)]
            self.flat(corners, albedo, (0, 0, 1 if camera_z > z[1] else -1))
        if camera_y < y[0]:
            self.wall((x[0], y[0]), (x[1], y[0]), *z, albedo, (0, -1, 0))

    def ground(
        self, x: tuple[float, float], y: tuple[float, float], albedo: ArrayLike, z: float = 0.0
    ) -> None:
        """A level rectangle, cut into pieces along Y so that the haze follows its depth."""
        steps = np.unique(np.clip([y[0], 4, 8, 16, 32, 64, 120, y[1]], y[0], y[1]))
        for near, far in pairwise(steps):
            self.flat([(x[0], near, z), (x[1], near, z), (x[1], far, z), (x[0], far, z)], albedo)

    def sprite(
        self, picture: np.ndarray, corners: ArrayLike, normal: ArrayLike | None = None, identity: int = 0
    ) -> bool:
        """A flat picture on a (4, 3) rectangle (clockwise from its top left); False when behind the camera.

        With a ``normal`` the picture is lit; without one it keeps its own brightness (a lit sign).
        """
        corners = np.asarray(corners, float)
        pixels, depth = self.camera.project(corners)
        if depth.min() < 2 * NEAR:
            return False
        gain = (1.0, 1.0, 1.0) if normal is None else self.light.matt((1.0, 1.0, 1.0), normal)
        self.canvas.paste(picture, pixels, identity, gain)
        return True

    def board(
        self,
        picture: np.ndarray,
        foot: ArrayLike,
        width: float,
        height: float,
        identity: int = 0,
        lit: bool = True,
    ) -> bool:
        """An upright picture that faces the camera, its lower edge's middle at ``foot`` (X, Y, Z)."""
        foot = np.asarray(foot, float)
        away = foot[:2] - self.camera.position[:2]
        away = away / max(1e-6, float(np.linalg.norm(away)))
        side = np.array([away[1], -away[0], 0.0]) * width / 2
        top = UP * height
        corners = [foot - side + top, foot + side + top, foot + side, foot - side]
        return self.sprite(picture, corners, (-away[0], -away[1], 0.0) if lit else None, identity)

    def shadows(self, shapes: Iterable[Shadow]) -> None:
        """Darken the ground under many shapes at once, on a coarse grid because shadows are soft."""
        step = 4
        size = -(-self.canvas.height * SCALE // step), -(-self.canvas.width * SCALE // step)
        total = np.full(size, 255, np.uint8)
        for shape in shapes:
            outline = self.camera.outline(shape.corners)
            if outline is None:
                continue
            depth = max(0.5, float(self.camera.to_camera(shape.corners.mean(axis=0))[2]))
            blur = max(0.7, shape.soft * self.camera.focal / depth * SCALE / step)
            _darken(total, outline * SCALE / step, shape.strength, blur)
        x, y, width, height = cv2.boundingRect(cv2.bitwise_not(total))
        if width and height:
            full = cv2.resize(total[y : y + height, x : x + width], None, fx=step, fy=step)
            full = full[: self.canvas.height * SCALE - y * step, : self.canvas.width * SCALE - x * step]
            self.canvas.shade(full, x * step, y * step)

    def glow(self, point: ArrayLike, size: float, colour: tuple[float, float, float]) -> None:
        """Remember a lamp of ``size`` metres at ``point`` for the end of the picture."""
        pixel, depth = self.camera.project(np.asarray(point, float))
        if depth > 2 * NEAR:
            radius = size * self.camera.focal / float(depth)
            self.glows.append((float(pixel[0]), float(pixel[1]), radius, colour))

    def hide_glows(self, pixels: np.ndarray) -> None:
        """Forget the lamps that lie behind a thing which covers the hull of ``pixels`` (N, 2)."""
        if self.glows:
            hull = cv2.convexHull(np.float32(pixels))
            self.glows = [one for one in self.glows if cv2.pointPolygonTest(hull, one[:2], False) < 0]


def _darken(total: np.ndarray, outline: np.ndarray, strength: float, blur: float) -> None:
    """Multiply uint8 ``total`` by one soft shadow; ``outline`` and ``blur`` are in its pixels."""
    reach = 2.2 * blur + 2
    limit = total.shape[1], total.shape[0]
    x1, y1 = (int(np.clip(part, 0, edge)) for part, edge in zip(outline.min(axis=0) - reach, limit))
    x2, y2 = (int(np.clip(part, 0, edge)) for part, edge in zip(outline.max(axis=0) + reach, limit))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return
    mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
    corners = np.clip((outline - (x1 + 0.5, y1 + 0.5)) * 16, -4e5, 4e5).astype(np.int32)
    cv2.fillConvexPoly(mask, corners, 255, cv2.LINE_AA, 4)
    side = round(blur * 2.4) | 1  # two box filters look like a Gaussian and cost the same at any size
    for _ in range(2):
        mask = cv2.blur(mask, (side, side), borderType=cv2.BORDER_REPLICATE)
    window = total[y1:y2, x1:x2]
    cv2.multiply(window, cv2.convertScaleAbs(mask, alpha=-strength, beta=255.0), window, scale=1 / 255)
