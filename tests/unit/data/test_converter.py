"""Converting a user's own folders: order, folds, names and messages as NVIDIA's converter has them."""

from __future__ import annotations

import json
import logging
import random

import numpy as np
import pytest
from own_dataset import coco_folder, coco_spec, kitti_folder, kitti_spec, line, names_in
from PIL import Image
from staged import scene

from detectnet import spec
from detectnet.data import converter
from detectnet.data.converter import convert_dataset
from detectnet.data.own_folders import Seen
from detectnet.data.tfrecord import read_records
from detectnet.errors import UserError

RANDOM = 'partition_mode: "random" num_partitions: 2'


def frames(folder, pattern):
    """Stems of the records in the order of the files."""
    return [record.frame_id.split("/")[1] for record in read_records(sorted(folder.glob(pattern)))]


def converted(root, out, text, more="", **options):
    return convert_dataset(kitti_spec(root, text, more), out / "set", workers=1, **options)


@pytest.fixture
def small(tmp_path):
    """Ten labelled pictures, p0 to p9."""
    return kitti_folder(tmp_path / "small", {f"p{number}": line() for number in range(10)})


@pytest.fixture
def fast_look(monkeypatch):
    """Pictures that are not read: all alike in size, all different in looks."""
    hashes = np.random.default_rng(0).integers(0, 2**64, (20_000, 2), dtype=np.uint64)
    given = iter(hashes.tolist())

    def look(_found):
        return Seen((4, 3), False, *(f"{value:016x}" for value in next(given)), frozenset({"Car"}))

    monkeypatch.setattr(converter, "look", look)


def test_standard_kitti_gives_1047_and_6434_in_nvidias_order(tmp_path, fast_look):
    stems = [f"{number:06d}" for number in range(7481)]
    for folder, extension in (("image_2", ".png"), ("label_2", ".txt")):
        (tmp_path / "kitti" / folder).mkdir(parents=True)
        for stem in stems:
            (tmp_path / "kitti" / folder / f"{stem}{extension}").touch()
    text = f'{RANDOM} num_shards: 10 val_split: 14 image_extension: ".png"'
    made = converted(tmp_path / "kitti", tmp_path, text, embed=False)
    assert made.groupby("fold")["pictures"].sum().to_dict() == {"fold 0": 1047, "fold 1": 6434}
    assert made["pictures"].tolist() == [104] * 9 + [111] + [643] * 9 + [647]

    random.seed(42)  # the procedure written down anew: one generator, both lists, and both again
    validation, training = stems[:1047], stems[1047:]
    for part in (validation, training, validation, training):
        random.shuffle(part)
    assert frames(tmp_path, "set-fold-000-of-002-shard-*-of-00010") == validation
    assert frames(tmp_path, "set-fold-001-of-002-shard-*-of-00010") == training


def test_the_share_is_a_float32_as_in_nvidias_spec(tmp_path, fast_look):
    """1.8 is 1.7999999523 there, and 17 pictures of 1000 are validation; 18 by 1.8 itself."""
    root = tmp_path / "kitti"
    for folder, extension in (("image_2", ".png"), ("label_2", ".txt")):
        (root / folder).mkdir(parents=True)
        for number in range(1000):
            (root / folder / f"{number:04d}{extension}").touch()
    made = converted(root, tmp_path, f"{RANDOM} num_shards: 0 val_split: 1.8", embed=False)
    assert made["pictures"].tolist() == [17, 983]


def test_a_slash_behind_the_folder_of_the_pictures_is_not_in_their_names_twice(tmp_path):
    root = kitti_folder(tmp_path / "kitti", {f"p{number}": line() for number in range(4)})
    folders = f'root_directory_path: "{root}" image_dir_name: "image_2/" label_dir_name: "label_2/"'
    made = spec.parse(f"kitti_config {{ {folders} {RANDOM} val_split: 25 num_shards: 0 }}", "dataset")
    convert_dataset(made, tmp_path / "set", workers=1)
    assert frames(tmp_path, "set-fold-000-of-002") == ["p0"]


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_sequences_are_dealt_longest_first_and_the_folds_reversed(tmp_path, partitions):
    lengths = {"c": 2, "a": 3, "b": 2, "e": 1, "d": 2}
    root = kitti_folder(
        tmp_path / "kitti",
        {f"{name}{number}": line() for name, count in lengths.items() for number in range(count)}
        | {"x": line()},
    )
    table = {name: [f"{name}{number}" for number in range(count)] for name, count in lengths.items()}
    (root / "map.json").write_text(json.dumps(table))
    text = (
        'partition_mode: "sequence" kitti_sequence_to_frames_file: "map.json" num_shards: 0 '
        f"num_partitions: {partitions}"
    )
    converted(root, tmp_path, text)
    # By hand: ordered a (3), b c d (2, by name), e (1).
    by_hand = {
        1: [["c0", "c1", "a0", "a1", "a2", "b0", "b1", "e0", "d0", "d1"]],  # the map's order
        2: [["b0", "b1", "d0", "d1"], ["a0", "a1", "a2", "c0", "c1", "e0"]],
        3: [["c0", "c1"], ["b0", "b1", "e0"], ["a0", "a1", "a2", "d0", "d1"]],
    }[partitions]
    generator = random.Random(42)
    for number, fold in enumerate(by_hand):
        generator.shuffle(fold)
        assert frames(tmp_path, f"set-fold-{number:03d}-of-{partitions:03d}") == fold


