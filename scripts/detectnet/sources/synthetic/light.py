"""What light falls on a scene, and how painted surfaces answer it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Light:
    """The light of a scene; colours are RGB 0..255.

    Args:
        sun: unit vector towards the sun (or the strongest lamp).
        power: strength of the direct light; 0 on an overcast day.
        ambient: strength of the light from everywhere.
        zenith, horizon, ground: what shiny surfaces mirror, from above to below.
        tint: colour of the light, RGB near 1.
        haze: distance in metres at which things have faded half-way to the horizon's colour.
        night: lamps and headlights are on, and plates shine back.
    """

    sun: tuple[float, float, float]
    power: float
    ambient: float
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    ground: tuple[float, float, float]
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: float = 400.0
    night: bool = False

    def matt(self, albedo: ArrayLike, normals: ArrayLike) -> np.ndarray:
        """(..., 3) colours of matt surfaces with unit ``normals`` (..., 3)."""
        normals = np.asarray(normals, float)
        direct = np.maximum(normals @ np.array(self.sun), 0) * self.power
        around = self.ambient * (0.78 + 0.22 * normals[..., 2])
        return np.asarray(albedo, float) * ((direct + around)[..., None] * self.tint)

    def mirrored(self, directions: np.ndarray) -> np.ndarray:
        """(..., 3) colour that a perfect mirror would show of the surroundings in ``directions``."""
        up = directions[..., 2:3]
        sky = np.clip(up * 1.6, 0, 1)
        above = np.array(self.horizon) * (1 - sky) + np.array(self.zenith) * sky
        skyline = 0.55 * np.array(self.horizon) * np.array((0.75, 0.78, 0.8))
        rising = np.clip((up - 0.06) * 12, 0, 1)
        above = skyline * (1 - rising) + above * rising
        below = np.clip(up * 8 + 0.5, 0, 1)
        return np.array(self.ground) * (1 - below) + above * below

    def glossy(
        self, albedo: ArrayLike, normals: np.ndarray, views: np.ndarray, gloss: ArrayLike
    ) -> np.ndarray:
        """(N, 3) colours of lacquered surfaces seen along unit ``views`` (N, 3), ``gloss`` (N,) 0..1."""
        facing = np.sum(normals * views, axis=-1, keepdims=True)
        bounce = views - 2 * facing * normals
        fresnel = 0.25 + 0.75 * (1 - np.abs(facing)) ** 3
        share = np.clip(np.asarray(gloss, float)[..., None] * fresnel, 0, 1)
        shine = np.clip(bounce @ np.array(self.sun), 0, 1)[..., None] ** 60 * self.power * 160
        return (
            self.matt(albedo, normals) * (1 - 0.6 * share)
            + self.mirrored(bounce) * share
            + shine * np.sqrt(share)
        )

    def faded(self, colours: ArrayLike, depth: ArrayLike) -> np.ndarray:
        """(..., 3) colours seen through the air of ``depth`` (...) metres."""
        share = 1 - 0.5 ** (np.asarray(depth, float)[..., None] / self.haze)
        return np.asarray(colours, float) * (1 - share) + np.array(self.horizon) * share
