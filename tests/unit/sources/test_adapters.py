from __future__ import annotations

from pathlib import Path

import pytest
from made_sources import SIZE, Converted, coco, save, text, voc

from detectnet.errors import UserError
from detectnet.sources.adapters import adapter

WIDTH, HEIGHT = SIZE
KITTI = "{} 0.5 1 0 {} {} {} {} 0 0 0 0 0 0 0\n"


def test_voc_reads_decimals_and_drops_other_classes(tmp_path: Path) -> None:
    save(tmp_path / "raw/train/images/ride.mp4#t=10 a.jpg")
    voc(
        tmp_path / "raw/train/annots/ride.mp4#t=10 a.xml",
        [("License-Plate", 1.25, 2.6538609296965, 30.5, 40), ("car", 0, 0, 9, 9)],
    )
    done = Converted(
        tmp_path,
        adapter="voc",
        classes={"license-plate": "Plate", "bus": "bus"},
        options={"images": ["train/images"], "annotations": ["train/annots"]},
        video_pattern=r"^(.+)\.mp4#t=",
    )
    assert done.boxes("ride.mp4#t=10 a") == [(1.25, 2.6538609296965, 30.5, 40)]
    row = done.row("ride.mp4#t=10 a")
    assert (row["group"], row["source"], row["boxes"], row["width"], row["height"]) == (
        "ride",
        "made",
        1,
        64,
        48,
    )
    assert [(one["line"], one["reason"], one["detail"]) for one in done.dropped] == [
        ("2", "class not wanted", "car")
    ]


def test_voc_of_the_original_kind_counts_pixels_from_one(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    voc(tmp_path / "raw/a.xml", [("plate", 1, 1, WIDTH, HEIGHT)])
    assert Converted(tmp_path, adapter="voc", options={"origin": 1}).boxes("a") == [(0, 0, WIDTH, HEIGHT)]
    assert Converted(tmp_path, adapter="voc").boxes("a") == [(1, 1, WIDTH, HEIGHT)]


def test_voc_picture_with_other_classes_only_is_a_negative(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    voc(tmp_path / "raw/a.xml", [("stop", 1, 1, 9, 9)])
    done = Converted(tmp_path, adapter="voc", classes={})
    assert done.row("a")["boxes"] == 0
    assert (done.out / "labels/a.txt").read_bytes() == b""


def test_coco_placeholder_category_and_negatives(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save(tmp_path / "raw/train" / name)
    coco(
        tmp_path / "raw/train/_annotations.coco.json",
        [
            {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT},
            {"id": 8, "file_name": "b.jpg", "width": WIDTH, "height": HEIGHT},
            {"id": 9, "file_name": "gone.jpg", "width": WIDTH, "height": HEIGHT},
        ],
        [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30.5, 8]},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"id": 3, "image_id": 7, "category_id": 5, "bbox": [0, 0, 5, 5]},
            {"id": 4, "image_id": 7, "category_id": 1, "segmentation": [[1, 2, 9, 2, 5, 7]]},
            {"id": 5, "image_id": 7, "category_id": 1, "bbox": []},
            {"id": 6, "image_id": 77, "category_id": 1, "bbox": [0, 0, 5, 5]},
        ],
        [{"id": 0, "name": "Bounding-boxes"}, {"id": 1, "name": "0", "supercategory": "Bounding-boxes"}],
    )
    done = Converted(
        tmp_path,
        adapter="coco",
        classes={"0": "plate"},
        options={"annotations": "train/_annotations.coco.json"},
    )
    assert done.stems == ["a", "b"]
    assert done.boxes("a") == [(10, 20, 40.5, 28), (1, 2, 9, 7)]
    assert done.boxes("b") == []
    place = "train/_annotations.coco.json"
    assert sorted(done.reasons) == sorted(
        [
            (place, "crowd region"),
            (place, "unknown category"),
            (place, "no box"),
            (place, "annotation without picture"),
            (place, "annotation without picture"),
            ("train/c.jpg", "no annotation"),
        ]
    )


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/hostname"])
def test_coco_names_cannot_leave_the_source(tmp_path: Path, name: str) -> None:
    save(tmp_path / "secret.jpg")
    save(tmp_path / "raw/a.jpg")
    size = {"width": WIDTH, "height": HEIGHT}
    coco(
        tmp_path / "raw/a.json",
        [{"id": 1, "file_name": name, **size}, {"id": 2, "file_name": "a.jpg", **size}],
        [],
        [],
    )
    done = Converted(tmp_path, adapter="coco", options={"annotations": ["a.json"]})
    assert done.stems == ["a"]
    assert done.reasons == [("a.json", "picture outside the source")]


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "not valid JSON"), ("[]", "not a COCO file"), ('{"annotations": []}', "not a COCO file")],
)
def test_coco_of_another_kind_is_named(tmp_path: Path, content: str, said: str) -> None:
    text(tmp_path / "raw/a.json", content)
    with pytest.raises(UserError, match=rf"a\.json: {said}"):
        Converted(tmp_path, adapter="coco", options={"annotations": ["a.json"]})