def test_frames_of_no_sequence_are_said_and_frames_without_picture_refused(tmp_path, small, caplog):
    text = 'partition_mode: "sequence" kitti_sequence_to_frames_file: "map.json"'
    (small / "map.json").write_text(json.dumps({"s": ["p1"], "t": ["p2"]}))
    with caplog.at_level(logging.WARNING, "detectnet"):
        made = converted(small, tmp_path, text)
    assert made["pictures"].sum() == 2
    assert "8 pictures are frames of no sequence" in caplog.text
    (small / "map.json").write_text(json.dumps({"s": ["p1", "q1", "q2"]}))
    with pytest.raises(UserError, match=r"convert\.cfg.*2 of 3 frames have no picture: q1, q2"):
        converted(small, tmp_path, text)
    (small / "map.json").write_text(json.dumps({"s": "p1"}))
    with pytest.raises(UserError, match=r"map\.json: not a map of sequences"):
        converted(small, tmp_path, text)
    with pytest.raises(UserError, match=r"kitti_sequence_to_frames_file: required"):
        converted(small, tmp_path, 'partition_mode: "sequence"')


def test_sorting_is_of_file_names_with_their_ending(tmp_path):
    """'-' sorts before '.', so a-1.png comes before a.png, though a sorts before a-1."""
    root = kitti_folder(tmp_path / "kitti", {"a": line(), "a-1": line()})
    converted(root, tmp_path, f"{RANDOM} val_split: 50 num_shards: 0")
    assert frames(tmp_path, "set-fold-000-of-002") == ["a-1"]


@pytest.mark.parametrize(("share", "kept"), [(0, range(10)), (100, range(10)), (5, range(10)), (99, None)])
def test_empty_folds_are_skipped_and_the_others_numbered_from_zero(tmp_path, small, share, kept, caplog):
    with caplog.at_level(logging.WARNING, "detectnet"):
        made = converted(small, tmp_path, f"{RANDOM} val_split: {share} num_shards: 0")
    assert ("1 of 2 folds are empty" in caplog.text) == (kept is not None)
    if kept is None:  # int(9.9) are validation
        assert made["pictures"].tolist() == [9, 1]
    else:
        assert made["shard"].tolist() == ["set-fold-000-of-002"]
        assert sorted(frames(tmp_path, "set-fold*")) == [f"p{number}" for number in kept]


def test_without_partition_mode_look_alikes_stay_together(tmp_path, caplog):
    root = kitti_folder(tmp_path / "kitti", {f"p{number:02d}": line() for number in range(20)}, size=(64, 48))
    for number in range(10):  # p10 is p00 once more, and so on
        Image.fromarray(scene(number, 64, 48)[:, ::-1]).save(root / "image_2" / f"p{number + 10:02d}.png")
    with caplog.at_level(logging.WARNING, "detectnet"):
        made = converted(root, tmp_path, "val_split: 30 num_shards: 0")
    assert made["pictures"].tolist() == [6, 14]
    validation = {int(stem[1:]) for stem in frames(tmp_path, "set-fold-000-of-002")}
    assert {number % 10 for number in validation} == {number for number in validation if number < 10}
    assert "leaks" not in caplog.text
    with caplog.at_level(logging.WARNING, "detectnet"):
        converted(root, tmp_path, f"{RANDOM} val_split: 30 num_shards: 0")
    # p00 to p05 are validation, their mirror images p10 to p15 training
    assert "12 of 20 pictures have a near-duplicate" in caplog.text
    assert "(6 groups)" in caplog.text


