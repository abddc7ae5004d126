"""What lens, sensor and file do to a picture: glare, blur, uneven light, cast, noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

Rng = np.random.Generator


@dataclass(frozen=True)
class Effects:
    """One camera's weaknesses in one picture.

    Args:
        defocus: standard deviation of the blur in pixels of the picture.
        motion: length in pixels and direction in radians of the motion blur.
        gain: brightness of the four corners (top left, top right, bottom left, bottom right).
        gamma: exponent of the tones.
        cast: factors of red, green and blue.
        noise: standard deviation of the noise, grey levels.
        colour_noise: share of the noise that differs between the channels.
        grey: the picture is black and white.
        quality: of the JPEG file, 1..100.
        seed: of the noise.
    """

    defocus: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    gamma: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.0
    colour_noise: float = 0.5
    grey: bool = False
    quality: int = 92
    seed: int = 0


def draw_effects(rng: Rng, size: int, night: bool) -> Effects:
    """Usually mild, sometimes strong; ``size`` is the picture's longer side in pixels."""
    unit = size / 640
    defocus = float(rng.uniform(0.0, 0.35) if rng.random() < 0.72 else rng.uniform(0.35, 1.25)) * unit
    motion = float(rng.uniform(1.5, 6.0)) * unit if rng.random() < 0.13 else 0.0
    corners = tuple(float(value) for value in rng.normal(1.0, 0.10 if rng.random() < 0.6 else 0.2, 4))
    cast = tuple(float(value) for value in 1 + rng.normal(0, 0.03, 3))
    noise = float(rng.exponential(2.2) + (rng.uniform(2, 9) if night else 0.4))
    bright = float(rng.uniform(0.75, 1.4) if rng.random() < 0.85 else rng.uniform(0.5, 1.9))
    return Effects(
        defocus,
        (motion, float(rng.normal(0, 0.4))),
        tuple(corner * bright**0.35 for corner in corners),
        bright**-0.4,
        cast,
        min(noise, 16.0),
        float(rng.uniform(0.2, 0.7)),
        bool(rng.random() < 0.10),
        int(rng.integers(80, 97)) if rng.random() < 0.7 else int(rng.integers(35, 80)),
        int(rng.integers(2**31)),
    )


def develop(picture: np.ndarray, effects: Effects) -> np.ndarray:
    """(H, W, 3) uint8 RGB as the camera would have stored it, before the file format."""
    if effects.defocus > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), effects.defocus)
    if effects.motion[0] >= 2:
        picture = cv2.filter2D(picture, -1, _streak(*effects.motion))
    picture = cv2.LUT(picture, _tones(effects))
    if effects.grey:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    light = _uneven(picture.shape[:2], effects)
    return _grainy(picture, light, effects)


def encode(picture: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of an RGB picture."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done
    return data.tobytes()


def add_glows(
    picture: np.ndarray, glows: list[tuple[float, float, float, tuple[float, float, float]]]
) -> np.ndarray:
    """The picture with lamps' halos added: (u, v, radius in pixels, RGB) each."""
    if not glows:
        return picture
    height, width = picture.shape[:2]
    step = 4
    halo = np.zeros((-(-height // step), -(-width // step), 3), np.float32)
    for u, v, radius, colour in glows:
        _add_halo(halo, u / step, v / step, max(radius / step, 0.4), colour)
    full = cv2.resize(np.minimum(halo, 255), (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.add(picture, full.astype(np.uint8))


def _add_halo(
    halo: np.ndarray, u: float, v: float, radius: float, colour: tuple[float, float, float]
) -> None:
    reach = int(min(radius * 6 + 2, 90))
    x1, x2 = max(int(u) - reach, 0), min(int(u) + reach + 1, halo.shape[1])
    y1, y2 = max(int(v) - reach, 0), min(int(v) + reach + 1, halo.shape[0])
    if x2 <= x1 or y2 <= y1:
        return
    dx = (np.arange(x1, x2, dtype=np.float32) - u) / radius
    dy = (np.arange(y1, y2, dtype=np.float32) - v) / radius
    square = dx[None, :] ** 2 + dy[:, None] ** 2
    share = 0.7 * np.exp(-square / 1.2) + 0.22 / (1 + square * 0.8) * np.exp(-square / 22)
    halo[y1:y2, x1:x2] += share[..., None] * np.float32(colour)


def _streak(length: float, angle: float) -> np.ndarray:
    size = int(np.ceil(length)) | 1
    kernel = np.zeros((size, size), np.float32)
    half = (length - 1) / 2
    centre = size // 2
    for share in np.linspace(-1, 1, 4 * size):
        x, y = centre + share * half * np.cos(angle), centre + share * half * np.sin(angle)
        kernel[round(y), round(x)] += 1
    return kernel / kernel.sum()


def _tones(effects: Effects) -> np.ndarray:
    ramp = (np.arange(256) / 255.0) ** effects.gamma * 255
    table = np.clip(ramp[:, None] * effects.cast, 0, 255)
    return np.round(table).astype(np.uint8)[None]


def _uneven(shape: tuple[int, int], effects: Effects) -> np.ndarray:
    """(H, W) float32 gain: a plane through the corners, and a little darker at the edges."""
    height, width = shape
    small = cv2.resize(np.float32(effects.gain).reshape(2, 2), (32, 32), interpolation=cv2.INTER_LINEAR)
    across = np.linspace(-1, 1, 32, dtype=np.float32)
    small = small * (1 - 0.07 * (across[None] ** 2 + across[:, None] ** 2))
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


@cache
def _noise_tile() -> np.ndarray:
    """(1400, 1400) float32 normal noise; a picture uses three windows of it."""
    rng = np.random.Generator(np.random.PCG64(4242))
    return rng.standard_normal((1400, 1400), np.float32)


def _grainy(picture: np.ndarray, light: np.ndarray, effects: Effects) -> np.ndarray:
    height, width = picture.shape[:2]
    rng = np.random.Generator(np.random.PCG64(effects.seed))
    tile = _noise_tile()
    channels = []
    own = 0.0 if effects.grey else effects.noise * effects.colour_noise
    shared = float(np.sqrt(effects.noise**2 - own**2))
    y, x = rng.integers(0, 1400 - height), rng.integers(0, 1400 - width)
    base = tile[y : y + height, x : x + width]
    for channel in cv2.split(picture):
        value = cv2.multiply(channel, light, dtype=cv2.CV_32F)
        value = cv2.scaleAdd(base, shared, value)
        y, x = rng.integers(0, 1400 - height), rng.integers(0, 1400 - width)
        if own > 0:
            value = cv2.scaleAdd(np.ascontiguousarray(tile[y : y + height, x : x + width]), own, value)
        channels.append(cv2.convertScaleAbs(cv2.max(value, 0)))
    return cv2.merge(channels)