def test_yolo_boxes_polygons_and_names(tmp_path: Path) -> None:
    save(tmp_path / "raw/images/train/a.jpg")
    save(tmp_path / "raw/images/train/b.JPG")
    save(tmp_path / "raw/images/train/c.jpg")
    lines = [
        "1 0.5 0.5 0.25 0.5",
        "1 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75",
        "0 0.5 0.5 0.1 0.1 0.9",
        "",
        "1 0.5 0.5 0.25",
        "1 a b c d",
    ]
    text(tmp_path / "raw/labels/train/a.txt", "\n".join(lines))
    text(tmp_path / "raw/labels/train/b.txt", "")
    text(tmp_path / "raw/labels/classes.txt", "car\nplate\n")
    text(tmp_path / "raw/data.yaml", "names: {0: car, 1: Plate}\n")
    for names in (["car", "plate"], "data.yaml", "labels/classes.txt"):
        done = Converted(tmp_path, adapter="yolo", options={"names": names})
        assert done.boxes("a") == [(24, 12, 40, 36), (16, 12, 32, 36)]
        assert done.boxes("b") == []
        assert [(one["file"], one["line"], one["reason"]) for one in done.dropped] == [
            ("images/train/c.jpg", "", "no annotation"),
            ("labels/train/a.txt", "3", "class not wanted"),
            ("labels/train/a.txt", "5", "not a label line"),
            ("labels/train/a.txt", "6", "not a label line"),
        ]


def test_yolo_without_names_uses_numbers(tmp_path: Path) -> None:
    save(tmp_path / "raw/images/a.jpg")
    text(tmp_path / "raw/labels/a.txt", "0 0.5 0.5 1 1\n")
    assert Converted(tmp_path, adapter="yolo", classes={"0": "plate"}).boxes("a") == [(0, 0, WIDTH, HEIGHT)]


def test_openalpr_reads_tabs_and_any_text(tmp_path: Path) -> None:
    save(tmp_path / "raw/eu/a.jpg")
    save(tmp_path / "raw/br/PAG1.jpg")
    save(tmp_path / "raw/br/PAG1.png", kind="PNG")
    text(
        tmp_path / "raw/eu/a.txt",
        b"a.jpg\t-1\t5\t20\t10\t\xc8\xff 12\r\na.jpg\t30\t5\t20\t10\tB\tC\nbroken line\n",
    )
    text(tmp_path / "raw/br/PAG1.txt", "PAG1.png\t1\t2\t3\t4\tPAG1\n")
    done = Converted(tmp_path, adapter="openalpr")
    assert done.boxes("a") == [(0, 5, 19, 15), (30, 5, 50, 15)]
    assert done.reasons == [("br/PAG1.jpg", "no annotation"), ("eu/a.txt", "not a label line")]
    named = [path.name for path in (done.out / "images").iterdir() if path.suffix == ".png"]
    assert len(named) == 1
    assert done.boxes(Path(named[0]).stem) == [(1, 2, 4, 6)]