def test_frames_of_one_sequence_stay_together_too(tmp_path, small):
    (small / "map.json").write_text(json.dumps({"s": [f"p{number}" for number in range(5)]}))
    text = 'kitti_sequence_to_frames_file: "map.json" val_split: 50 num_shards: 0'
    converted(small, tmp_path, text)
    validation = frames(tmp_path, "set-fold-000-of-002")
    assert len(validation) == 5
    assert {int(stem[1:]) < 5 for stem in validation} in ({True}, {False})


@pytest.mark.parametrize(
    ("shards", "names"),
    [
        ("num_shards: 0", ["set-fold-000-of-002", "set-fold-001-of-002"]),
        (
            "num_shards: 2",
            [
                f"set-fold-{fold:03d}-of-002-shard-{number:05d}-of-00002"
                for fold in (0, 1)
                for number in (0, 1)
            ],
        ),
    ],
)
def test_names_of_files(tmp_path, small, shards, names):
    converted(small, tmp_path / "out", f"{RANDOM} val_split: 30 {shards}")
    assert names_in(tmp_path / "out") == sorted([*names, "set_warning.json"])


def test_record_files_of_an_earlier_conversion_are_removed_and_no_others(tmp_path, small):
    out = tmp_path / "out"
    converted(small, out, f"{RANDOM} val_split: 30 num_shards: 3")
    (out / "set-fold-notes.txt").write_text("mine")
    (out / "set2-fold-000-of-002").write_text("another set's")
    converted(small, out, f"{RANDOM} val_split: 30 num_shards: 0")
    assert names_in(out) == [
        "set-fold-000-of-002",
        "set-fold-001-of-002",
        "set-fold-notes.txt",
        "set2-fold-000-of-002",
        "set_warning.json",
    ]


def test_objects_without_a_whole_pixel_are_listed_and_the_picture_stays(tmp_path):
    text = line() + line(box=(10.2, 5, 10.9, 20)) + line(box=(30, 5, 20, 20)) + line(box=(10.9, 5, 11.1, 20))
    root = kitti_folder(tmp_path / "kitti", {"a": text, "b": "", "c": "\n"})
    made = converted(root, tmp_path, "num_shards: 0")
    assert (made["pictures"].sum(), made["objects"].sum()) == (3, 2)
    label = root / "label_2" / "a.txt"
    listed = json.loads((tmp_path / "set_warning.json").read_text())
    assert listed == {f"{label}_1": [10, 5, 10, 20], f"{label}_2": [30, 5, 20, 20]}
    boxes = {
        record.frame_id: record.boxes.tolist() for record in read_records([tmp_path / "set-fold-000-of-002"])
    }
    assert boxes["image_2/a"] == np.float32([[1.5, 2.25, 20, 15.75], [10.9, 5, 11.1, 20]]).tolist()
    assert boxes["image_2/b"] == boxes["image_2/c"] == []


def test_counts_and_class_map_are_told_as_nvidia_tells_them(tmp_path, caplog):
    root = kitti_folder(
        tmp_path / "kitti", {"a": line("Car") + line("DontCare"), "b": line("Car"), "c": line("Van"), "d": ""}
    )
    with caplog.at_level(logging.INFO, "detectnet"):
        converted(root, tmp_path, f"{RANDOM} val_split: 50 num_shards: 0")
    said = [message for record in caplog.records for message in record.getMessage().splitlines()]
    counts = "Wrote the following numbers of objects:"
    start = said.index(counts)
    assert [one for one in said[start:] if one.count(": ") == 1 and "pictures" not in one] == [
        "car: 2",
        "dontcare: 1",
        "van: 1",
        "car: 2",
        "dontcare: 1",
        "van: 1",
        "Label in GT: Label in tfrecords file",
        "Car: car",
        "DontCare: dontcare",
        "Van: van",
    ]
    assert said.count(counts) == 3


def test_a_result_file_is_named_as_one_and_all_damaged_labels_are_listed(tmp_path):
    root = kitti_folder(
        tmp_path / "kitti",
        {
            "a": line().strip() + " 0.87\n",
            "b": line("traffic light"),
            "c": line() + "car 0 0\n",
            "d": line().replace("1.5 2.25", "1.5 top"),
        },
    )
    with pytest.raises(UserError, match="4 of 4 pictures cannot be used") as caught:
        converted(root, tmp_path, "")
    said = str(caught.value)
    assert "a.txt:1: a line needs 15 columns, this one has 16 (the last one of 16 is a confidence" in said
    assert "this is a result file" in said
    assert "b.txt:1: a line needs 15 columns, this one has 16 (a class name with a space" in said
    assert "c.txt:2: a line needs 15 columns, this one has 3" in said
    assert "d.txt:1: columns 2 to 15 must be numbers" in said
    assert names_in(tmp_path) == ["kitti"]


