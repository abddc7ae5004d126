"""Fonts that come with the project's Python packages, by short names."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS: dict[str, tuple[str, str]] = {
    "roboto-medium": ("font_roboto", "files/Roboto-Medium.ttf"),
    "roboto-bold": ("font_roboto", "files/Roboto-Bold.ttf"),
    "roboto-black": ("font_roboto", "files/Roboto-Black.ttf"),
    "source-sans-semibold": ("font_source_sans_pro", "files/SourceSansPro-Semibold.ttf"),
    "source-sans-bold": ("font_source_sans_pro", "files/SourceSansPro-Bold.ttf"),
    "source-sans-black": ("font_source_sans_pro", "files/SourceSansPro-Black.ttf"),
    "source-serif-bold": ("font_source_serif_pro", "files/SourceSerifPro-Bold.ttf"),
    "manrope-semibold": ("font_manrope", "files/Manrope-SemiBold.ttf"),
    "manrope-extrabold": ("font_manrope", "files/Manrope-ExtraBold.ttf"),
    "hanken-semibold": ("font_hanken_grotesk", "files/HankenGrotesk-SemiBold.otf"),
    "hanken-bold": ("font_hanken_grotesk", "files/HankenGrotesk-Bold.otf"),
    "dejavu-sans": ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"),
    "dejavu-sans-bold": ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans-Bold.ttf"),
    "dejavu-mono-bold": ("matplotlib", "mpl-data/fonts/ttf/DejaVuSansMono-Bold.ttf"),
    "dejavu-serif-bold": ("matplotlib", "mpl-data/fonts/ttf/DejaVuSerif-Bold.ttf"),
}

_HEIGHT = 96  # pixels of the em at which lettering is drawn before it is scaled


@cache
def font(name: str, size: int = _HEIGHT) -> ImageFont.FreeTypeFont:
    """The font ``name`` at ``size`` pixels per em."""
    package, path = FONTS[name]
    return ImageFont.truetype(str(files(package) / path), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=512)
def lettering(text: str, name: str) -> np.ndarray:
    """(h, w) uint8 coverage 0..255 of one line of text, cut to its ink; do not write to it."""
    face = font(name)
    left, top, right, bottom = face.getbbox(text)
    picture = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))))
    ImageDraw.Draw(picture).text((-left, -top), text, fill=255, font=face)
    return np.asarray(picture)


def write(
    sprite: np.ndarray,
    text: str,
    name: str,
    box: tuple[float, float, float, float],
    colour: tuple[int, int, int],
    stretch: tuple[float, float] = (0.6, 1.15),
) -> None:
    """Write one line of text into ``box`` (x1, y1, x2, y2 as shares of the sprite), centred.

    The letters fill the box's height where its width allows, and their proportions stay within
    ``stretch`` (width relative to the font's own), which gives the narrow letters of plates.
    Changes the RGB channels of ``sprite`` (h, w, 3 or 4) in place, and alpha where there is one.
    """
    ink = lettering(text, name)
    height, width = sprite.shape[:2]
    x1, y1, x2, y2 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    tall = y2 - y1
    own = ink.shape[1] / ink.shape[0]
    wide = min(max((x2 - x1), own * stretch[0] * tall), own * stretch[1] * tall)
    if wide > x2 - x1:
        wide, tall = x2 - x1, tall * (x2 - x1) / wide
    size = max(1, round(wide)), max(1, round(tall))
    mask = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    left, top = round((x1 + x2 - size[0]) / 2), round((y1 + y2 - size[1]) / 2)
    left, top = max(0, min(left, width - size[0])), max(0, min(top, height - size[1]))
    window = sprite[top : top + size[1], left : left + size[0]]
    mask = mask[: window.shape[0], : window.shape[1]]
    share = mask.astype(np.float32)[..., None] / 255
    window[..., :3] = (window[..., :3] * (1 - share) + np.float32(colour) * share + 0.5).astype(np.uint8)
    if sprite.shape[2] == 4:
        window[..., 3] = np.maximum(window[..., 3], mask)
