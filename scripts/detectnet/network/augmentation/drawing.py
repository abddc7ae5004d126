"""One draw from the ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectnet.network.augmentation.colour import color_matrix
from detectnet.network.augmentation.faults import NOISE_PERIOD
from detectnet.network.augmentation.geometry import matrix_of, place
from detectnet.network.augmentation.settings import AugmentationSettings
from detectnet.network.augmentation.weather import Fog, Shadow, draw_fog, draw_shadow

_OF_EXTENSIONS = 1  # their stream of random numbers


@dataclass(frozen=True)
class Change:
    """One draw from the ranges.

    Attributes:
        matrix: (3, 3) float64, from changed to given pixel coordinates.
        zoom: r of this picture.
        resampling: of this picture.
        color: (4, 3) float64, ``[r, g, b, 1] @ color`` on values 0..1.
        blur, noise: sigma in pixels, standard deviation 0..1.
        noise_start: where in the bank of noise to begin.
        jpeg_quality: 1..100, or 0 for none.
        aspect: width by height, against those of the given picture.
        gamma: exponent of values 0..1.
        fog, shadow: or None.
        motion: x and y of the line that a point becomes, pixels.
        downscale: factor, and which of the filters.
    """

    matrix: np.ndarray
    zoom: float
    resampling: str
    color: np.ndarray
    blur: float
    noise: float
    noise_start: int
    jpeg_quality: int
    aspect: float = 1.0
    gamma: float = 1.0
    fog: Fog | None = None
    shadow: Shadow | None = None
    motion: tuple[float, float] = (0.0, 0.0)
    downscale: tuple[float, float] = (1.0, 0.0)

    @property
    def zooms(self) -> tuple[float, float]:
        """How much smaller the content's width and height become."""
        stretch = self.aspect**0.5
        return self.zoom / stretch, self.zoom * stretch


def draw(
    settings: AugmentationSettings,
    seed: int,
    sample: int,
    *,
    content: tuple[int, int] | None = None,
    objects: np.ndarray | None = None,
    stream: tuple[int, ...] = (),
) -> Change:
    """The change of sample number ``sample`` of a training; depends on nothing but the arguments.

    Args:
        content: width and height of what the picture holds, from its top left corner, pixels; all by default.
        objects: (N, 4) boxes, pixels of the network's input, that a window may be laid around.
        stream: numbers that tell the draws of a sample apart; the last one is above 0.
    """
    u = np.random.default_rng((seed, sample, *stream)).random(18)
    v = np.random.default_rng((seed, sample, *stream, _OF_EXTENSIONS)).random(20)
    zoom = _zoom(settings, u[0])
    aspect = settings.aspect ** (2 * v[0] - 1)
    stretch = aspect**0.5
    quality = settings.jpeg_quality + u[1] * (101 - settings.jpeg_quality) if settings.jpeg_quality else 0
    matrix = matrix_of(settings, (zoom / stretch, zoom * stretch), u[2:9])
    target = _target(settings, objects, v[1:3])
    # where all of the content is to be seen, or no object is asked for, it lies well as it is
    if settings.canvas or (target is not None and zoom < 1):
        size = settings.width, settings.height
        matrix = place(matrix, size, content or settings.whole, target, v[3:5])
    direction = 2 * np.pi * v[5]
    length = _half_of_them(settings.motion_blur, v[6])
    return Change(
        matrix=matrix,
        zoom=zoom,
        resampling=settings.resampling[int(u[9] * len(settings.resampling))],
        color=color_matrix(settings, u[10:15], v[7:10]),
        blur=settings.blur * u[15],
        noise=settings.noise * u[16],
        noise_start=int(u[17] * NOISE_PERIOD),
        jpeg_quality=int(quality),
        aspect=aspect,
        gamma=settings.gamma ** (2 * v[10] - 1),
        fog=draw_fog(_half_of_them(settings.fog, v[11]), v[12]),
        shadow=draw_shadow(settings, v[13:17]) if v[17] < settings.shadow else None,
        motion=(length * np.cos(direction), length * np.sin(direction)),
        downscale=(settings.downscale ** _half_of_them(1.0, v[18]), v[19]),
    )


def _zoom(settings: AugmentationSettings, u: float) -> float:
    least, most = settings.zoom
    return least * (most / least) ** u if settings.log_zoom else least + u * (most - least)


def _target(settings: AugmentationSettings, objects: np.ndarray | None, u: np.ndarray) -> np.ndarray | None:
    """The object that the window is laid around, (4,), or None."""
    if objects is None or not len(objects) or u[0] >= settings.object_window:
        return None
    return objects[int(u[1] * len(objects))]


def _half_of_them(most: float, u: float) -> float:
    """Uniform from 0 to ``most`` for half of the pictures, 0 for the others."""
    return most * max(2 * u - 1, 0.0)