def test_missing_label_files_are_listed(tmp_path):
    root = kitti_folder(tmp_path / "kitti", {f"p{number}": None for number in range(7)} | {"q": line()})
    with pytest.raises(
        UserError, match=r"label_2: 7 of 8 pictures have no label file: p0\.txt, .* and 2 more"
    ):
        converted(root, tmp_path, "")


def test_damaged_pictures_are_listed(tmp_path, small):
    (small / "image_2" / "p3.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 of 10 pictures cannot be used:\n.*p3\.png"):
        converted(small, tmp_path, "")


@pytest.mark.parametrize("given", ['image_extension: ".jpg"', 'image_extension: "jpg"'])
def test_the_extension_may_lack_its_dot(tmp_path, given, caplog):
    root = kitti_folder(tmp_path / "kitti", {"a": line()}, ".jpg")
    with caplog.at_level(logging.INFO, "detectnet"):
        assert converted(root, tmp_path, given)["pictures"].sum() == 1
    assert ("read as '.jpg'" in caplog.text) == (given == 'image_extension: "jpg"')


def test_another_extension_says_what_is_there(tmp_path, caplog):
    root = kitti_folder(tmp_path / "kitti", {"a": line(), "b": line()}, ".jpg")
    with pytest.raises(
        UserError, match=r"no picture ends in '\.png'; the folder .* holds 2 \.jpg.*absent one is"
    ):
        converted(root, tmp_path, "")
    Image.new("RGB", (8, 8)).save(root / "image_2" / "a.png")
    with caplog.at_level(logging.WARNING, "detectnet"):
        assert converted(root, tmp_path, "")["pictures"].sum() == 1
    assert "do not end in '.png' are left out: 2 .jpg" in caplog.text


def test_root_is_below_data_base_path(tmp_path, monkeypatch, small):
    monkeypatch.setenv("DATA_BASE_PATH", str(tmp_path))
    assert convert_dataset(kitti_spec("small"), tmp_path / "out/set", workers=1)["pictures"].sum() == 10
    with pytest.raises(UserError, match=r"root_directory_path: the folder 'smal' does not exist.*Looked for"):
        convert_dataset(kitti_spec("smal"), tmp_path / "out/set", workers=1)
    (small / "image_2").rename(small / "image_3")
    with pytest.raises(UserError, match=r"image_dir_name: .*image_2 does not exist.*Did you mean 'image_3'"):
        convert_dataset(kitti_spec("small"), tmp_path / "out/set", workers=1)


def test_a_fold_that_the_sample_modifier_empties_is_said(tmp_path, small, caplog):
    more = 'sample_modifier_config { filter_samples_containing_only: "car" }'
    with caplog.at_level(logging.WARNING, "detectnet"):
        made = converted(small, tmp_path, f"{RANDOM} val_split: 20 num_shards: 1", more, validation_fold=0)
    assert made.groupby("fold")["pictures"].sum().to_dict() == {"fold 0": 2, "fold 1": 0}
    assert "sample_modifier_config: fold 1 has no picture left" in caplog.text


def test_sample_modifier_needs_a_validation_fold_and_leaves_it_alone(tmp_path):
    texts = {f"p{number}": line("Car") if number % 2 else line("Van") for number in range(8)}
    root = kitti_folder(tmp_path / "kitti", texts)
    text, more = f"{RANDOM} val_split: 50 num_shards: 0", "sample_modifier_config {{ {} }}"
    with pytest.raises(UserError, match=r"validation fold must be known.*0 to 1.*-f"):
        converted(root, tmp_path, text, more.format("max_training_samples: 2"))
    made = converted(root, tmp_path, text, more.format("max_training_samples: 2"), validation_fold=0)
    assert made["pictures"].tolist() == [4, 2]
    made = converted(
        root, tmp_path, text, more.format('filter_samples_containing_only: "van"'), validation_fold=1
    )
    assert made["pictures"].tolist() == [2, 4]
    rare = 'dominant_target_classes: "van" num_duplicates: 2'
    made = converted(root, tmp_path, text, more.format(rare), validation_fold=0)
    assert made["pictures"].tolist() == [4, 2 + 2 * 3]


