"""How a frame gets into the network on the device: nvstreammux, then nvinfer's scaler.

Not modelled is the colour conversion on the way: a decoder hands over NV12, whose colour has half the
resolution.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from detectnet.contract import TOP_LEFT
from detectnet.data.letterbox import Letterbox, letterbox
from detectnet.errors import UserError

Size = tuple[int, int]
"""Width and height in pixels."""
SCALINGS = {"bilinear": "linear", "nearest": "nearest"}
"""nvinfer's scaling-filter 1 and 0 -> the interpolation; bilinear has no anti-aliasing."""


def shown_to_network(
    rgb: np.ndarray,
    net_size: Size,
    scaling: str,
    *,
    rule: str = TOP_LEFT,
    padding: int = 0,
    frame: Size | None = None,
) -> tuple[np.ndarray, Letterbox]:
    """A picture as the network sees it when it is played as a frame.

    nvstreammux stretches it to its own size, bilinear; with the picture's own size nothing happens. nvinfer
    then scales what came out, with the picture at the top left.

    Args:
        rgb: uint8 (height, width, 3).
        net_size: of the network's input.
        scaling: a key of ``SCALINGS``.
        rule, padding: the contract's ``letterbox`` and ``padding``.
        frame: the size of nvstreammux; None is the picture's own.

    Returns:
        A new uint8 array (net height, net width, 3), and the geometry that moves boxes of ``rgb`` to it.

    Raises:
        UserError: there is no such scaling or rule.
    """
    if scaling not in SCALINGS:
        raise UserError(f"nvinfer does not scale '{scaling}'", allowed=SCALINGS)
    height, width = rgb.shape[:2]
    stretched = (
        rgb if frame in (None, (width, height)) else cv2.resize(rgb, frame, interpolation=cv2.INTER_LINEAR)
    )
    made, geometry = letterbox(stretched, *net_size, SCALINGS[scaling], rule, padding)
    across, down = stretched.shape[1] / width, stretched.shape[0] / height
    moved = dataclasses.replace(geometry, scale_x=geometry.scale_x * across, scale_y=geometry.scale_y * down)
    return made, moved
