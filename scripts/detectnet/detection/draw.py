"""Pictures with boxes and labels drawn on them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Colour = tuple[int, int, int]

# Colours that stay apart for colour-blind eyes; RGB.
OUTCOME_COLOURS: dict[str, Colour] = {
    "hit": (0, 158, 115),
    "missed": (240, 228, 66),
    "false": (213, 94, 0),
    "neutral": (153, 153, 153),
}
DEFAULT_COLOUR = OUTCOME_COLOURS["hit"]


def annotate(
    rgb: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[str] = (),
    colours: Colour | Sequence[Colour] = DEFAULT_COLOUR,
    linewidth: int | None = None,
) -> np.ndarray:
    """A copy of a picture with boxes, and a label on a filled ground above each.

    Lines and letters grow with the picture. A label is moved so that all of it is in the picture: below the
    box where there is no room above it.

    Args:
        rgb: uint8 (H, W, 3).
        boxes: float (N, 4), x1 y1 x2 y2 in pixels of this picture.
        labels: N texts, or none; an empty text draws none.
        colours: RGB, one for all or one for each box, e.g. of ``OUTCOME_COLOURS``.
        linewidth: pixels; by default a 400th of the picture's longer side, at least 1.

    Returns:
        uint8 (H, W, 3).
    """
    made = np.ascontiguousarray(rgb).copy()
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    each = [tuple(colours)] * len(boxes) if _is_one(colours) else list(colours)
    texts = list(labels) or [""] * len(boxes)
    width = linewidth or max(1, round(max(rgb.shape[:2]) / 400))
    corners = np.rint(boxes).astype(int).tolist()
    for (x1, y1, x2, y2), colour in zip(corners, each, strict=True):
        cv2.rectangle(made, (x1, y1), (x2, y2), colour, width, cv2.LINE_8)
    # After all boxes, so that no line runs through a label.
    for corner, colour, text in zip(corners, each, texts, strict=True):
        if text:
            _write(made, text, corner, colour, width)
    return made


def _write(picture: np.ndarray, text: str, box: Sequence[int], colour: Colour, line: int) -> None:
    face = cv2.FontFace("sans")
    height, width = picture.shape[:2]
    size = max(10, round(max(height, width) / 45))
    margin = max(1, size // 6)
    _, _, text_width, _ = cv2.getTextSize((width, height), text, (0, 0), face, size)
    wide, high = text_width + 2 * margin, size + 2 * margin
    left = min(max(box[0] - line // 2, 0), max(width - wide, 0))
    top = box[1] - high if box[1] >= high else box[3] + line
    top = min(max(top, 0), max(height - high, 0))
    cv2.rectangle(picture, (left, top), (left + wide - 1, top + high - 1), colour, cv2.FILLED)
    ink = (0, 0, 0) if np.dot(colour, (0.299, 0.587, 0.114)) > 110 else (255, 255, 255)
    cv2.putText(picture, text, (left + margin, top + margin + round(0.8 * size)), ink, face, size)


def _is_one(colours: Colour | Sequence[Colour]) -> bool:
    return len(colours) == 3 and all(isinstance(part, (int, np.integer)) for part in colours)
