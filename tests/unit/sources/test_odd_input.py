from __future__ import annotations

import hashlib
from pathlib import Path

import imagehash
import numpy as np
import pytest
from made_sources import SIZE, Converted, noise, save, text, voc
from PIL import Image

from detectnet.data.pictures import ORIENTATION

WIDTH, HEIGHT = SIZE
BOX = (8, 12, 40, 28)  # of a 64 x 48 picture


def _marked(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """A black picture with a white box, and the EXIF that says how to turn it."""
    image = Image.new("RGB", SIZE)
    image.paste((255, 255, 255), BOX)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return image, exif


def _box_is_white(path: Path, box: tuple[float, ...]) -> bool:
    grey = np.asarray(Image.open(path).convert("L")).astype(int)
    x1, y1, x2, y2 = map(int, box)
    mask = np.zeros(grey.shape, dtype=bool)
    mask[y1:y2, x1:x2] = True
    return bool((grey[mask] > 200).mean() > 0.95 and (grey[~mask] < 55).mean() > 0.95)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_the_shown_picture_stay(tmp_path: Path, orientation: int) -> None:
    image, exif = _marked(orientation)
    save(tmp_path / "raw/a.jpg", image, exif=exif)
    shown = np.asarray(Image.fromarray(_turn(np.asarray(image), orientation)))
    rows, columns = np.nonzero(shown[..., 0])
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    voc(tmp_path / "raw/a.xml", [("plate", *box)], size=(shown.shape[1], shown.shape[0]))
    done = Converted(tmp_path, adapter="voc")
    assert done.boxes("a") == [tuple(map(float, box))]
    assert _box_is_white(done.out / "images/a.jpg", box)
    assert (done.row("a")["width"], done.row("a")["height"]) == (shown.shape[1], shown.shape[0])
    assert Image.open(done.out / "images/a.jpg").getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("orientation", range(5, 9))
def test_boxes_of_the_stored_picture_turn_with_it(tmp_path: Path, orientation: int) -> None:
    image, exif = _marked(orientation)
    save(tmp_path / "raw/a.jpg", image, exif=exif)
    voc(tmp_path / "raw/a.xml", [("plate", *BOX)], size=SIZE)
    done = Converted(tmp_path, adapter="voc")
    (box,) = done.boxes("a")
    assert _box_is_white(done.out / "images/a.jpg", box)
    assert (done.row("a")["width"], done.row("a")["height"]) == (HEIGHT, WIDTH)


def _turn(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """How a viewer shows the stored rows, by the table of the EXIF standard."""
    return {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation](rgb)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("I;16", "PNG"),
        ("1", "PNG"),
    ],
)
def test_unusual_pixels_become_rgb_jpeg(tmp_path: Path, mode: str, kind: str) -> None:
    image = noise().convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    save(tmp_path / "raw/a.jpg", image, kind)  # the name may say what it likes
    text(tmp_path / "raw/a.txt", "a.jpg\t1\t2\t3\t4\tX\n")
    done = Converted(tmp_path, adapter="openalpr")
    path = done.out / done.row("a")["image"]
    assert path.name == "a.jpg"
    with Image.open(path) as written:
        assert (written.format, written.mode, written.size) == ("JPEG", "RGB", SIZE)
    assert done.boxes("a") == [(1, 2, 4, 6)]


