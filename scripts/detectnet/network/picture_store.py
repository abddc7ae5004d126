"""Decoded pictures, kept in memory as far as they fit, so that later epochs need not decode them again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np

BUDGET = 6 << 30  # bytes
_SHARE = 3  # of the machine's memory no more than one part in this many


def budget() -> int:
    """Bytes that a store may take on this machine."""
    return min(BUDGET, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE)


class PictureStore:
    """Pictures by number, without the rows and columns of zeros that a letterbox puts right and below.

    Safe to use from several threads. What does not fit into memory is made again whenever it is asked for.
    """

    def __init__(self, make: Callable[[int], np.ndarray], room: int | None = None) -> None:
        """``make`` gives a picture, uint8 (height, width, channels); room: bytes, ``budget()`` by default."""
        self._make, self._room = make, budget() if room is None else room
        self._kept: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def content(self, number: int) -> np.ndarray:
        """The picture without its padding: at least one pixel, not to be written to."""
        found = self._kept.get(number)
        if found is not None:
            return found
        made = _without_padding(self._make(number)).copy()
        made.setflags(write=False)
        with self._lock:
            if number not in self._kept and made.nbytes <= self._room:
                self._room -= made.nbytes
                self._kept[number] = made
        return made


def _without_padding(picture: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(picture.any(axis=(1, 2)))
    columns = np.flatnonzero(picture.any(axis=(0, 2)))
    return picture[: rows[-1] + 1, : columns[-1] + 1] if len(rows) else picture[:1, :1]
