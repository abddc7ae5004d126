"""Reviewed corrections: what each action does to the training records, and what a file may not say."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from staged import kitti_source, scene

from detectnet import spec
from detectnet.data import corrections
from detectnet.data.packing import list_shards, pack_source
from detectnet.data.resizing import letterbox_source
from detectnet.data.tfrecord import read_records
from detectnet.errors import UserError

HEAD = 'root_directory_path: "/x" image_dir_name: "images" label_dir_name: "labels" image_extension: ".jpg"'
COLUMNS = "source,image,action,class,x1,y1,x2,y2,new_x1,new_y1,new_x2,new_y2,note"
ROOT = Path(__file__).resolve().parents[3]
# Originals of 200 x 100 become 64 x 32, so every length is 0.32 of what it was.
FIRST, SECOND = (50.0, 25.0, 100.0, 50.0), (100.0, 50.0, 150.0, 75.0)
SMALL_FIRST, SMALL_SECOND = [16.0, 8.0, 32.0, 16.0], [32.0, 16.0, 48.0, 24.0]


def dataset(mode=""):
    return spec.parse(f"kitti_config {{ {HEAD} num_partitions: 2 num_shards: 2 {mode} }}", "dataset")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corrections")
    pictures = {
        f"p{index}.mp4#t={index}.jpg": (scene(index, 200, 100), [FIRST, SECOND], "") for index in range(8)
    }
    original = kitti_source(folder / "kitti", pictures)
    letterbox_source(original, folder / "src", 64, 64, workers=1)
    return original, folder / "src" / "manifest.csv"


@pytest.fixture
def split(tmp_path):
    """The first three pictures are validation, the last is excluded."""
    folds = ["validation"] * 3 + ["training"] * 4 + ["excluded"]
    lines = [f"images/p{index}.mp4#t={index}.jpg,src,g,{fold}" for index, fold in enumerate(folds)]
    path = tmp_path / "split.csv"
    path.write_text("\n".join(["image,source,group,fold", *lines]) + "\n")
    return path


def row(picture, action, name="", box=(), new=(), source="src"):
    cells = [*box, *[""] * (4 - len(box)), *new, *[""] * (4 - len(new))]
    image = f"images/p{picture}.mp4#t={picture}.jpg"
    return ",".join([source, image, action, name, *map(str, cells), "seen"])


def written(tmp_path, *rows):
    path = tmp_path / "corrections.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n")
    return path


def packed(tmp_path, source, split, *rows, mode="", out="records"):
    original, resized = source
    chosen = corrections.load(written(tmp_path, *rows), original, split, "src") if rows else None
    pack_source(resized, split, dataset(mode), tmp_path / out, "src", corrections=chosen, workers=1)
    return tmp_path / out


def labels(records, picture):
    (found,) = [
        one
        for one in read_records(sorted(records.glob("src-fold-001*")))
        if one.frame_id == f"images/p{picture}.mp4#t={picture}"
    ]
    return [(name, np.round(box, 3).tolist()) for name, box in zip(found.names, found.boxes, strict=True)]


def test_every_action_changes_the_training_record(tmp_path, source, split):
    records = packed(
        tmp_path,
        source,
        split,
        row(3, "add", "Plate", (0, 0, 25, 50)),
        row(3, "ignore", "", (150, 0, 200, 25)),
        row(4, "remove", "plate", (51, 25, 100, 50)),  # an IoU of 0.98
        row(4, "move", "plate", SECOND, (100, 50, 125, 75)),
        row(5, "drop"),
    )
    assert labels(records, 3) == [
        ("plate", SMALL_FIRST),
        ("plate", SMALL_SECOND),
        ("plate", [0, 0, 8, 16]),
        ("dontcare", [48, 0, 64, 8]),
    ]
    assert labels(records, 4) == [("plate", [32, 16, 40, 24])]
    frames = {one.frame_id for one in read_records(sorted(records.glob("src-fold-001*")))}
    assert frames == {f"images/p{index}.mp4#t={index}" for index in (3, 4, 6)}
    assert labels(records, 6) == [("plate", SMALL_FIRST), ("plate", SMALL_SECOND)]
    assert json.loads((records / "src_corrections.json").read_text())["applied"] == {
        "add": 1,
        "drop": 1,
        "ignore": 1,
        "move": 1,
        "remove": 1,
    }


@pytest.mark.parametrize("mode", ["", 'partition_mode: "random"'])
def test_validation_records_do_not_change_by_a_byte(tmp_path, source, split, caplog, mode):
    plain = packed(tmp_path, source, split, mode=mode, out="plain")
    rows = [row(0, "remove", "plate", FIRST), row(1, "drop"), row(2, "add", "plate", (0, 0, 25, 50))]
    with caplog.at_level(logging.INFO, "detectnet"):
        changed = packed(tmp_path, source, split, *rows, row(3, "drop"), row(7, "drop"), mode=mode)
    validation = sorted(path.name for path in plain.glob("src-fold-000*"))
    assert len(validation) == 2
    assert [(plain / name).read_bytes() for name in validation] == [
        (changed / name).read_bytes() for name in validation
    ]
    summary = json.loads((changed / "src_corrections.json").read_text())
    assert summary["skipped_by_fold"] == {"excluded": 1, "validation": 3}
    assert (summary["applied"], summary["pictures"]) == ({"drop": 1}, 1)
    assert "src: skipped 3 corrections of pictures in the fold 'validation'" in caplog.text


def test_a_box_is_cut_to_the_picture_and_not_into_the_padding(tmp_path, source, split):
    records = packed(tmp_path, source, split, row(3, "add", "plate", (150, 80, 210, 120)))
    assert labels(records, 3)[-1] == ("plate", pytest.approx([48, 25.6, 64, 32]))


def test_the_shards_can_be_listed_apart_and_the_note_goes_with_the_corrections(tmp_path, source, split):
    original, resized = source
    chosen = corrections.load(written(tmp_path, row(5, "drop")), original, split, "src")
    records = packed(tmp_path, source, split, row(5, "drop"))
    made = list_shards(resized, split, dataset(), records, "src", corrections=chosen, workers=1)
    assert made["pictures"].sum() == 6
    packed(tmp_path, source, split)
    assert not (records / "src_corrections.json").exists()


def test_rows_of_a_source_that_the_run_lacks_are_told(tmp_path, source, split, caplog):
    path = written(tmp_path, row(3, "drop", source="scr"), row(4, "drop"))
    chosen = corrections.load(path, source[0], split, "src")
    assert list(chosen.rows) == ["images/p4.mp4#t=4"]
    assert "does not have: 1 of 'scr'" in caplog.text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(3, "drp")], r"csv:2: no action 'drp'. Allowed: add, remove.*Did you mean 'drop'"),
        ([row(3, "drop"), row(3, "add", "", FIRST)], "csv:3: add needs a class"),
        ([row(3, "ignore", "plate", FIRST)], "csv:2: ignore has no class"),
        ([row(3, "add", "plate", (1, 2, 3))], "csv:2: add needs x1, y1, x2, y2, all numbers"),
        ([row(3, "add", "plate", (30, 2, 3, 9))], "csv:2: the box 30 2 3 9 has no extent"),
        ([row(3, "add", "plate", (0, 0, 9, 9), FIRST)], "csv:2: add has no new_x1 to new_y2"),
        ([row(3, "move", "plate", FIRST)], "csv:2: move needs new_x1, new_y1, new_x2, new_y2"),
        ([row(3, "drop", box=FIRST)], "csv:2: drop has no x1 to y2"),
        ([row(9, "drop")], "csv:2: the source 'src' has no picture 'images/p9.*Did you mean 'images/p"),
        ([""], "csv:2: no action ''"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path, source, split, rows, said):
    with pytest.raises(UserError, match=said):
        corrections.load(written(tmp_path, *rows), source[0], split, "src")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        # 45 of 55 columns are shared: an IoU of 0.82
        ([row(3, "remove", "plate", (55, 25, 105, 50))], r"csv:2: no label 'plate' .* the best has 0\.82"),
        ([row(3, "remove", "car", FIRST)], r"csv:2: no label 'car' .* the best has 0\.00"),
        ([row(3, "remove", "plate", FIRST), row(3, "move", "plate", FIRST, SECOND)], "csv:3: no label"),
        ([row(3, "add", "plate", (55, 25, 105, 50))], r"csv:2: there is a label 'plate' already.* 0\.82"),
        ([row(3, "add", "plate", (0, 0, 9, 9)), row(3, "add", "plate", (0, 0, 9, 8))], "csv:3: there is a"),
        ([row(3, "add", "plate", (210, 0, 250, 50))], "csv:2: .*less than a pixel.*200 x 100"),
    ],
)
def test_a_row_that_does_not_fit_the_labels_is_refused(tmp_path, source, split, rows, said):
    with pytest.raises(UserError, match=said):
        packed(tmp_path, source, split, *rows)


def test_a_removed_label_may_be_added_anew(tmp_path, source, split):
    rows = [row(3, "add", "plate", (50, 25, 100, 52)), row(3, "remove", "plate", FIRST)]
    assert labels(packed(tmp_path, source, split, *rows), 3) == [
        ("plate", SMALL_SECOND),
        ("plate", pytest.approx([16, 8, 32, 16.64])),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COLUMNS.replace(",note", "") + "\n", "csv:1: the column 'note' is missing"),
        (COLUMNS + ",more\n", "csv:1: the column 'more' is unknown"),
    ],
)
def test_the_columns_are_fixed(tmp_path, text, said):
    path = tmp_path / "corrections.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        corrections.read(path)
    with pytest.raises(UserError, match="do not exist"):
        corrections.read(tmp_path / "none.csv")


def test_the_committed_corrections_touch_training_pictures_only():
    rows = corrections.read(ROOT / "config" / "corrections" / "plates.csv")
    frozen = pd.read_csv(ROOT / "config" / "splits" / "plates.csv", dtype=str)
    folds = {(one.source, one.image): one.fold for one in frozen.itertuples()}
    assert len(rows) > 50
    assert {folds[one.source, one.image] for one in rows} == {"training"}
