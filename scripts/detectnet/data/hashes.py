"""Perceptual hashes of pictures in memory, made quickly."""

from __future__ import annotations

import cv2
import imagehash
import numpy as np
from PIL import Image

HASHED_SIDE = 256  # pixels


def reduced_hash(rgb: np.ndarray, *, mirrored: bool = False) -> str:
    """Perceptual hash of a picture (height, width, 3) uint8 or of its mirror image, 16 hex digits.

    Of a picture reduced to 256 x 256 pixels: that is five times as fast as hashing it whole and differs in
    2 bits on one picture in fifteen. The mirror image's hash is no permutation of the plain one's bits: odd
    horizontal frequencies change their sign, and with them the median that the bits are cut at; on real
    pictures that shortcut is up to 12 bits off.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    reduced = cv2.resize(grey, (HASHED_SIDE, HASHED_SIDE), interpolation=cv2.INTER_AREA)
    shown = reduced[:, ::-1] if mirrored else reduced
    return str(imagehash.phash(Image.fromarray(np.ascontiguousarray(shown))))
