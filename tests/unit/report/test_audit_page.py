"""The page of the audit: what a reviewer needs stands on it, in pixels of the original picture."""

import csv
import html
import re

import numpy as np
import pandas as pd
import pytest

from detectnet.data import corrections, manifest, pictures
from detectnet.detection.detections import Detections
from detectnet.detection.scoring import Picture
from detectnet.report.audit_page import near_duplicates, read_originals, write_findings

BOX = (40.0, 40.0, 80.0, 50.0)
HASHES = ["0" * 16, "0" * 15 + "1", "f" * 16, "00000000ffffffff"]
MIRRORED = ["a" * 16, "b" * 16, "5" * 16, "f" * 16]


@pytest.fixture
def data(tmp_path):
    """Four pictures of 320 x 240 that are 160 x 120 in an input of 160 x 160."""
    rows = []
    for index, phash in enumerate(HASHES):
        image = f"images/{index}.jpg"
        pictures.save_jpeg(tmp_path / "kitti/src" / image, np.full((240, 320, 3), 90, np.uint8))
        rows.append((image, f"labels/{index}.txt", 320, 240, "0", phash, "g", "src", 1))
    frame = pd.DataFrame(rows, columns=manifest.COLUMNS)
    manifest.write(tmp_path / "kitti/src/manifest.csv", frame)
    manifest.write(tmp_path / "resized/src/manifest.csv", frame.assign(width=160, height=160))
    turned = pd.DataFrame({"image": frame["image"], "phash": MIRRORED})
    turned.to_csv(tmp_path / "resized/src/mirrored.csv", index=False)
    lines = [f"images/{index}.jpg,src,g,{'validation' if index == 3 else 'training'}" for index in range(4)]
    (tmp_path / "split.csv").write_text("\n".join(["image,source,group,fold", *lines]) + "\n")
    return tmp_path


def seen():
    """2 has a detection and no label; 3, its mirror image, has a label that nothing finds."""
    made = []
    for index, (truth, found) in enumerate([([BOX], [BOX]), ([BOX], [BOX]), ([], [BOX]), ([BOX], [])]):
        boxes = np.array(found, dtype=np.float64).reshape(-1, 4)
        one = np.full(len(boxes), 0.9)
        detections = Detections(boxes, one, one, np.ones(len(boxes), np.int64))
        labels = np.array(truth, dtype=np.float64).reshape(-1, 4)
        made.append(Picture(f"images/{index}", "src", {"plate": labels}, {"tlt": {"plate": detections}}))
    return made


def written(data, **options):
    return write_findings(
        seen(), {}, data=data, split_csv=data / "split.csv", out_dir=data / "audit", **options
    )


def test_table_and_page_name_the_original_picture(data):
    written(data)
    with (data / "audit/audit.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["kind"], row["image"], row["fold"]) for row in rows] == [
        ("missed", "images/2.jpg", "training"),
        ("spurious", "images/3.jpg", "validation"),
        ("duplicate", "images/2.jpg", "training"),
    ]
    assert (rows[0]["x1"], rows[0]["y2"], rows[0]["score"]) == ("40.0", "50.0", "0.6667")
    assert (rows[1]["confidence"], rows[1]["found_x1"]) == ("", "")
    page = (data / "audit/audit.html").read_text()
    assert len(re.findall(r'src="data:image/jpeg;base64,', page)) == 3
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_the_proposed_line_can_be_put_into_a_corrections_file(data):
    written(data)
    lines = re.findall("<code>(.*?)</code>", (data / "audit/audit.html").read_text())
    path = data / "corrections.csv"
    path.write_text("\n".join([",".join(corrections.COLUMNS), *map(html.unescape, lines)]) + "\n")
    rows = corrections.read(path)
    assert [(row.image, row.action, row.box) for row in rows] == [
        ("images/2.jpg", "add", (80, 80, 160, 100)),
        ("images/3.jpg", "remove", (80, 80, 160, 100)),
        ("images/2.jpg", "add", (160, 80, 240, 100)),  # where 3 has its label, mirrored
    ]


def test_the_same_page_again_and_fewer_pictures_on_demand(data):
    written(data)
    first = (data / "audit/audit.html").read_bytes()
    written(data)
    assert (data / "audit/audit.html").read_bytes() == first
    assert len(written(data, shown=0)) == 3
    assert "data:image" not in (data / "audit/audit.html").read_text()


def test_near_duplicates_by_hash_plain_and_mirrored(data):
    """0 and 1 differ in one bit; 3 mirrored is 2."""
    found = near_duplicates(read_originals(data, ["src"]))
    assert [(one.first[1], one.second[1], one.mirrored) for one in found] == [
        ("images/0", "images/1", False),
        ("images/2", "images/3", True),
    ]
    assert [one.likeness for one in found] == [pytest.approx(10 / 11), 1.0]