@pytest.mark.parametrize(
    ("name", "kind", "written"),
    [("a.JPG", "JPEG", "a.jpg"), ("a.png", "JPEG", "a.jpg"), ("a.jpeg", "PNG", "a.png")],
)
def test_plain_pictures_are_copied_byte_for_byte(tmp_path: Path, name: str, kind: str, written: str) -> None:
    source = save(tmp_path / "raw" / name, kind=kind)
    done = Converted(tmp_path, adapter="folder")
    row = done.row("a")
    copy = done.out / "images" / written
    assert row["image"] == f"images/{written}"
    assert copy.read_bytes() == source.read_bytes()
    assert copy.stat().st_ino != source.stat().st_ino
    assert row["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert row["phash"] == str(imagehash.phash(Image.open(source)))
    assert len(row["phash"]) == 16


def test_two_pictures_of_one_stem_keep_their_own_labels(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    save(raw / "a.jpg", noise(1))
    save(raw / "a.png", noise(2), "PNG")
    voc(raw / "a.jpg.xml", [("plate", 1, 1, 11, 11)])
    voc(raw / "a.png.xml", [("plate", 2, 2, 12, 12)])
    save(raw / "day/b.jpg", noise(3))
    save(raw / "night/b.jpg", noise(4))
    voc(raw / "day/b.xml", [("plate", 3, 3, 13, 13)])
    voc(raw / "night/b.xml", [("plate", 4, 4, 14, 14)])
    done = Converted(tmp_path, adapter="voc")
    assert done.stems == ["a_jpg", "a_png", "day_b", "night_b"]
    assert [done.boxes(stem)[0][0] for stem in done.stems] == [1, 2, 3, 4]
    originals = ["a.jpg", "a.png", "day/b.jpg", "night/b.jpg"]
    for image, original in zip(done.frame["image"], originals, strict=True):
        assert (done.out / image).read_bytes() == (raw / original).read_bytes()


def test_the_name_inside_decides_between_pictures_of_one_stem(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    save(tmp_path / "raw/a.png", kind="PNG")
    voc(tmp_path / "raw/a.xml", [("plate", 1, 1, 9, 9)], filename="a.png")
    done = Converted(tmp_path, adapter="voc")
    assert done.stems == ["a_png"]
    assert done.reasons == [("a.jpg", "no annotation")]


def test_a_stale_name_inside_takes_no_picture_away(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        save(tmp_path / f"raw/{stem}.jpg")
        voc(tmp_path / f"raw/{stem}.xml", [("plate", 1, 1, 9, 9)], filename="b.jpg")
    voc(tmp_path / "raw/0.xml", [("plate", 5, 5, 9, 9)], filename="b.jpg")
    save(tmp_path / "raw/z.jpg")
    voc(tmp_path / "raw/9.xml", [("plate", 2, 2, 9, 9)], filename="C:\\photos\\z.jpg")
    done = Converted(tmp_path, adapter="voc")
    assert {stem: done.boxes(stem)[0][0] for stem in done.stems} == {"a": 1, "b": 1, "z": 2}
    assert done.reasons == [("0.xml", "second annotation of a picture")]


def test_boxes_are_made_fit_or_listed(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    nan, infinite = "nan", "inf"
    objects = [
        ("plate", -5, 4, 70.5, 20),
        ("plate", 30, 20, 10, 8),
        ("plate", 10, 10, 10, 20),
        ("plate", nan, 1, 5, 5),
        ("plate", 1, 1, infinite, 5),
        ("plate", 100, 1, 120, 5),
        ("plate", -9, 1, 0, 5),
        ("plate", "x", 1, 2, 5),
        ("plate", "", 1, 2, 5),
        ("plate", 10, 8, 30, 20),
        ("plate", 0, 0, WIDTH, HEIGHT),
    ]
    voc(tmp_path / "raw/a.xml", objects)
    done = Converted(tmp_path, adapter="voc")
    assert done.boxes("a") == [(0, 4, 64, 20), (10, 8, 30, 20), (0, 0, 64, 48)]
    assert [(one["line"], one["reason"]) for one in done.dropped] == [
        ("3", "no area"),
        ("4", "not a number"),
        ("5", "not a number"),
        ("6", "outside the picture"),
        ("7", "outside the picture"),
        ("8", "no box"),
        ("9", "no box"),
        ("10", "box given twice"),
    ]


def test_damaged_pictures_are_listed_and_nothing_else_suffers(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    whole = save(raw / "whole.jpg", noise(9, (160, 120))).read_bytes()
    half = len(whole) // 2
    text(raw / "cut.jpg", whole[:half])
    text(raw / "empty.jpg", b"")
    text(raw / "hole.jpg", whole[:half] + b"\xff\xd9")
    text(raw / "page.jpg", "<html>404</html>")
    text(raw / "phone.heic", b"\0\0\0\x18ftypheic")
    (raw / "folder.jpg").mkdir()
    done = Converted(tmp_path, adapter="folder")
    assert done.stems == ["whole"]
    names = ["cut.jpg", "empty.jpg", "hole.jpg", "page.jpg", "phone.heic"]
    assert done.reasons == [(name, "unreadable picture") for name in names]
    assert sorted(path.name for path in (done.out / "images").iterdir()) == ["whole.jpg"]
    assert sorted(path.name for path in (done.out / "labels").iterdir()) == ["whole.txt"]
    assert all(str(tmp_path) not in one["detail"] for one in done.dropped)


def test_pictures_without_a_file_of_labels(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    save(tmp_path / "raw/b.jpg")
    voc(tmp_path / "raw/a.xml", [("plate", 1, 1, 9, 9)])
    voc(tmp_path / "raw/c.xml", [("plate", 1, 1, 9, 9)], filename="c.jpg")
    text(tmp_path / "raw/d.xml", "<annotation><object>")
    save(tmp_path / "raw/d.jpg")
    done = Converted(tmp_path, adapter="voc")
    assert done.stems == ["a"]
    assert done.reasons == [
        ("b.jpg", "no annotation"),
        ("c.xml", "annotation without picture"),
        ("d.jpg", "its annotation is unreadable"),
        ("d.xml", "unreadable annotation"),
    ]
    kept = Converted(tmp_path, adapter="voc", unlabelled="negative")
    assert kept.stems == ["a", "b"]
    assert kept.boxes("b") == []


def test_a_size_that_cannot_be_is_listed(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    save(tmp_path / "raw/b.jpg")
    voc(tmp_path / "raw/a.xml", [("plate", 1, 1, 9, 9)], size=(640, 480))
    voc(tmp_path / "raw/b.xml", [("plate", 1, 1, 9, 9)], size=(0, 0))
    done = Converted(tmp_path, adapter="voc")
    assert done.stems == ["b"]
    assert done.reasons == [("a.jpg", "size differs from annotation")]
    assert Converted(tmp_path, adapter="voc", options={"ignore_size": True}).stems == ["a", "b"]


def test_names_that_are_no_utf8_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name in (b"caf\xe9.jpg", b"caf\xe8.jpg"):
        path = Path(str(tmp_path / "raw") + "/" + name.decode("utf-8", "surrogateescape"))
        save(path)
    done = Converted(tmp_path, adapter="folder")
    assert done.stems == ["caf\\xe8", "caf\\xe9"]


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    for number in range(24):
        path = save(tmp_path / f"raw/p{number}.jpg", noise(number).convert("L" if number % 3 else "RGB"))
        voc(path.with_suffix(".xml"), [("plate", number, 1, 40, 9), ("car", 1, 1, 9, 9)])
    text(tmp_path / "raw/p5.jpg", b"broken")

    def files(done: Converted) -> dict[str, bytes]:
        return {str(path.relative_to(done.out)): path.read_bytes() for path in done.out.rglob("*.*")}

    alone = files(Converted(tmp_path, adapter="voc", workers=1))
    assert files(Converted(tmp_path, adapter="voc", workers=3)) == alone
    assert len(alone) == 23 * 2 + 2


def test_what_an_earlier_conversion_left_is_removed(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    Converted(tmp_path, adapter="folder")
    (tmp_path / "raw/a.jpg").rename(tmp_path / "raw/b.jpg")
    done = Converted(tmp_path, adapter="folder")
    assert sorted(path.name for path in done.out.rglob("*.*")) == [
        "b.jpg",
        "b.txt",
        "dropped.csv",
        "manifest.csv",
    ]


def test_the_summary_counts_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "raw/a.jpg")
    save(tmp_path / "raw/b.jpg", noise().convert("L"))
    voc(tmp_path / "raw/a.xml", [("plate", -1, 1, 9, 9), ("car", 1, 1, 9, 9)])
    voc(tmp_path / "raw/b.xml", [])
    with caplog.at_level("INFO", logger="detectnet"):
        Converted(tmp_path, adapter="voc", classes={"plate": "plate", "sign": "sign"})
    assert "2 pictures (1 without a box, 2 groups), 1 boxes" in caplog.text
    assert "1 boxes clipped, 1 pictures re-encoded" in caplog.text
    assert "1 class not wanted" in caplog.text
    assert "class 'sign' never occurs" in caplog.text
