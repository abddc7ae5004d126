"""What is shown while a detector runs: frames a second, and a window where there is a display."""

from __future__ import annotations

import os
import sys
import time
from collections import deque

import cv2
import numpy as np

from detectnet.errors import UserError

TITLE = "detectnet"
STOP_KEYS = (ord("q"), 27)
"""Closes the window and ends the run: q and Escape."""
_FRAMES = 30  # the rate is that of the last so many


class Meter:
    """Frames a second, of the last 30."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_FRAMES + 1)

    def tick(self) -> float:
        """Count a frame; the rate until now, 0 before the second frame."""
        self._times.append(time.perf_counter())
        passed = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / passed if passed else 0.0


def with_rate(picture: np.ndarray, rate: float) -> np.ndarray:
    """A copy of uint8 RGB (H, W, 3) with the frames a second in the top left corner."""
    made = picture.copy()
    size = max(made.shape[:2]) / 900
    width = max(1, round(2 * size))
    place, text = (round(8 * size) + 2, round(30 * size) + 4), f"{rate:.1f} FPS"
    # Dark below bright can be read on any ground.
    for colour, line in (((0, 0, 0), 3 * width), ((255, 255, 255), width)):
        cv2.putText(made, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, line, cv2.LINE_AA)
    return made


def check_display() -> None:
    """Say before anything is decoded that no window can be opened.

    Raises:
        UserError: OpenCV was built without windows, or there is no display.
    """
    remedy = "Leave --show out: annotated pictures and videos are written in any case."
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError("--show needs a display, and there is none here", remedy=remedy)
    if not cv2.currentUIFramework():
        raise UserError(
            "--show needs an OpenCV that opens windows; this one is opencv-python-headless", remedy=remedy
        )


def show(picture: np.ndarray) -> bool:
    """Show uint8 RGB (H, W, 3) in the window; False once the user has ended it with q or Escape."""
    cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return cv2.waitKey(1) & 0xFF not in STOP_KEYS
