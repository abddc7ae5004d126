"""What is between the camera and the plate: haze and shadow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectnet.network.augmentation.settings import AugmentationSettings

_THINNEST = 0.01  # share of haze that is not worth the work
_AT_THE_BOTTOM = 0.4  # of the haze at the top: what is high in the picture is far away
_LIGHT_GREYS = (180, 240)
_DARKNESS = (0.3, 0.8)  # of a shadow: what is left of the values


@dataclass(frozen=True)
class Fog:
    """Haze of a light grey.

    Attributes:
        share: of the haze in a pixel of the first row, 0..1.
        grey: its value, 0..255.
    """

    share: float
    grey: float


@dataclass(frozen=True)
class Shadow:
    """A half-plane that is darker.

    Attributes:
        corners: (4, 2) int32, x and y of a quadrilateral that covers it as far as the picture goes.
        factor: of the values inside.
    """

    corners: np.ndarray
    factor: float


def draw_fog(share: float, u: float) -> Fog | None:
    """Haze of this share, or None where it would not be seen."""
    least, most = _LIGHT_GREYS
    return Fog(share, least + u * (most - least)) if share > _THINNEST else None


def draw_shadow(settings: AugmentationSettings, u: np.ndarray) -> Shadow:
    """A shadow whose edge goes through a point of the picture in any direction; u are 4 numbers in 0..1."""
    through = np.array([u[0] * settings.width, u[1] * settings.height])
    angle = 2 * np.pi * u[2]
    along = np.array([np.cos(angle), np.sin(angle)]) * 2 * (settings.width + settings.height)
    across = np.array([-along[1], along[0]])
    corners = [through + along, through - along, through - along + across, through + along + across]
    least, most = _DARKNESS
    return Shadow(np.rint(corners).astype(np.int32), least + u[3] * (most - least))


def add_shadow(picture: np.ndarray, shadow: Shadow) -> np.ndarray:
    """The picture, uint8, with the shadow."""
    inside = cv2.fillConvexPoly(np.zeros(picture.shape[:2], np.uint8), shadow.corners, 1)
    return cv2.copyTo(cv2.convertScaleAbs(picture, alpha=shadow.factor), inside, picture.copy())


def add_fog(picture: np.ndarray, fog: Fog) -> np.ndarray:
    """The picture, uint8, seen through the haze."""
    share = np.linspace(fog.share, _AT_THE_BOTTOM * fog.share, len(picture), dtype=np.float32)[:, np.newaxis]
    seen = picture.reshape(len(picture), -1).astype(np.float32)
    seen *= 1 - share
    seen += share * np.float32(fog.grey)
    return cv2.convertScaleAbs(seen).reshape(picture.shape)  # rounds
