"""A supersampled picture that also knows which object each of its pixels shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

SCALE = 2  # canvas pixels per picture pixel and axis
_BITS = 4  # fractional bits of polygon corners
_FAR = 30_000.0  # corners are kept within this many canvas pixels so that fixed point cannot overflow

Colour = ArrayLike


class Canvas:
    """RGB and an identity per canvas pixel; everything that is drawn later covers what was there.

    Identity 0 is the scene itself. Coordinates are picture pixels, continuous, as in ``camera``.
    """

    def __init__(self, background: np.ndarray) -> None:
        """``background``: (H, W, 3) uint8 RGB at picture size."""
        self.height, self.width = background.shape[:2]
        large = cv2.resize(background, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR)
        self.pixels = cv2.cvtColor(large, cv2.COLOR_RGB2RGBA)
        self.pixels[..., 3] = 0

    def copy(self) -> Canvas:
        """An independent copy."""
        other = object.__new__(Canvas)
        other.height, other.width, other.pixels = self.height, self.width, self.pixels.copy()
        return other

    def polygon(self, points: np.ndarray | None, colour: Colour, identity: int = 0) -> None:
        """Fill a convex (N, 2) polygon; None draws nothing."""
        if points is not None and len(points) >= 3:
            cv2.fillConvexPoly(self.pixels, _fixed(points), _rgba(colour, identity), cv2.LINE_8, _BITS)

    def area(self, points: np.ndarray | None, colour: Colour, identity: int = 0) -> None:
        """Fill a simple (N, 2) polygon that need not be convex."""
        if points is not None and len(points) >= 3:
            cv2.fillPoly(self.pixels, [_fixed(points)], _rgba(colour, identity), cv2.LINE_8, _BITS)

    def polygons(self, quads: np.ndarray, colours: np.ndarray) -> None:
        """Fill (M, N, 2) convex polygons in order with (M, 3) colours 0..255."""
        corners = _fixed(quads)
        rgba = np.zeros((len(quads), 4))
        rgba[:, :3] = np.clip(colours, 0, 255)
        pixels, fill = self.pixels, cv2.fillConvexPoly
        for quad, colour in zip(corners, rgba.tolist()):
            fill(pixels, quad, colour, cv2.LINE_8, _BITS)

    def line(self, points: np.ndarray, colour: Colour, width: float, closed: bool = False) -> None:
        """A polyline ``width`` picture pixels wide; thinner than half a canvas pixel is left out."""
        thickness = round(width * SCALE)
        if thickness >= 1:
            cv2.polylines(
                self.pixels, [_fixed(points)], closed, _rgba(colour, 0), min(thickness, 60), cv2.LINE_8, _BITS
            )

    def paste(
        self, sprite: np.ndarray, quad: np.ndarray, identity: int = 0, gain: Colour = (1.0, 1.0, 1.0)
    ) -> None:
        """Warp an RGB or RGBA uint8 ``sprite`` into a (4, 2) quad (its corners clockwise from top left).

        Its red, green and blue are multiplied by ``gain``.

        The sprite is first reduced by areas to about the size at which it is seen, so that
        a far plate is averaged and not sampled.
        """
        corners = quad * SCALE
        x1, y1 = np.floor(corners.min(axis=0)).astype(int) - 1
        x2, y2 = np.ceil(corners.max(axis=0)).astype(int) + 2
        x1, y1 = max(x1, 0), max(y1, 0)
        x2, y2 = min(x2, self.width * SCALE), min(y2, self.height * SCALE)
        if x2 <= x1 or y2 <= y1:
            return
        sprite = cv2.multiply(_reduced(sprite, corners), (*(float(part) for part in gain), 1.0))
        height, width = sprite.shape[:2]
        source = np.float32([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
        target = np.float32(corners - (x1 + 0.5, y1 + 0.5))
        warp = cv2.getPerspectiveTransform(source, target)
        warped = cv2.warpPerspective(
            sprite, warp, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        inside = np.zeros((y2 - y1, x2 - x1), np.uint8)
        cv2.fillConvexPoly(inside, _fixed(quad - np.array([x1, y1]) / SCALE), 255, cv2.LINE_8, _BITS)
        _blend(self.pixels[y1:y2, x1:x2], warped, inside, identity)

    def overlay(self, picture: np.ndarray, points: np.ndarray, share: float) -> None:
        """Mix ``share`` of a picture-sized RGB ``picture`` into the convex (N, 2) area ``points``."""
        inside = np.zeros(self.pixels.shape[:2], np.uint8)
        cv2.fillConvexPoly(inside, _fixed(points), 255, cv2.LINE_8, _BITS)
        large = cv2.resize(picture, (self.width * SCALE, self.height * SCALE), interpolation=cv2.INTER_LINEAR)
        mixed = cv2.addWeighted(self.pixels, 1 - share, cv2.cvtColor(large, cv2.COLOR_RGB2RGBA), share, 0)
        cv2.insertChannel(cv2.extractChannel(self.pixels, 3), mixed, 3)
        cv2.copyTo(mixed, inside, self.pixels)

    def shade(self, mask: np.ndarray, x1: int, y1: int) -> None:
        """Multiply RGB by a (h, w) uint8 mask (255 leaves as it is) whose corner is canvas pixel (x1, y1).

        Identities are lost there, so shadows are cast before anything that has one is drawn.
        """
        height, width = mask.shape
        window = self.pixels[y1 : y1 + height, x1 : x1 + width]
        share = cv2.multiply(mask, 1 / 255, dtype=cv2.CV_32F)
        cv2.blendLinear(window, np.zeros_like(window), share, 1 - share, window)

    def picture(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB at picture size, each pixel the mean of its canvas pixels."""
        small = cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_RGBA2RGB)

    def identities(self) -> np.ndarray:
        """(H*SCALE, W*SCALE) uint8 identity of each canvas pixel."""
        return cv2.extractChannel(self.pixels, 3)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Fixed-point canvas corners; OpenCV's whole numbers are pixel centres, hence the half."""
    canvas = np.clip(points * SCALE - 0.5, -_FAR, _FAR)
    return np.round(canvas * (1 << _BITS)).astype(np.int32)


