"""Picture files of any kind to uint8 RGB and back; what cannot be shown whole is an error."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path

# What counts as a picture in a folder. Pillow reads no .heic: it stands here to be listed as unreadable.
SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff"}
    | {".webp"}
)
# Nothing else is tried: some of Pillow's readers start other programs. MPO comes with JPEG.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
PNG_END = b"IEND\xaeB`\x82"  # the last chunk and its checksum
JPEG_QUALITY = 95
ORIENTATION = 0x0112  # EXIF tag: how the stored picture is turned when shown, 1 to 8
# What Pillow's decoders raise on damaged files, depending on the format and on where the damage is.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


# How libjpeg's warnings about damaged data begin; its other lines concern unusual headers.
_COMPLAINTS = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")


@dataclass(frozen=True)
class Picture:
    """A decoded picture and what its file was.

    ``rgb`` is uint8 (height, width, 3) as a viewer shows it; ``stored`` is (width, height) before the EXIF
    rotation; ``orientation`` the EXIF value 1 to 8 (1: none); ``format`` Pillow's name of it;
    ``suffix`` is ".jpg" or ".png" when the file is already plain 8-bit RGB in that format and may be copied
    as it is, else "".
    """

    rgb: np.ndarray
    stored: tuple[int, int]
    orientation: int
    format: str
    suffix: str


def load(path: PathLike) -> np.ndarray:
    """Read a picture as uint8 RGB (height, width, 3), as a viewer shows it.

    EXIF rotation is applied; grey, palette and CMYK become RGB; 16 bits become 8; what is transparent is
    laid on white. Raises UserError naming the file when it is damaged, cut short, empty or no picture.
    """
    return inspect(path).rgb


def load_bytes(data: bytes, where: object = "picture") -> np.ndarray:
    """As `load`, from the bytes of a file; ``where`` names them in an error."""
    return _decoded(data, where).rgb


def inspect(path: PathLike) -> Picture:
    """As `load`, with what is known about the file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"the picture cannot be read ({error.strerror})", where=path) from error
    return _decoded(data, path)


def save_jpeg(path: PathLike, rgb: np.ndarray, quality: int = JPEG_QUALITY) -> None:
    """Write uint8 RGB (height, width, 3) as JPEG of ``quality`` 1..100, atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(rgb)).save(temporary, format="JPEG", quality=quality)


def jpeg_damage(data: bytes) -> str:
    """What libjpeg complains of while it decodes ``data``, or "" where it has nothing to say.

    A JPEG with a hole in the middle decodes to grey blocks with no more than a line on the process's
    stderr, and neither Pillow nor OpenCV passes that line on; so the line itself is caught. stderr is
    taken over for the time of the call: not for use beside other threads that write there. Stray bytes
    before a marker, which many cameras write, do not change the picture and are no damage.
    """
    with tempfile.TemporaryFile() as caught:
        kept = os.dup(2)
        try:
            os.dup2(caught.fileno(), 2)
            # The smallest scale: the data is read to its end all the same.
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        caught.seek(0)
        lines = caught.read().decode("utf-8", "replace").splitlines()
    harmful = [line for line in lines if line.startswith(_COMPLAINTS) and "extraneous bytes" not in line]
    return harmful[0] if harmful else ""


def _decoded(data: bytes, where: object) -> Picture:
    if not data:
        raise UserError("the picture file is empty", where=where)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.load()
            _verify(image, data)
            orientation = image.getexif().get(ORIENTATION, 1)
            orientation = orientation if orientation in range(1, 9) else 1
            suffix = _plain_suffix(image, data) if orientation == 1 else ""
            rgb = np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
            return Picture(rgb, image.size, orientation, str(image.format), suffix)
    except _DAMAGE as error:
        raise UserError(f"not a whole picture ({_reason(error)})", where=where) from error


def _verify(image: Image.Image, data: bytes) -> None:
    """Raise where Pillow is content with a PNG that lacks its end or has a wrong checksum."""
    if image.format == "PNG":
        if PNG_END not in data:
            raise ValueError("the PNG has no end")
        with Image.open(io.BytesIO(data), formats=["PNG"]) as again:
            again.verify()


def _reason(error: BaseException) -> str:
    """Pillow's message without the address of the buffer that it names."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "no known picture format"
    return str(error) or type(error).__name__


def _plain_suffix(image: Image.Image, data: bytes) -> str:
    """The suffix of a file that needs no re-encoding, or ""."""
    if image.mode != "RGB" or "transparency" in image.info:
        return ""
    if image.format == "JPEG":
        return ".jpg"
    bits = data[24]  # IHDR: signature 8, length 4, type 4, width 4, height 4, then the bit depth
    return ".png" if image.format == "PNG" and bits == 8 else ""


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined range")
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, over).convert("RGB")
    return image.convert("RGB")


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """The high bytes of 16-bit grey, as every viewer does; wider integers are refused."""
    if grey.min() < 0 or grey.max() > 0xFFFF:
        raise ValueError("32-bit pixels have no defined range")
    return (grey >> 8).astype(np.uint8)
