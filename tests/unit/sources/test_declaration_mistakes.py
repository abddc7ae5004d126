"""Mistakes of a declaration and of a source are said in words, early, and nothing is lost in silence."""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from made_sources import Converted, coco, noise, save, text, voc

from detectnet.config import complete
from detectnet.errors import UserError
from detectnet.logs import positive
from detectnet.sources.adapters import ADAPTERS
from detectnet.sources.base import OPTIONS
from detectnet.sources.fetch import fetch

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "config" / "schema.yaml"
LOST = "its only boxes are malformed"


def config(adapter: str, options: dict) -> dict:
    source = {
        "adapter": adapter,
        "licence": "CC0",
        "folder": "x",
        "classes": {"a": "plate"},
        "options": options,
    }
    if adapter == "synthetic":
        source["scenes"] = {"count": 1, "seed": 1}
        del source["folder"]
    specs = dict.fromkeys(("dataset", "train", "retrain", "infer"), "a.cfg")
    return {"run": "x", "sources": {"one": source}, "specs": specs}


def said_of(adapter: str, options: dict) -> str:
    """What the config's check says of these options, "" for nothing."""
    try:
        complete(config(adapter, options), SCHEMA)
    except UserError as error:
        return str(error)
    return ""


def test_the_schema_has_the_options_of_every_adapter():
    assert set(OPTIONS) | {"synthetic"} == set(ADAPTERS)
    values = {"images": "a", "annotations": "a", "ignore_size": True, "origin": 1, "names": ["a"]}
    properties = yaml.safe_load(SCHEMA.read_text())["$defs"]["source"]["properties"]["options"]["properties"]
    assert set(values) == set(properties) == {name for names in OPTIONS.values() for name in names}
    for adapter in ADAPTERS:
        for name, value in values.items():
            given = {"annotations": "a.json"} if adapter == "coco" else {}
            assert (said_of(adapter, given | {name: value}) == "") == (name in OPTIONS.get(adapter, ()))


@pytest.mark.parametrize(
    ("adapter", "options", "said"),
    [
        ("voc", {"imges": "a"}, "sources.one.options: 'imges' is not allowed. Did you mean 'images'?"),
        ("voc", {"names": []}, "sources.one.options: 'names' is not allowed."),
        ("yolo", {"origin": 1}, "'origin' is not allowed."),
        ("folder", {"annotations": "a"}, "Allowed: images."),
        ("voc", {"images": 5}, "sources.one.options.images: 5 is not of type 'string', 'array'"),
        ("voc", {"images": ["a", 5]}, "sources.one.options.images.1: 5 is not of type 'string'"),
        ("voc", {"origin": 2}, "sources.one.options.origin: '2' is not allowed."),
        ("kitti", {"ignore_size": "yes"}, "sources.one.options.ignore_size: 'yes' is not of type 'boolean'"),
        ("coco", {}, "sources.one.options: annotations must be given."),
    ],
)
def test_wrong_options_are_named_before_anything_is_fetched(adapter, options, said):
    assert said in said_of(adapter, options)


@pytest.mark.parametrize(
    ("adapter", "options", "said"),
    [
        ("voc", {"images": 5}, "options.images: 5 is no path"),
        ("folder", {"images": ["a", None]}, r"options.images: \['a', None\] is no path"),
        ("folder", {"annotations": "a"}, "'folder' has no option 'annotations'"),
        ("coco", {"annotations": {"a": "b"}}, "options.annotations: .* is no path"),
        ("yolo", {"names": 3}, "options.names: 3 cannot be the class names"),
    ],
)
def test_wrong_options_of_a_script_run_by_hand_are_named(tmp_path, adapter, options, said):
    save(tmp_path / "raw/a.jpg")
    with pytest.raises(UserError, match=said):
        Converted(tmp_path, adapter=adapter, options=options)


def test_a_mirror_that_is_no_folder_is_an_error_and_git_is_not_asked(tmp_path):
    declared = {
        "archive": {"name": "made.tar", "sha256": "0" * 64},
        "upstream": {"git": "file:///nowhere", "commit": "1" * 40, "files": "none.txt"},
    }
    with pytest.raises(UserError, match=r"mirror: the mirror '.*/mirrorr' is no folder on this machine"):
        fetch(declared, tmp_path / "raw/made", str(tmp_path / "mirrorr"), tmp_path / "archives")


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "mine/a.jpg")
    assert fetch({"folder": "~/mine"}, tmp_path / "raw/made")["files"] == 1
    (tmp_path / "mirror").mkdir()
    wanted = {"archive": {"name": "made.tar", "sha256": "0" * 64}}
    with pytest.raises(UserError, match=f"{tmp_path}/mirror/made.tar: no such file"):
        fetch(wanted, tmp_path / "raw/made", "~/mirror", tmp_path / "archives")


