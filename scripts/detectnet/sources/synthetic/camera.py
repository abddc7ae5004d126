"""The pinhole camera that looks at a scene.

World axes: X right, Y forward (along the road), Z up, in metres; the ground is Z = 0.
Picture coordinates are continuous pixels: (0, 0) is the outer corner of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

NEAR = 0.25  # metres; nothing nearer to the camera's plane is drawn


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels and its principal point at the picture's centre.

    Args:
        width, height: picture size in pixels.
        focal: focal length in pixels.
        position: metres, (X, Y, Z).
        pan, pitch, roll: radians; pan > 0 looks right, pitch > 0 looks up, roll > 0 tilts clockwise.
    """

    width: int
    height: int
    focal: float
    position: tuple[float, float, float]
    pan: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @cached_property
    def rotation(self) -> np.ndarray:
        """(3, 3) from world to camera axes (right, down, forward)."""
        sin_pan, cos_pan = np.sin(self.pan), np.cos(self.pan)
        sin_pitch, cos_pitch = np.sin(self.pitch), np.cos(self.pitch)
        forward = np.array([sin_pan * cos_pitch, cos_pan * cos_pitch, sin_pitch])
        right = np.array([cos_pan, -sin_pan, 0.0])
        down = np.array([sin_pan * sin_pitch, cos_pan * sin_pitch, -cos_pitch])
        turn = np.array([[np.cos(self.roll), np.sin(self.roll)], [-np.sin(self.roll), np.cos(self.roll)]])
        return np.vstack([turn @ np.vstack([right, down]), forward])

    def to_camera(self, points: ArrayLike) -> np.ndarray:
        """(..., 3) world points in camera axes, metres."""
        return (np.asarray(points, float) - self.position) @ self.rotation.T

    def project(self, points: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """(..., 2) pixels and (...) depths in metres of (..., 3) world points.

        Pixels of points nearer than ``NEAR`` have no meaning.
        """
        local = self.to_camera(points)
        depth = local[..., 2]
        safe = np.maximum(depth, NEAR)
        centre = (self.width / 2, self.height / 2)
        return local[..., :2] * (self.focal / safe)[..., None] + centre, depth

    def outline(self, points: ArrayLike) -> np.ndarray | None:
        """(M, 2) pixels of a (N, 3) polygon, cut at the near plane; None when nothing is in front."""
        local = self.to_camera(points)
        if (local[:, 2] < NEAR).any():
            local = _cut(local)
        if len(local) < 3:
            return None
        return local[:, :2] * (self.focal / local[:, 2:]) + (self.width / 2, self.height / 2)

    def rays(self, step: int = 1) -> np.ndarray:
        """(H, W, 3) float32 world directions, not normalised, of every ``step``-th pixel's centre."""
        u = (np.arange(0, self.width, step) + step / 2 - self.width / 2) / self.focal
        v = (np.arange(0, self.height, step) + step / 2 - self.height / 2) / self.focal
        across, down, forward = self.rotation.astype(np.float32)
        u32, v32 = u.astype(np.float32)[None, :, None], v.astype(np.float32)[:, None, None]
        return u32 * across + v32 * down + forward

    def looking_at(self, point: ArrayLike) -> Camera:
        """This camera turned until world ``point`` is in the picture's middle."""
        offset = np.asarray(point, float) - self.position
        pan = float(np.arctan2(offset[0], offset[1]))
        return replace(self, pan=pan, pitch=float(np.arctan2(offset[2], np.hypot(offset[0], offset[1]))))

    def aimed(self, point: ArrayLike, u: float, v: float) -> Camera:
        """This camera turned (pan and pitch, same roll) until world ``point`` is seen at (u, v)."""
        target = np.asarray(point, float)
        camera = self.looking_at(target)
        sin, cos = float(np.sin(self.roll)), float(np.cos(self.roll))
        for _ in range(5):
            pixel, _ = camera.project(target)
            x, y = float(pixel[0] - u) / self.focal, float(pixel[1] - v) / self.focal
            right, down = x * cos - y * sin, x * sin + y * cos
            pan = camera.pan + right / max(0.2, float(np.cos(camera.pitch)))
            camera = replace(camera, pan=pan, pitch=camera.pitch - down)
        return camera


def _cut(local: np.ndarray) -> np.ndarray:
    """A polygon in camera axes without its part nearer than the near plane (Sutherland-Hodgman)."""
    kept = []
    for here, after in zip(local, np.roll(local, -1, axis=0)):
        inside, inside_after = here[2] >= NEAR, after[2] >= NEAR
        if inside:
            kept.append(here)
        if inside != inside_after:
            share = (NEAR - here[2]) / (after[2] - here[2])
            kept.append(here + share * (after - here))
    return np.array(kept).reshape(-1, 3)