def test_any_number_of_workers_gives_the_same_bytes(tmp_path, small):
    for workers, out in ((1, tmp_path / "one"), (3, tmp_path / "three")):
        convert_dataset(kitti_spec(small, "val_split: 30 num_shards: 2"), out / "set", workers=workers)
    assert names_in(tmp_path / "one") == names_in(tmp_path / "three")
    for name in names_in(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_coco_partitions_keep_their_order_and_names_lose_spaces(tmp_path, caplog):
    root = coco_folder(
        tmp_path / "coco",
        {
            "val2017": {"z.png": [("Traffic Light", 1.5, 2, 10, 8)], "a.png": []},
            "train2017": {
                "m.png": [("Car", 0, 0, 5, 5), ("Traffic Light", 3, 4, 0.5, 9)],
                "b.png": [],
                "c.png": [],
            },
        },
    )
    with caplog.at_level(logging.INFO, "detectnet"):
        convert_dataset(
            coco_spec(root, ["val2017", "train2017"], "num_shards: 0 num_shards: 1"),
            tmp_path / "set",
            workers=1,
        )
    assert frames(tmp_path, "set-fold-000-of-002") == ["z", "a"]
    assert frames(tmp_path, "set-fold-001-of-002-shard-00000-of-00001") == ["m", "b", "c"]
    (first, _) = read_records([tmp_path / "set-fold-000-of-002"])
    assert (first.frame_id, first.names) == ("val2017/z", ["trafficlight"])
    assert first.boxes.tolist() == [[1.5, 2, 11.5, 10]]
    assert "Traffic Light: trafficlight" in caplog.text
    listed = json.loads((tmp_path / "set_warning.json").read_text())
    assert listed == {f"{root / 'train2017.json'}_m.png_1": [3, 4, 3, 13]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["categories"].pop(), "categories are not those of val.json: Van"),
        (lambda one: one["images"][0].update(file_name="none.png"), "1 pictures do not exist: .*none.png"),
        (lambda one: one["images"][0].pop("file_name"), r"images\[0\]: the entry lacks 'file_name'"),
        (
            lambda one: one["annotations"][0].update(category_id=99),
            r"annotation 0: no category has the id 99",
        ),
        (lambda one: one["annotations"][0].update(bbox=[1, 2, 3]), "annotation 0: bbox holds 3 numbers"),
        (lambda one: one["annotations"][0].update(image_id=55), "1 annotations are of pictures .* ids 55"),
    ],
)
def test_wrong_coco_files_are_named_with_their_entry(tmp_path, change, said):
    part = {"a.png": [("Car", 1, 2, 10, 8), ("Van", 1, 2, 10, 8)]}
    root = coco_folder(tmp_path / "coco", {"val": part, "train": part})
    content = json.loads((root / "train.json").read_text())
    change(content)
    (root / "train.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=said):
        convert_dataset(coco_spec(root, ["val", "train"]), tmp_path / "set", workers=1)


def test_look_alikes_in_two_coco_files_are_not_blamed_on_partition_mode(tmp_path, caplog):
    root = coco_folder(tmp_path / "coco", {"val": {"a.png": []}, "train": {"b.png": []}})
    (root / "train/b.png").write_bytes((root / "val/a.png").read_bytes())
    with caplog.at_level(logging.WARNING, "detectnet"):
        convert_dataset(coco_spec(root, ["val", "train"]), tmp_path / "set", workers=1)
    assert "this split leaks: 2 of 2" in caplog.text
    assert "put them into one annotation file" in caplog.text
    assert "partition_mode" not in caplog.text


@pytest.mark.parametrize(("percent", "said"), [("0.2", True), ("0", False), ("1", False), ("30", False)])
def test_a_fraction_as_val_split_is_said(tmp_path, small, caplog, percent, said):
    with caplog.at_level(logging.WARNING, "detectnet"):
        converted(small, tmp_path, f"{RANDOM} val_split: {percent} num_shards: 0")
    sentence = "convert.cfg:1 kitti_config.val_split: val_split is in percent: 0.2 is 0.2 %, 0 of 10 pictures"
    assert (sentence in caplog.text) is said
    assert ("in percent" in caplog.text) is said


def test_after_a_slash_the_names_begin_with_the_fold(tmp_path, small):
    convert_dataset(kitti_spec(small, f"{RANDOM} val_split: 20 num_shards: 0"), f"{tmp_path}/out/", workers=1)
    assert names_in(tmp_path / "out") == ["-fold-000-of-002", "-fold-001-of-002", "_warning.json"]