def test_links_that_lead_nowhere_are_left_out_and_listed(tmp_path, caplog):
    save(tmp_path / "mine/a.jpg")
    (tmp_path / "mine/b.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "mine/c.jpg").symlink_to(tmp_path / "mine/a.jpg")
    with caplog.at_level(logging.WARNING, "detectnet"):
        note = fetch({"folder": str(tmp_path / "mine")}, tmp_path / "raw/made")
    assert note["dangling_links"] == ["b.jpg"]
    assert "left out 1 links that lead nowhere" in caplog.text
    names = sorted(path.name for path in (tmp_path / "raw/made").iterdir())
    assert names == ["a.jpg", "c.jpg", "source.json"]


def test_a_link_that_leads_nowhere_in_a_raw_folder_is_dropped_and_listed(tmp_path):
    save(tmp_path / "raw/a.jpg")
    (tmp_path / "raw/b.jpg").symlink_to(tmp_path / "gone.jpg")
    done = Converted(tmp_path, adapter="folder")
    assert done.stems == ["a"]
    assert done.reasons == [("b.jpg", "unreadable picture")]


def test_a_picture_whose_only_wanted_boxes_are_malformed_is_no_negative(tmp_path):
    boxes = {
        "lost": [("plate", 5, 5, 5, 20)],  # no area
        "outside": [("plate", 500, 5, 520, 20)],
        "text": [("plate", "x", 5, 20, 20)],
        "both": [("plate", 5, 5, 5, 20), ("plate", 1, 1, 9, 9)],  # one is left
        "other": [("car", 5, 5, 5, 20)],  # nobody wants it
        "empty": [],
    }
    for seed, (stem, objects) in enumerate(boxes.items()):
        save(tmp_path / f"raw/{stem}.jpg", noise(seed))
        voc(tmp_path / f"raw/{stem}.xml", objects)
    done = Converted(tmp_path, adapter="voc", classes={"plate": "plate"})
    assert done.stems == ["both", "empty", "other"]
    assert [file for file, reason in done.reasons if reason == LOST] == [
        "lost.jpg",
        "outside.jpg",
        "text.jpg",
    ]
    assert not (done.out / "images/lost.jpg").exists()


@pytest.mark.parametrize(
    ("adapter", "label", "options"),
    [
        ("kitti", "plate 0 0 0 1 2 3\n", {"images": ".", "annotations": "."}),
        ("yolo", "plate 0.5 0.5 x\n", {"images": ".", "annotations": "."}),
        ("openalpr", "a.jpg\t1\tx\t9\t9\tABC\n", {}),
    ],
)
def test_a_line_that_is_no_label_makes_no_negative(tmp_path, adapter, label, options):
    save(tmp_path / "raw/a.jpg")
    text(tmp_path / "raw/a.txt", label)
    save(tmp_path / "raw/b.jpg", noise(5))
    good = {"kitti": "plate 0 0 0 1 2 30 40 0 0 0 0 0 0 0\n", "yolo": "plate 0.5 0.5 0.1 0.1\n"}
    text(tmp_path / "raw/b.txt", good.get(adapter, "b.jpg\t1\t2\t9\t9\tABC\n"))
    done = Converted(tmp_path, adapter=adapter, options=options, classes={"plate": "plate"})
    assert done.stems == ["b"]
    assert done.reasons == [("a.jpg", LOST), ("a.txt", "not a label line")]


def test_coco_objects_without_a_box_make_no_negative(tmp_path):
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(4)]
    for number in range(4):
        save(tmp_path / f"raw/{number}.jpg", noise(number))
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 30, 20]},
        {"id": 2, "image_id": 1, "category_id": 1},
        {"id": 3, "image_id": 2, "category_id": 2},
        {"id": 4, "image_id": 3, "category_id": 9, "bbox": [1, 2, 30, 20]},  # of nobody knows what
    ]
    coco(tmp_path / "raw/c.json", images, annotations, [{"id": 1, "name": "plate"}, {"id": 2, "name": "car"}])
    done = Converted(tmp_path, adapter="coco", options={"annotations": "c.json"}, classes={"plate": "plate"})
    assert done.stems == ["0", "2"]
    assert [file for file, reason in done.reasons if reason == LOST] == ["1.jpg", "3.jpg"]


@pytest.mark.parametrize("number", ["0", "two", "1.5", ""])
def test_a_count_is_a_whole_number_of_at_least_one(number):
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{number}' is not a whole number of at least 1"):
        positive(number)
    assert positive("3") == 3


@pytest.mark.parametrize("script", ["convert_kitti", "letterbox_pictures", "pack_tfrecords", "render_scenes"])
def test_a_negative_number_of_workers_is_refused(script):
    command = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), "--workers", "-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "argument --workers: '-1' is not a whole number of at least 1" in done.stderr
