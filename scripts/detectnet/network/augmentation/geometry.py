"""Where pixels and boxes go.

Row vectors, ``[x, y, 1] @ matrix``, in continuous pixel coordinates; matrices lead from the changed picture
back to the given one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from detectnet.network.augmentation.settings import AugmentationSettings

_INTERPOLATION = {"LINEAR": cv2.INTER_LINEAR, "AREA": cv2.INTER_LINEAR, "NEAREST": cv2.INTER_NEAREST}
# OpenCV counts from pixel centres.
_FROM_CENTRES = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 1]])
_TO_CENTRES = np.linalg.inv(_FROM_CENTRES)
_DIGITS = 6
_MARGIN = 2  # pixels that interpolation may look at beyond a window


def matrix_of(settings: AugmentationSettings, zoom: tuple[float, float], u: np.ndarray) -> np.ndarray:
    """Flip, shift, zoom (of width and of height) and rotation about the centre as one matrix.

    Args:
        u: 7 numbers in 0..1.
    """
    width, height = settings.whole
    made = np.eye(3)
    if u[0] < settings.hflip:
        made = made @ [[-1, 0, 0], [0, 1, 0], [width, 0, 1]]
    if u[1] < settings.vflip:
        made = made @ [[1, 0, 0], [0, -1, 0], [0, height, 1]]
    shift = [
        int(share * (2 * most + 1)) - most for share, most in zip(u[2:4], settings.translate, strict=True)
    ]
    made = made @ [[1, 0, 0], [0, 1, 0], [-shift[0], -shift[1], 1]]
    # the content, or the window into it, may lie anywhere inside
    left, top = u[4] * (width - width / zoom[0]), u[5] * (height - height / zoom[1])
    made = made @ [[zoom[0], 0, 0], [0, zoom[1], 0], [-left * zoom[0], -top * zoom[1], 1]]
    if settings.rotate and u[6] < settings.rotate_probability:
        angle = (2 * u[6] / settings.rotate_probability - 1) * settings.rotate
        cosine, sine = np.cos(angle), np.sin(angle)
        x, y = width / 2, height / 2
        made = made @ [
            [cosine, sine, 0],
            [-sine, cosine, 0],
            [x - x * cosine + y * sine, y - x * sine - y * cosine, 1],
        ]
    return made


def place(
    matrix: np.ndarray,
    size: tuple[int, int],
    content: tuple[int, int],
    target: np.ndarray | None,
    u: np.ndarray,
) -> np.ndarray:
    """The matrix of a window into the picture that ``matrix`` makes.

    Args:
        matrix: (3, 3).
        size: width and height of the window.
        content: width and height of what the given picture holds; the window leaves it as little as it can.
        target: (4,) box in the given picture that is to lie whole inside, if it fits; or None.
        u: 2 numbers in 0..1, where among the windows that meet this.
    """
    inner = transform_boxes(np.array([[0, 0, *content]]), matrix)[0]
    wanted = None if target is None else transform_boxes(target[np.newaxis], matrix)[0]
    offset = [
        _offset(inner[axis::2], size[axis], None if wanted is None else wanted[axis::2], u[axis])
        for axis in (0, 1)
    ]
    return np.array([[1, 0, 0], [0, 1, 0], [*offset, 1]]) @ matrix


def _offset(content: np.ndarray, size: int, wanted: np.ndarray | None, u: float) -> float:
    """Where a window begins on one axis: at a whole pixel if there is one that will do."""
    # inside of a content that is larger, around one that is smaller; the same for the object
    first, last = sorted((content[0], content[1] - size))
    if wanted is not None:
        low, high = sorted((wanted[0], wanted[1] - size))
        first, last = max(first, low), min(last, high)
    # moved edges are whole numbers but for rounding
    start, end = math.ceil(round(first, _DIGITS)), math.floor(round(last, _DIGITS))
    return float(start + int(u * (end - start + 1)) if start <= end else first)


def transform_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) in the changed picture: the upright hull of the four moved corners, float64."""
    if np.array_equal(matrix, np.eye(3)):
        return boxes.astype(np.float64)
    x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]
    corners = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(matrix)
    return np.concatenate([corners[..., :2].min(axis=1), corners[..., :2].max(axis=1)], axis=1)


def clip_boxes(boxes: np.ndarray, settings: AugmentationSettings) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) cut to the picture, and which of them (N,) bool are still large enough to be one."""
    limit = np.array([settings.width, settings.height] * 2, np.float64)
    cut = np.clip(boxes, 0, limit)
    keep = np.all(cut[:, 2:] - cut[:, :2] >= settings.minimum_box, axis=1)
    return cut, keep


def warp(
    picture: np.ndarray,
    matrix: np.ndarray,
    zoom: tuple[float, float],
    resampling: str,
    settings: AugmentationSettings,
) -> np.ndarray:
    """The moved picture, uint8 (height, width, channels), without the last axis where that is 1.

    Args:
        picture: uint8; it fills the network's input, or its top left corner, with 0 beyond.
        matrix: (3, 3). zoom: how much smaller it makes width and height. resampling: of ``RESAMPLING``.
    """
    if settings.canvas:
        picture, matrix = _needed(picture, matrix, settings)
    else:
        picture = _part(picture, 0, 0, *settings.whole)
    if np.array_equal(matrix, np.eye(3)) and picture.shape[:2] == (settings.height, settings.width):
        return picture
    if resampling == "AREA" and max(zoom) > 1:
        # shrink with averaging first; what is left for the warp has no scale
        given = picture.shape[1], picture.shape[0]
        size = tuple(
            max(1, round(extent / max(factor, 1.0))) for extent, factor in zip(given, zoom, strict=True)
        )
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([size[0] / given[0], size[1] / given[1], 1.0])
    matrix = _FROM_CENTRES @ matrix @ _TO_CENTRES
    return cv2.warpAffine(
        picture,
        matrix.T[:2],
        (settings.width, settings.height),
        flags=_INTERPOLATION[resampling] | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[round(255 * settings.fill)] * 4,
    )


def _needed(
    picture: np.ndarray, matrix: np.ndarray, settings: AugmentationSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the network's input that a window shows, and the matrix that leads back to it."""
    shown = np.array([[x, y, 1] for x in (0, settings.width) for y in (0, settings.height)]) @ matrix
    most = np.array(settings.whole)
    x1, y1 = (np.clip(np.floor(shown[:, :2].min(axis=0)) - _MARGIN, 0, most - 1)).astype(int).tolist()
    x2, y2 = np.clip(np.ceil(shown[:, :2].max(axis=0)) + _MARGIN, (x1 + 1, y1 + 1), most).astype(int).tolist()
    return _part(picture, x1, y1, x2, y2), matrix @ [[1, 0, 0], [0, 1, 0], [-x1, -y1, 1]]


def _part(picture: np.ndarray, x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    """Its pixels from x1, y1 to before x2, y2, with 0 for those that it does not have."""
    found = picture[y1:y2, x1:x2]
    if found.shape[:2] == (y2 - y1, x2 - x1):
        return found
    made = np.zeros((y2 - y1, x2 - x1, picture.shape[2]), np.uint8)
    made[: found.shape[0], : found.shape[1]] = found
    return made
