"""Near-duplicate pictures: pairs of 64-bit perceptual hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from detectnet.errors import UserError

HASH_BITS = 64
THRESHOLD = 10
"""Bits that two hashes may differ in and still be the same scene.

Measured on the 2,060 pictures of six published plate datasets. Same scene: saving as JPEG of quality 40,
scaling to 640 pixels and taking the colours away move a hash by at most 2 bits, a brighter picture or
another gamma by at most 10, 2 % cut from every side by at most 12 (99 % of them by at most 10), 3 % cut
from every side by at most 10 in 93 %. Different scenes: of 2 x 2.1 million pairs none is within 8 bits
and 2 or 3 are within 10, but over a dozen at 12, growing sixfold with every further 2 bits. Ten keeps
groups of chance small up to some 100,000 pictures; for a million take 8.
"""

_BLOCK = 1024
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


def parse(hashes: Iterable[str], where: object = None) -> np.ndarray:
    """Hashes of 16 hex digits as uint64 (N,); a UserError names the first that is none."""
    values = []
    for text in hashes:
        try:
            values.append(np.uint64(int(text, 16)))
        except (ValueError, OverflowError) as error:
            raise UserError(
                f"{text!r} is no perceptual hash", where=where, allowed="16 hexadecimal digits"
            ) from error
    return np.array(values, dtype=np.uint64)


def near_pairs(hashes: np.ndarray, mirrored: np.ndarray, threshold: int = THRESHOLD) -> np.ndarray:
    """Pairs of pictures that look alike, as they are or with one of them mirrored.

    Args:
        hashes: (N,) uint64 of the pictures.
        mirrored: (N,) uint64 of their mirror images.
        threshold: largest number of differing bits, 0..63.

    Returns:
        (P, 4) int64, sorted: i, j with i < j, the smallest distance in bits, 1 where that is the distance
        to the mirror image (0 where both are equal).
    """
    plain = _within(hashes, hashes, threshold)
    turned = _within(mirrored, hashes, threshold)
    found = np.concatenate((_rows(plain, hashes, hashes, 0), _rows(turned, mirrored, hashes, 1)))
    found = found[found[:, 0] != found[:, 1]]
    found[:, :2].sort(axis=1)
    found = found[np.lexsort(found.T[::-1])]
    first = np.ones(len(found), dtype=bool)
    first[1:] = (np.diff(found[:, :2], axis=0) != 0).any(axis=1)
    return found[first]


def _rows(pairs: tuple[np.ndarray, np.ndarray], left: np.ndarray, right: np.ndarray, flag: int) -> np.ndarray:
    i, j = pairs
    distance = np.bitwise_count(left[i] ^ right[j]).astype(np.int64)
    return np.column_stack((i, j, distance, np.full(len(i), flag, dtype=np.int64)))


def _within(left: np.ndarray, right: np.ndarray, threshold: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (i, j) of all pairs of ``left`` and ``right`` at most ``threshold`` bits apart.

    Hashes that differ in at most t bits agree wholly in one of t + 1 bands of bits, so only pictures
    that share a band are compared and no pair is missed. Of evenly spread hashes that is the sum of
    2^-b over the bands of b bits: a fifth of all pairs at 10 bits, a fourteenth at 8. Where ``right`` is
    ``left`` itself each pair is compared once per band and given once, with i < j.
    """
    if not 0 <= threshold < HASH_BITS:
        raise UserError(f"threshold {threshold} bits", allowed=f"0 to {HASH_BITS - 1}")
    same = right is left
    codes = [np.empty(0, dtype=np.int64)]
    for bits in np.array_split(np.arange(HASH_BITS, dtype=np.uint64), threshold + 1):
        mask = _ALL_BITS >> np.uint64(HASH_BITS - len(bits))
        keys_left, keys_right = left >> bits[0] & mask, right >> bits[0] & mask
        order_left, order_right = np.argsort(keys_left, kind="stable"), np.argsort(keys_right, kind="stable")
        for key in np.intersect1d(keys_left, keys_right):
            rows = order_left[_span(keys_left[order_left], key)]
            columns = order_right[_span(keys_right[order_right], key)]
            for start in range(0, len(rows), _BLOCK):
                block, others = rows[start : start + _BLOCK], columns[start if same else 0 :]
                near = np.bitwise_count(left[block, None] ^ right[None, others]) <= threshold
                a, b = np.nonzero(np.triu(near, 1) if same else near)
                codes.append(block[a] * len(right) + others[b])
    return np.divmod(np.unique(np.concatenate(codes)), max(len(right), 1))


def _span(ordered: np.ndarray, key: np.uint64) -> slice:
    return slice(np.searchsorted(ordered, key), np.searchsorted(ordered, key, side="right"))
