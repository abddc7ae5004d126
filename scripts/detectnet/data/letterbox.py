"""The letterbox rules of the contract: aspect kept, at the top left, zeros beyond; or stretched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectnet.contract import LETTERBOXES, STRETCH, TOP_LEFT
from detectnet.errors import UserError

INTERPOLATIONS = {
    "linear": cv2.INTER_LINEAR,  # without anti-aliasing, as nvinfer's scaling-filter=1
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
}


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies in the network's input.

    ``width``, ``height`` are of the scaled picture in whole pixels, at most ``net_width``, ``net_height``;
    ``scale_x``, ``scale_y`` are new by old size *after* truncation and so differ slightly.
    """

    scale_x: float
    scale_y: float
    width: int
    height: int
    net_width: int
    net_height: int

    def forward(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (..., 4) in pixels of the picture to pixels of the network's input; not clipped."""
        return boxes * self._factors(boxes)

    def inverse(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (..., 4) in pixels of the network's input back to pixels of the picture; not clipped."""
        return boxes / self._factors(boxes)

    def _factors(self, boxes: np.ndarray) -> np.ndarray:
        kind = boxes.dtype if np.issubdtype(boxes.dtype, np.floating) else np.float64
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], dtype=kind)


def letterbox_geometry(
    width: int, height: int, net_width: int, net_height: int, rule: str = TOP_LEFT
) -> Letterbox:
    """Where a picture of ``width`` x ``height`` pixels lies in an input of ``net_width`` x ``net_height``.

    The side that is relatively longer takes its whole length; the other is cut to a whole pixel, never
    below 1. That is nvinfer's ``maintain-aspect-ratio=1`` without symmetric padding; the rule ``stretch``
    is its ``maintain-aspect-ratio=0``.

    Raises:
        UserError: a size is below 1 pixel, or there is no such rule.
    """
    if min(width, height, net_width, net_height) < 1:
        raise UserError(
            f"cannot scale {width}x{height} pixels to {net_width}x{net_height}", allowed="sizes of 1 or more"
        )
    if rule not in LETTERBOXES:
        raise UserError(f"no letterbox rule {rule!r}", allowed=LETTERBOXES)
    if rule == STRETCH:
        return Letterbox(net_width / width, net_height / height, net_width, net_height, net_width, net_height)
    # In whole numbers: with a floating-point scale 640 can come out as 639.999... and lose a pixel.
    if net_width * height <= net_height * width:
        new_width, new_height = net_width, max(net_width * height // width, 1)
    else:
        new_width, new_height = max(net_height * width // height, 1), net_height
    return Letterbox(new_width / width, new_height / height, new_width, new_height, net_width, net_height)


def letterbox(
    rgb: np.ndarray,
    net_width: int,
    net_height: int,
    interpolation: str = "linear",
    rule: str = TOP_LEFT,
    padding: int = 0,
) -> tuple[np.ndarray, Letterbox]:
    """Scale and pad a picture.

    Args:
        rgb: uint8 (height, width, 3), or (height, width) for grey.
        net_width, net_height: size of the network's input in pixels.
        interpolation: one of ``linear``, ``area``, ``nearest``.
        rule: ``top-left`` or ``stretch``, the contract's ``letterbox``.
        padding: 0..255, of what the picture does not cover.

    Returns:
        a new uint8 array (net_height, net_width, ...) and the geometry that moves boxes.

    Raises:
        UserError: unknown interpolation or rule, or a side without pixels.
    """
    if interpolation not in INTERPOLATIONS:
        raise UserError(f"no interpolation {interpolation!r}", allowed=INTERPOLATIONS)
    height, width = rgb.shape[:2]
    geometry = letterbox_geometry(width, height, net_width, net_height, rule)
    padded = np.full((net_height, net_width, *rgb.shape[2:]), padding, dtype=rgb.dtype)
    size = (geometry.width, geometry.height)
    padded[: geometry.height, : geometry.width] = cv2.resize(
        rgb, size, interpolation=INTERPOLATIONS[interpolation]
    )
    return padded, geometry
