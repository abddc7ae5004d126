"""Boxes of a source made fit for a label: in the shown orientation, ordered, inside the picture."""

from __future__ import annotations

import math

import numpy as np

from detectnet.data.boxes import clip
from detectnet.sources.base import Box

TURNED = range(5, 9)  # EXIF orientations that swap width and height


def as_shown(box: Box, stored: tuple[int, int], orientation: int) -> Box:
    """A box drawn on the stored picture, moved to where the picture as shown has it.

    Args:
        box: x1, y1, x2, y2 in pixels of the stored picture.
        stored: its width and height.
        orientation: EXIF, 5 (mirrored along the diagonal), 6 (to be turned a quarter clockwise),
            7 (mirrored along the other diagonal), 8 (a quarter anticlockwise).
    """
    width, height = stored
    x1, y1, x2, y2 = box
    return {
        5: (y1, x1, y2, x2),
        6: (height - y2, x1, height - y1, x2),
        7: (height - y2, width - x2, height - y1, width - x1),
        8: (y1, width - x2, y2, width - x1),
    }[orientation]


def fit(box: Box, width: int, height: int) -> tuple[Box | None, tuple[str, ...]]:
    """The box with ordered corners inside the picture.

    Returns:
        the box, and what was mended ("corners swapped", "clipped"); or None, and why the box is dropped.
    """
    if not all(map(math.isfinite, box)):
        return None, ("not a number",)
    x1, x2 = sorted(box[0::2])
    y1, y2 = sorted(box[1::2])
    if x1 == x2 or y1 == y2:
        return None, ("no area",)
    inside = tuple(map(float, clip(np.array([x1, y1, x2, y2]), width, height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return None, ("outside the picture",)
    swapped = ("corners swapped",) if (x1, y1) != box[:2] else ()
    clipped = ("clipped",) if inside != (x1, y1, x2, y2) else ()
    return inside, swapped + clipped
