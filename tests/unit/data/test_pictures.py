from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from detectnet.data import pictures
from detectnet.errors import UserError

RNG = np.random.default_rng(7)
NOISE = cv2.GaussianBlur(RNG.integers(0, 256, (120, 200, 3), dtype=np.uint8), (0, 0), 2)


def _bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _quarters(mode: str = "RGB") -> Image.Image:
    """Red, green / blue, white; 64 x 32, so that turning shows."""
    rgb = np.zeros((32, 64, 3), dtype=np.uint8)
    rgb[:16, :32, 0] = rgb[:16, 32:, 1] = rgb[16:, :32, 2] = rgb[16:, 32:] = 255
    return Image.fromarray(rgb).convert(mode)


@pytest.mark.parametrize("kind", ["BMP", "PNG", "PPM", "TIFF"])
def test_lossless_formats_agree_with_opencv(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(_bytes(Image.fromarray(NOISE), kind))
    expected = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(pictures.load(path), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_agrees_with_opencv(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    data = _bytes(_quarters(), kind, exif=exif)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    shown = pictures.load_bytes(data)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).max() <= 3


def test_grey_and_sixteen_bits() -> None:
    grey = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    data = _bytes(Image.fromarray(grey), "PNG")
    shown = pictures.load_bytes(data)
    np.testing.assert_array_equal(shown[..., 0], np.arange(256).reshape(16, 16))
    np.testing.assert_array_equal(shown[..., 0], shown[..., 2])
    done, png = cv2.imencode(".png", np.repeat(grey[..., None], 3, axis=2))
    assert done
    np.testing.assert_array_equal(pictures.load_bytes(png.tobytes()), shown)
    np.testing.assert_array_equal(pictures.load_bytes(_bytes(_quarters("L"), "PNG"))[0, 0], [76, 76, 76])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (4, 0, 8, 4))
    data = _bytes(image.convert(mode), "PNG")
    shown = pictures.load_bytes(data)
    assert (shown[:, :4] == 255).all()
    assert (shown[:, 4:] == 0).all()


def test_half_transparent_is_mixed_with_white() -> None:
    data = _bytes(Image.new("RGBA", (4, 4), (0, 100, 200, 128)), "PNG")
    expected = np.array([0, 100, 200]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(pictures.load_bytes(data)[0, 0] - expected).max() <= 1


def test_cmyk_jpeg_has_the_right_colours() -> None:
    # Pure ink colours: cyan, magenta, yellow, none.
    inks = np.zeros((64, 64, 4), dtype=np.uint8)
    inks[:32, :32, 0] = inks[:32, 32:, 1] = inks[32:, :32, 2] = 255
    shown = pictures.load_bytes(_bytes(Image.fromarray(inks, "CMYK"), "JPEG", quality=100))
    for (y, x), colour in {
        (8, 8): (0, 255, 255),
        (8, 56): (255, 0, 255),
        (56, 8): (255, 255, 0),
        (56, 56): (255, 255, 255),
    }.items():
        assert np.abs(shown[y, x].astype(int) - colour).max() <= 12


def _sixteen_bit_rgb() -> bytes:
    return cv2.imencode(".png", np.full((8, 8, 3), 40000, np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (_bytes(Image.fromarray(NOISE), "JPEG"), ".jpg"),
        (_bytes(Image.fromarray(NOISE), "JPEG", progressive=True), ".jpg"),
        (_bytes(Image.fromarray(NOISE), "PNG"), ".png"),
        (_bytes(_quarters("L"), "JPEG"), ""),
        (_bytes(_quarters("CMYK"), "JPEG"), ""),
        (_bytes(_quarters("RGBA"), "PNG"), ""),
        (_bytes(_quarters("P"), "PNG"), ""),
        (_bytes(_quarters(), "PNG", transparency=(255, 0, 0)), ""),
        (_bytes(_quarters(), "BMP"), ""),
        (_sixteen_bit_rgb(), ""),
    ],
)
def test_only_plain_rgb_may_be_copied(tmp_path: Path, data: bytes, suffix: str) -> None:
    (tmp_path / "a.JPG").write_bytes(data)
    assert pictures.inspect(tmp_path / "a.JPG").suffix == suffix


def test_a_turned_picture_is_not_copied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    (tmp_path / "a.jpg").write_bytes(_bytes(_quarters(), "JPEG", exif=exif))
    found = pictures.inspect(tmp_path / "a.jpg")
    assert (found.suffix, found.stored, found.orientation, found.rgb.shape) == ("", (64, 32), 6, (64, 32, 3))


JPEG = _bytes(Image.fromarray(NOISE), "JPEG", quality=95)
PROGRESSIVE = _bytes(Image.fromarray(NOISE), "JPEG", quality=95, progressive=True)
PNG = _bytes(Image.fromarray(NOISE), "PNG")
DAMAGED = {
    "empty": b"",
    "text": b"not a picture\n",
    "jpeg cut in half": JPEG[: len(JPEG) // 2],
    "jpeg without its end": JPEG[:-2],
    "progressive cut": PROGRESSIVE[: len(PROGRESSIVE) // 2],
    "png cut in half": PNG[: len(PNG) // 2],
    "png without its end": PNG[:-12],
    "png with a flipped byte": PNG[:1000] + bytes([PNG[1000] ^ 1]) + PNG[1001:],
    "header only": JPEG[:20],
    "floating point": _bytes(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_a_user_error_that_names_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "harm.jpg"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(UserError, match=r"harm\.jpg"):
        pictures.load(path)


def test_every_cut_of_a_png_is_noticed() -> None:
    data = _bytes(_quarters(), "PNG")
    for length in range(len(data)):
        with pytest.raises(UserError):
            pictures.load_bytes(data[:length])


HOLES = {
    "ends early": JPEG[: len(JPEG) // 2] + b"\xff\xd9",
    "zeros": JPEG[: len(JPEG) // 2] + bytes(1000) + JPEG[len(JPEG) // 2 + 1000 :],
    "missing middle": JPEG[: len(JPEG) // 2] + JPEG[len(JPEG) // 2 + 500 :],
    "progressive ends early": PROGRESSIVE[: len(PROGRESSIVE) // 2] + b"\xff\xd9",
    "progressive missing middle": PROGRESSIVE[: len(PROGRESSIVE) // 2]
    + PROGRESSIVE[len(PROGRESSIVE) // 2 + 500 :],
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_in_a_jpeg_is_noticed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    pictures.load_bytes(HOLES[name])  # the decoder is content, which is why the complaint is asked for
    assert "Corrupt JPEG data" in pictures.jpeg_damage(HOLES[name])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("whole", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
def test_a_whole_jpeg_has_no_damage(whole: bytes) -> None:
    assert pictures.jpeg_damage(whole) == ""


def test_stray_bytes_before_a_marker_are_no_damage() -> None:
    stray = JPEG[:-2] + b"\x00\x00\x00" + JPEG[-2:]
    np.testing.assert_array_equal(pictures.load_bytes(stray), pictures.load_bytes(JPEG))
    assert pictures.jpeg_damage(stray) == ""


def test_a_colour_profile_does_not_stop_reading() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = _bytes(Image.fromarray(NOISE), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(pictures.load_bytes(data), NOISE)


def test_saved_jpeg_is_near_and_repeatable(tmp_path: Path) -> None:
    pictures.save_jpeg(tmp_path / "a.jpg", NOISE[:, ::-1])
    pictures.save_jpeg(tmp_path / "b.jpg", NOISE[:, ::-1])
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()
    error = np.abs(pictures.load(tmp_path / "a.jpg").astype(int) - NOISE[:, ::-1]).mean()
    assert error < 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]
