"""What a camera and its stream do to a picture, uint8 (height, width) or (height, width, 3)."""

from __future__ import annotations

import cv2
import numpy as np

NOISE_PERIOD = 1 << 14  # starting points in the noise bank
_FAINTEST_BLUR = 0.1  # pixels; a Gaussian this narrow changes no 8-bit value
_SHORTEST_MOTION = 1.0  # pixels
_LEAST_DOWNSCALE = 1.05
_SHRINKING = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST_EXACT)
_ENLARGING = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)
_banks: dict[int, np.ndarray] = {}


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian of this many pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > _FAINTEST_BLUR else picture


def move(picture: np.ndarray, motion: tuple[float, float]) -> np.ndarray:
    """The mean of the picture along a line, x and y in pixels, of which its place is the middle.

    The mean of two copies, half a line apart, of such means of two copies a quarter apart, and so on: the
    same as a filter of 2^n points on the line, in n steps.
    """
    length = float(np.hypot(*motion))
    if length < _SHORTEST_MOTION:
        return picture
    steps = int(np.ceil(np.log2(length + 1)))
    shifts = np.rint(np.outer(0.5 ** np.arange(1, steps + 1), motion)).astype(int)
    margin = np.abs(shifts).sum(axis=0)
    left, top = (margin // 2).tolist()
    right, bottom = (margin - margin // 2).tolist()
    made = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE)
    for x, y in shifts.tolist():
        made = _mean_of_two(made, x, y)
    return made


def _mean_of_two(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    """Of the picture and its copy x, y further; smaller by that."""
    height, width = picture.shape[0] - abs(y), picture.shape[1] - abs(x)
    parts = [
        picture[max(down, 0) : max(down, 0) + height, max(aside, 0) : max(aside, 0) + width]
        for aside, down in ((x, y), (-x, -y))
    ]
    return cv2.addWeighted(parts[0], 0.5, parts[1], 0.5, 0)


def lose_detail(picture: np.ndarray, factor: float, u: float) -> np.ndarray:
    """Smaller by ``factor`` and as large as before again, with filters that ``u`` in 0..1 chooses."""
    if factor < _LEAST_DOWNSCALE:
        return picture
    height, width = picture.shape[:2]
    shrinking, enlarging = divmod(int(u * len(_SHRINKING) * len(_ENLARGING)), len(_ENLARGING))
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = cv2.resize(picture, size, interpolation=_SHRINKING[shrinking])
    return cv2.resize(small, (width, height), interpolation=_ENLARGING[enlarging])


def add_noise(picture: np.ndarray, deviation: float, start: int) -> np.ndarray:
    """Normal noise of this standard deviation, 0..1, from the ``start``-th number of the bank on."""
    bank = _noise_bank(picture.size + NOISE_PERIOD)
    noise = bank[start : start + picture.size].reshape(picture.shape)
    noisy = picture.astype(np.float32)
    cv2.scaleAdd(noise, 255 * deviation, noisy, noisy)
    return cv2.convertScaleAbs(cv2.max(noisy, 0, noisy))  # rounds, and cuts at 255


def compress(picture: np.ndarray, quality: int) -> np.ndarray:
    """Through JPEG of this quality, 1..100."""
    colored = picture.ndim == 3 and picture.shape[2] == 3
    given = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if colored else picture
    _, data = cv2.imencode(".jpg", given, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB if colored else cv2.IMREAD_GRAYSCALE)


def _noise_bank(size: int) -> np.ndarray:
    """Standard normal numbers, float32; the same for every picture, which begins somewhere in it."""
    if size not in _banks:
        _banks[size] = np.random.default_rng(0).standard_normal(size, np.float32)
    return _banks[size]
