"""Arithmetic on boxes: numpy arrays (..., 4) of x1, y1, x2, y2 in continuous pixels, 0-based."""

from __future__ import annotations

import numpy as np


def width(boxes: np.ndarray) -> np.ndarray:
    """x2 - x1 of boxes (..., 4), negative where the corners are swapped."""
    return boxes[..., 2] - boxes[..., 0]


def height(boxes: np.ndarray) -> np.ndarray:
    """y2 - y1 of boxes (..., 4), negative where the corners are swapped."""
    return boxes[..., 3] - boxes[..., 1]


def area(boxes: np.ndarray, inclusive: bool = False) -> np.ndarray:
    """Area in square pixels (...,), 0 for a box without extent.

    ``inclusive`` counts the last row and column as well (x2 - x1 + 1), as Pascal VOC's and TAO's
    evaluation do on whole-pixel corners.
    """
    more = 1 if inclusive else 0
    return np.maximum(width(boxes) + more, 0) * np.maximum(height(boxes) + more, 0)


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes (..., 4) cut to the picture [0, width] x [0, height]; the type of the numbers is kept."""
    limits = np.array([width, height, width, height], dtype=boxes.dtype)
    return np.minimum(np.maximum(boxes, 0), limits)


def valid(boxes: np.ndarray, minimum: float = 0.0) -> np.ndarray:
    """True (...,) where a box is finite and both sides are above 0 and at least ``minimum`` pixels."""
    smallest = np.minimum(width(boxes), height(boxes))
    return np.isfinite(boxes).all(axis=-1) & (smallest > 0) & (smallest >= minimum)


def valid_truncated(boxes: np.ndarray) -> np.ndarray:
    """True (...,) where corners cut to whole pixels still span a pixel: NVIDIA's rule for labels.

    ``int(x1) < int(x2) and int(y1) < int(y2)``, towards zero: a box between two pixel borders has none.
    """
    return valid(np.trunc(boxes))


def iou(a: np.ndarray, b: np.ndarray, inclusive: bool = False) -> np.ndarray:
    """Intersection over union of boxes (N, 4) with boxes (M, 4): (N, M) float64 in 0..1.

    A pair without any area gives 0. ``inclusive`` as in `area`.
    """
    a = np.asarray(a, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 4)
    corners = np.concatenate(
        (np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])), axis=-1
    )
    shared = area(corners, inclusive)
    union = area(a, inclusive)[:, None] + area(b, inclusive)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
