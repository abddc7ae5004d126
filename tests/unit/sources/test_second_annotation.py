"""A picture that is annotated twice: the first annotation counts, the other is listed."""

from __future__ import annotations

from pathlib import Path

from made_sources import Converted, coco, save, voc

CATEGORIES = [{"id": 1, "name": "plate"}]


def test_of_two_coco_files_the_first_counts_and_the_second_is_listed(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    image = {"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}
    for name, box in (("one.json", [10, 20, 30, 8]), ("two.json", [2, 2, 20, 6])):
        found = [{"id": 5, "image_id": 1, "category_id": 1, "bbox": box}]
        coco(tmp_path / "raw" / name, [image], found, CATEGORIES)
    done = Converted(tmp_path, adapter="coco", options={"annotations": ["one.json", "two.json"]})
    assert done.boxes("a") == [(10, 20, 40, 28)]
    assert done.dropped == [
        {"file": "two.json", "line": "", "reason": "second annotation of a picture", "detail": "a.jpg"}
    ]


def test_a_folder_that_says_nothing_about_a_picture_takes_no_annotation_away(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"raw/images/{name}.jpg")
    voc(tmp_path / "raw/first/a.xml", [("plate", 10, 20, 40, 28)])
    voc(tmp_path / "raw/second/b.xml", [("plate", 5, 6, 25, 16)])
    options = {"images": ["images", "images"], "annotations": ["first", "second"]}
    done = Converted(tmp_path, adapter="voc", options=options)
    assert (len(done.boxes("a")), len(done.boxes("b")), done.dropped) == (1, 1, [])
