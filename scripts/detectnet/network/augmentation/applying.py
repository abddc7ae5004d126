"""A change, applied to pixels: first where they go, then what they look like."""

from __future__ import annotations

import numpy as np

from detectnet.network.augmentation.colour import raise_values, recolor
from detectnet.network.augmentation.drawing import Change
from detectnet.network.augmentation.faults import add_noise, blur, compress, lose_detail, move
from detectnet.network.augmentation.geometry import warp
from detectnet.network.augmentation.settings import AugmentationSettings
from detectnet.network.augmentation.weather import add_fog, add_shadow


def apply(picture: np.ndarray, change: Change, settings: AugmentationSettings) -> np.ndarray:
    """The changed picture, uint8 (height, width, channels) with the channels of the given one.

    Args:
        picture: uint8; it fills the network's input, or its top left corner, with 0 beyond.
    """
    return repaint(rearrange(picture, change, settings), change)


def rearrange(picture: np.ndarray, change: Change, settings: AugmentationSettings) -> np.ndarray:
    """The picture with its pixels where they belong, (height, width, channels), their values as they were."""
    moved = warp(picture, change.matrix, change.zooms, change.resampling, settings)
    return moved.reshape(settings.height, settings.width, -1)  # OpenCV drops a single channel's axis


def repaint(picture: np.ndarray, change: Change) -> np.ndarray:
    """The picture, (height, width, channels), in another light, through other air, by another camera."""
    shape = picture.shape
    if shape[2] == 3:
        picture = recolor(picture, change.color)
    if change.gamma != 1:
        picture = raise_values(picture, change.gamma)
    if change.shadow:
        picture = add_shadow(picture, change.shadow)
    if change.fog:
        picture = add_fog(picture, change.fog)
    picture = move(blur(picture, change.blur), change.motion)
    picture = lose_detail(picture, *change.downscale)
    if change.noise > 0:
        picture = add_noise(picture.reshape(shape), change.noise, change.noise_start)
    if change.jpeg_quality:
        picture = compress(picture.reshape(shape), change.jpeg_quality)
    return picture.reshape(shape)