def _rgba(colour: Colour, identity: int) -> tuple[float, float, float, float]:
    red, green, blue = (float(min(max(part, 0.0), 255.0)) for part in colour)
    return red, green, blue, float(identity)


def _reduced(sprite: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The sprite shrunk by areas to at most about 1.2 times the length of the quad's edges."""
    edges = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    width = max(2, int(np.ceil(1.2 * max(edges[0], edges[2]))))
    height = max(2, int(np.ceil(1.2 * max(edges[1], edges[3]))))
    size = min(width, sprite.shape[1]), min(height, sprite.shape[0])
    if size == sprite.shape[1::-1]:
        return sprite
    return cv2.resize(sprite, size, interpolation=cv2.INTER_AREA)


def _blend(window: np.ndarray, warped: np.ndarray, inside: np.ndarray, identity: int) -> None:
    """Put ``warped`` (h, w, 3 or 4) over ``window`` (h, w, 4) where ``inside`` is not 0."""
    if warped.shape[2] == 3:
        solid = cv2.cvtColor(warped, cv2.COLOR_RGB2RGBA)
        cv2.insertChannel(np.full_like(inside, identity), solid, 3)
        cv2.copyTo(solid, inside, window)
        return
    alpha = cv2.bitwise_and(cv2.extractChannel(warped, 3), inside)
    covered = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1]
    named = cv2.copyTo(np.full_like(alpha, identity), covered, cv2.extractChannel(window, 3))
    share = cv2.multiply(alpha, 1 / 255, dtype=cv2.CV_32F)
    mixed = cv2.blendLinear(warped, np.ascontiguousarray(window), share, 1 - share)
    cv2.insertChannel(named, mixed, 3)
    window[...] = mixed