@pytest.mark.parametrize("name", ["kitti", "synthetic"])
def test_kitti_keeps_truncation_and_occlusion(tmp_path: Path, name: str) -> None:
    save(tmp_path / "raw/images/a.jpg")
    content = KITTI.format("Plate", 1, 2, 3, 4) + "plate 0 0\n" + KITTI.format("DontCare", 0, 0, 9, 9)
    text(tmp_path / "raw/labels/a.txt", content)
    done = Converted(tmp_path, adapter=name)
    line = (done.out / "labels/a.txt").read_text()
    assert line == "plate 0.50 1 0.00 1.000 2.000 3.000 4.000" + " 0.00" * 7 + "\n"
    assert done.reasons == [("labels/a.txt", "not a label line"), ("labels/a.txt", "class not wanted")]


def test_folder_takes_every_picture_as_a_negative(tmp_path: Path) -> None:
    save(tmp_path / "raw/x/a.jpg")
    save(tmp_path / "raw/x/deep/b.PNG", kind="PNG")
    save(tmp_path / "raw/x/.hidden.jpg")
    save(tmp_path / "raw/x/__MACOSX/c.jpg")
    text(tmp_path / "raw/x/readme.txt", "nothing")
    done = Converted(tmp_path, adapter="folder", options={"images": "x"}, classes={})
    assert done.stems == ["a", "b"]
    assert list(done.frame["boxes"]) == [0, 0]
    assert done.dropped == []


def test_every_class_can_be_taken(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    voc(tmp_path / "raw/a.xml", [("car", 0, 0, 9, 9), ("bus", 10, 10, 19, 19)])
    done = Converted(tmp_path, adapter="voc", classes={"*": "vehicle", "bus": "bus"})
    names = [line.split()[0] for line in (done.out / "labels/a.txt").read_text().splitlines()]
    assert names == ["vehicle", "bus"]


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"adapter": "vok"}, "Did you mean 'voc'"),
        ({"adapter": "voc", "options": {"image": "."}}, "Did you mean 'images'"),
        ({"adapter": "voc", "options": {"images": "imagse"}}, "Did you mean 'images'"),
        ({"adapter": "voc", "options": {"images": "../outside"}}, "outside the source"),
        (
            {"adapter": "voc", "options": {"images": ["images"], "annotations": [".", "."]}},
            "1 folders of pictures",
        ),
        ({"adapter": "voc", "options": {"origin": 2}}, "Allowed: 0, 1"),
        ({"adapter": "voc", "classes": {"plaet": "plate"}}, "Did you mean 'plate'"),
        ({"adapter": "voc", "classes": {"plate": "licence plate"}}, "cannot be a class"),
        ({"adapter": "voc", "video_pattern": "("}, "not a regular expression"),
        ({"adapter": "voc", "video_pattern": "a"}, "has no group"),
        ({"adapter": "coco"}, "must be named"),
        (
            {"adapter": "kitti", "options": {"images": "images", "annotations": "images"}},
            "no picture is left",
        ),
    ],
)
def test_mistakes_of_a_declaration_are_named(tmp_path: Path, declaration: dict, said: str) -> None:
    save(tmp_path / "raw/images/a.jpg")
    voc(tmp_path / "raw/images/a.xml", [("plate", 0, 0, 9, 9)])
    with pytest.raises(UserError, match=said):
        Converted(tmp_path, **declaration)
    assert not (tmp_path / "kitti/made/manifest.csv").exists()


def test_a_wrong_declaration_leaves_the_earlier_result(tmp_path: Path) -> None:
    save(tmp_path / "raw/a.jpg")
    voc(tmp_path / "raw/a.xml", [("plate", 0, 0, 9, 9)])
    done = Converted(tmp_path, adapter="voc")
    with pytest.raises(UserError):
        Converted(tmp_path, adapter="voc", options={"x": 1})
    assert (done.out / "manifest.csv").exists()


def test_an_unknown_adapter_lists_all() -> None:
    with pytest.raises(UserError, match="coco, folder, kitti, openalpr, synthetic, voc, yolo"):
        adapter("other")
