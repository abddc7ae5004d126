"""The resizing stage as a whole: pictures, labels, what is dropped, and that nothing stale stays."""

import hashlib

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from staged import kitti_source, phash, scene

from detectnet.data import duplicates, kitti, manifest
from detectnet.data.resizing import letterbox_source, read_mirrored
from detectnet.errors import UserError

PICTURES = {
    "wide.mp4#t=1.jpg": (scene(1, 800, 450), [(80.0, 45.0, 240.0, 90.0)], "wide.mp4"),
    "tall.png": (scene(2, 300, 900), [(30.0, 90.0, 60.0, 99.0), (-5.0, 0.0, 10.0, 20.0)], "tall"),
    "empty.jpg": (scene(3), [], "empty"),
    "specks.jpg": (scene(4, 2000, 1000), [(10.0, 10.0, 12.0, 400.0), (500.0, 500.0, 900.0, 600.0)], "specks"),
}


@pytest.fixture
def source(tmp_path):
    return kitti_source(tmp_path / "kitti", PICTURES)


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_pictures_labels_and_lists(source, tmp_path):
    out = tmp_path / "out"
    letterbox_source(source, out, 320, 320, workers=1)
    rows = manifest.read(out / "manifest.csv").set_index("image")
    before = manifest.read(source).set_index("image")
    assert list(rows.index) == [
        "images/empty.jpg",
        "images/specks.jpg",
        "images/tall.jpg",
        "images/wide.mp4#t=1.jpg",
    ]
    assert set(rows["width"]) == set(rows["height"]) == {320}
    assert rows["phash"]["images/tall.jpg"] == before["phash"]["images/tall.png"]
    assert rows["group"]["images/wide.mp4#t=1.jpg"] == "wide.mp4"
    assert rows["boxes"].tolist() == [0, 1, 2, 1]
    for image, digest in rows["sha256"].items():
        assert hashlib.sha256((out / image).read_bytes()).hexdigest() == digest
    with Image.open(out / "images/wide.mp4#t=1.jpg") as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (320, 320), "RGB")


def test_labels_move_with_the_picture(source, tmp_path):
    letterbox_source(source, tmp_path / "out", 320, 320, workers=1)
    (wide,) = kitti.read_labels(tmp_path / "out/labels/wide.mp4#t=1.txt")
    np.testing.assert_allclose(wide.box, (32, 18, 96, 36))  # 800x450 -> 320x180
    first, second = kitti.read_labels(tmp_path / "out/labels/tall.txt")  # 300x900 -> 106x320, not 106.67
    np.testing.assert_allclose(first.box, (30 * 106 / 300, 32, 60 * 106 / 300, 35.2))
    np.testing.assert_allclose(second.box, (0, 0, 10 * 106 / 300, 20 * 320 / 900))  # cut at the left edge


def test_pixels_are_the_resized_picture_in_jpeg(source, tmp_path):
    letterbox_source(source, tmp_path / "out", 320, 320, workers=1)
    made = np.asarray(Image.open(tmp_path / "out/images/tall.jpg")).astype(int)
    truth = cv2.resize(PICTURES["tall.png"][0], (106, 320)).astype(int)
    assert np.abs(made[:, :104] - truth[:, :104]).mean() < 3
    assert made[:, 120:].max() == 0  # beyond the JPEG blocks that the edge crosses


def test_a_box_under_one_pixel_is_dropped_and_listed(source, tmp_path):
    letterbox_source(source, tmp_path / "out", 320, 320, workers=1)
    dropped = pd.read_csv(tmp_path / "out/dropped.csv", dtype=str)
    assert list(dropped.columns) == ["file", "line", "reason", "detail"]
    assert dropped[["file", "line"]].to_numpy().tolist() == [["labels/specks.txt", "1"]]
    assert "1 pixel" in dropped["reason"][0]
    (kept,) = kitti.read_labels(tmp_path / "out/labels/specks.txt")
    np.testing.assert_allclose(kept.box, (80, 80, 144, 96))


def test_a_damaged_picture_is_listed_and_the_rest_is_made(source, tmp_path):
    path = source.parent / "images/empty.jpg"
    path.write_bytes(path.read_bytes()[:200])
    made = letterbox_source(source, tmp_path / "out", 320, 320, workers=2)
    assert len(made) == 3
    dropped = pd.read_csv(tmp_path / "out/dropped.csv", dtype=str, keep_default_na=False)
    assert ["images/empty.jpg", ""] in dropped[["file", "line"]].to_numpy().tolist()
    assert not (tmp_path / "out/images/empty.jpg").exists()


def test_not_one_readable_picture_is_an_error(tmp_path):
    source = kitti_source(tmp_path / "kitti", {"a.jpg": (scene(1), [], "a")})
    (source.parent / "images/a.jpg").write_bytes(b"GIF89a")
    with pytest.raises(UserError, match="not one picture"):
        letterbox_source(source, tmp_path / "out", 320, 320, workers=1)
    assert not (tmp_path / "out/manifest.csv").exists()


def test_same_bytes_for_any_number_of_workers(source, tmp_path):
    letterbox_source(source, tmp_path / "one", 320, 192, workers=1)
    letterbox_source(source, tmp_path / "two", 320, 192, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_nothing_of_an_earlier_run_stays(source, tmp_path):
    out = tmp_path / "out"
    letterbox_source(source, out, 320, 320, workers=1)
    rows = manifest.read(source)
    manifest.write(source, rows[rows["image"] != "images/tall.png"])
    (source.parent / "images/empty.jpg").write_bytes(b"no longer a picture")
    (out / "images/.wide.x.part.jpg").write_bytes(b"left by a killed process")
    letterbox_source(source, out, 160, 160, workers=1)
    fresh = tmp_path / "fresh"
    letterbox_source(source, fresh, 160, 160, workers=1)
    assert contents(out) == contents(fresh)
    assert not (out / "images/tall.jpg").exists()


def test_two_pictures_of_one_stem_are_refused(tmp_path):
    both = {"a.jpg": (scene(1), [], ""), "a.png": (scene(2), [], "")}
    with pytest.raises(UserError, match=r"images/a\.jpg.*images/a\.png"):
        letterbox_source(kitti_source(tmp_path / "kitti", both), tmp_path / "out", 64, 64, workers=1)


def test_mirrored_hash_is_near_the_hash_of_the_mirrored_picture(source, tmp_path):
    letterbox_source(source, tmp_path / "out", 320, 320, workers=1)
    mirrored = read_mirrored(tmp_path / "out/manifest.csv")
    for name, (rgb, _, _) in PICTURES.items():
        stem = name.rpartition(".")[0]
        found, truth = duplicates.parse([mirrored[f"images/{stem}.jpg"], phash(rgb[:, ::-1])])
        assert np.bitwise_count(found ^ truth) <= 4
        assert np.bitwise_count(found ^ duplicates.parse([phash(rgb)])[0]) > 10


def test_without_the_mirrored_hashes_the_way_out_is_named(tmp_path):
    with pytest.raises(UserError, match=r"letterbox_pictures\.py"):
        read_mirrored(tmp_path / "manifest.csv")
