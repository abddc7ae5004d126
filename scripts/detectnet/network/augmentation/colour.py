"""Colours: one matrix on the pixels, and one table on the values."""

from __future__ import annotations

from statistics import NormalDist

import cv2
import numpy as np

from detectnet.network.augmentation.settings import AugmentationSettings

_LUMA = np.array([0.299, 0.587, 0.114])
# Hue and saturation as linear maps of row vectors (R, G, B): the grey, and two parts of the colour.
_GREY = np.outer(_LUMA, np.ones(3))
_COSINE = np.eye(3) - _GREY
_SINE = np.array([[0.168, -0.328, 1.25], [0.330, 0.035, -1.05], [-0.497, 0.292, -0.203]])
_NORMAL = NormalDist()
_TAIL = _NORMAL.cdf(-2.0)


def color_matrix(settings: AugmentationSettings, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Contrast, hue and saturation, brightness, and the loss of colour, as one (4, 3) matrix.

    Before them all each channel has a gain, as of a camera that takes another white for white.

    Args:
        u, v: 5 numbers in 0..1, and 3 for the gains.
    """
    contrast = _truncated(u[0]) * settings.contrast / 2
    hue = np.deg2rad(_truncated(u[1]) * settings.hue / 2)
    saturation = 1 + (2 * u[2] - 1) * settings.saturation
    turn = _GREY + saturation * (np.cos(hue) * _COSINE + np.sin(hue) * _SINE)
    offset = np.full(3, -contrast * settings.contrast_center) @ turn
    offset = offset + _truncated(u[3]) * settings.brightness
    scaled = (1 + contrast) * turn
    if settings.white_balance:
        scaled = np.diag(1 + (2 * v - 1) * settings.white_balance) @ scaled
    made = np.vstack([scaled, offset])
    return made @ _GREY if u[4] < settings.grey else made


def _truncated(u: float) -> float:
    """A standard normal number cut at two sigma, from a uniform one."""
    return _NORMAL.inv_cdf(_TAIL + u * (1 - 2 * _TAIL))


def recolor(picture: np.ndarray, color: np.ndarray) -> np.ndarray:
    """A colour picture, uint8, through a (4, 3) matrix on values 0..1."""
    if np.allclose(color[:3], np.eye(3), atol=1e-9) and not color[3].any():
        return picture
    return cv2.transform(picture, np.vstack([color[:3], 255 * color[3:]]).T)


def raise_values(picture: np.ndarray, gamma: float) -> np.ndarray:
    """Values 0..1, as uint8, to the power of ``gamma``: above 1 the middle becomes darker."""
    table = 255 * (np.arange(256) / 255) ** gamma
    return cv2.LUT(picture, np.rint(table).astype(np.uint8))
