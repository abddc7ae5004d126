"""What lies behind everything: sky, far land and textured ground."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from detectnet.sources.synthetic.camera import Camera
from detectnet.sources.synthetic.light import Light

_STEP = 5  # sky and ground colours change slowly and are worked out for every fifth pixel only
_TILE = 512  # pixels of the grain tile

Rgb = tuple[float, float, float]


@cache
def noise(seed: int, size: int = _TILE) -> np.ndarray:
    """(size, size) float32 noise in -1..1 of several scales that repeats without a seam."""
    rng = np.random.Generator(np.random.PCG64([77, seed]))
    total = np.zeros((size, size), np.float32)
    for cells, weight in ((4, 0.5), (16, 0.6), (64, 0.8), (256, 1.0)):
        coarse = rng.standard_normal((cells, cells), np.float32)
        wide = np.pad(coarse, 2, mode="wrap")
        scale = size // cells
        large = cv2.resize(wide, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += weight * large[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    return np.clip(total / 3.0, -1, 1)


def draw_backdrop(
    camera: Camera,
    light: Light,
    ground: Rgb,
    road: Rgb,
    edges: np.ndarray,
    grain: float,
    clouds: float,
    seed: int,
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of sky, ground and road, without anything on them.

    Args:
        ground, road: albedo of the ground and of the road on it.
        edges: (4, 3) world corners of the road.
        grain: contrast of its texture, 0..1.
        clouds: contrast of clouds, 0..1.
        seed: which part of the textures is seen.
    """
    rays = camera.rays(_STEP)
    rays /= np.sqrt(np.sum(rays * rays, axis=-1, keepdims=True))
    up = rays[..., 2]
    sky = _sky(rays, light, clouds, seed)
    distance = camera.position[2] / np.maximum(-up, 1e-4)
    fade = np.exp2(-distance / light.haze)[..., None]
    size = camera.width, camera.height
    land, way = (_hazy(light, albedo, fade) for albedo in (ground, road))
    picture = _enlarged(np.where((up < 0)[..., None], land, sky), size)
    outline = camera.outline(edges)
    if outline is not None and road != ground:
        _pave(picture, _enlarged(way, size), outline)
    if grain > 0:
        reach = np.where(up < -1e-3, np.clip(camera.focal / distance / 60, 0, 1), 0).astype(np.float32)
        rough = (_grain(camera, seed).astype(np.float32) - 128) * cv2.resize(reach, size) * grain + 128
        picture = cv2.multiply(picture, cv2.merge([rough.astype(np.uint8)] * 3), scale=1 / 128)
    return picture


def _hazy(light: Light, albedo: Rgb, fade: np.ndarray) -> np.ndarray:
    shade = light.matt(np.array(albedo), np.array((0.0, 0.0, 1.0))).astype(np.float32)
    return shade * fade + np.float32(light.horizon) * (1 - fade)


def _enlarged(colours: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(np.clip(colours, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)


def _pave(picture: np.ndarray, way: np.ndarray, outline: np.ndarray) -> None:
    """Put the road's colours into ``picture`` inside ``outline`` (N, 2)."""
    inside = np.zeros(picture.shape[:2], np.uint8)
    corners = np.clip((outline - 0.5) * 16, -4e5, 4e5).astype(np.int32)
    cv2.fillConvexPoly(inside, corners, 255, cv2.LINE_AA, 4)
    x, y, width, height = cv2.boundingRect(inside)
    if width and height:
        window = slice(y, y + height), slice(x, x + width)
        share = cv2.multiply(inside[window], 1 / 255, dtype=cv2.CV_32F)
        picture[window] = cv2.blendLinear(way[window].copy(), picture[window].copy(), share, 1 - share)


def _sky(rays: np.ndarray, light: Light, clouds: float, seed: int) -> np.ndarray:
    height = np.clip(rays[..., 2:] * 1.8, 0, 1) ** 0.7
    sky = np.float32(light.horizon) * (1 - height) + np.float32(light.zenith) * height
    if clouds <= 0:
        return sky
    dome = np.maximum(rays[..., 2], 0.03) + 0.12
    x = ((rays[..., 0] / dome * 40 + seed * 37) % (_TILE - 1)).astype(np.float32)
    y = ((rays[..., 1] / dome * 40 + seed * 91) % (_TILE - 1)).astype(np.float32)
    soft = cv2.remap(_cloud_tile(), x, y, cv2.INTER_LINEAR)
    share = np.clip(soft * 2.4, 0, 1)[..., None] * clouds * np.clip(rays[..., 2:] * 8, 0, 1)
    bright = np.minimum(np.float32(light.horizon) * 1.12, 252)
    return sky * (1 - share) + bright * share


@cache
def _cloud_tile() -> np.ndarray:
    return cv2.GaussianBlur(noise(3), (0, 0), 5) * 1.6


@cache
def _ground_tile() -> np.ndarray:
    return (128 + 127 * noise(1)).astype(np.uint8)


def _grain(camera: Camera, seed: int) -> np.ndarray:
    """(H, W) uint8 ground texture in perspective; 128 is even."""
    u = np.array([1 / camera.focal, 0, (0.5 - camera.width / 2) / camera.focal])
    v = np.array([0, 1 / camera.focal, (0.5 - camera.height / 2) / camera.focal])
    linear = np.outer(camera.rotation[0], u) + np.outer(camera.rotation[1], v)
    linear[:, 2] += camera.rotation[2]
    height, density = camera.position[2], 110.0  # texture pixels per metre
    offset = np.array([seed * 53 % _TILE, seed * 97 % _TILE])
    ground = np.vstack([-height * density * linear[:2] + offset[:, None] * linear[2], linear[2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = camera.width, camera.height
    return cv2.warpPerspective(_ground_tile(), ground, size, flags=flags, borderMode=cv2.BORDER_WRAP)
