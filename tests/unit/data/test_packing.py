"""Packing a source: who stands in which shard, in which order, and what is told about it."""

import csv
import hashlib
import json
import logging

import numpy as np
import pytest
from staged import kitti_source, scene

from detectnet import spec
from detectnet.data import kitti
from detectnet.data.packing import list_shards, pack_source, plan
from detectnet.data.resizing import letterbox_source
from detectnet.data.tfrecord import read_records, read_shard
from detectnet.errors import UserError

HEAD = 'root_directory_path: "/x" image_dir_name: "images" label_dir_name: "labels" image_extension: ".jpg"'


def dataset(text="num_partitions: 2 num_shards: 3", more=""):
    return spec.parse(f"kitti_config {{ {HEAD} {text} }} {more}", "dataset")


@pytest.fixture(scope="module")
def resized(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packing")
    pictures = {
        f"p{index:02d}.jpg": (scene(index, 64, 48), [(1.0, 2.0, 11.0 + index, 22.0)] * (index % 3), "")
        for index in range(12)
    }
    letterbox_source(kitti_source(folder / "kitti", pictures), folder / "src", 64, 64, workers=1)
    return folder / "src" / "manifest.csv"


@pytest.fixture
def inputs(resized, tmp_path):
    """The first five names are validation; out is empty."""
    lines = [
        f"images/p{index:02d}.jpg,src,g,{'validation' if index < 5 else 'training'}" for index in range(12)
    ]
    path = tmp_path / "split.csv"
    path.write_text("\n".join(["image,source,group,fold", *lines]) + "\n")
    return resized, path, tmp_path / "records"


def stems(shards, fold):
    return [
        one.frame_id.removeprefix("images/")
        for shard in shards
        if shard.fold == fold
        for one in shard.pictures
    ]


def folder_bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_random_mode_has_nvidias_order(inputs):
    """Both lists shuffled twice, in turn, by Python's generator with seed 42; worked out apart."""
    shards = plan(inputs[0], inputs[1], dataset('num_shards: 2 partition_mode: "random"'), inputs[2], "src")
    assert stems(shards, "validation") == ["p01", "p02", "p03", "p04", "p00"]
    assert stems(shards, "training") == ["p10", "p05", "p07", "p06", "p11", "p08", "p09"]


def test_other_modes_shuffle_once(inputs):
    shards = plan(inputs[0], inputs[1], dataset(), inputs[2], "src")
    assert stems(shards, "validation") == ["p03", "p01", "p02", "p04", "p00"]
    assert stems(shards, "training") == ["p09", "p08", "p07", "p05", "p10", "p11", "p06"]


def test_shards_have_nvidias_names_and_sizes(inputs):
    shards = plan(inputs[0], inputs[1], dataset(), inputs[2], "src")
    assert [(shard.path.name, len(shard.pictures)) for shard in shards] == [
        ("src-fold-000-of-002-shard-00000-of-00003", 1),
        ("src-fold-000-of-002-shard-00001-of-00003", 1),
        ("src-fold-000-of-002-shard-00002-of-00003", 3),
        ("src-fold-001-of-002-shard-00000-of-00003", 2),
        ("src-fold-001-of-002-shard-00001-of-00003", 2),
        ("src-fold-001-of-002-shard-00002-of-00003", 3),
    ]
    few = plan(inputs[0], inputs[1], dataset("num_shards: 20"), inputs[2], "src")
    assert [len(shard.pictures) for shard in few if shard.fold == "validation"] == [0] * 19 + [5]
    whole = plan(inputs[0], inputs[1], dataset("num_shards: 0"), inputs[2], "src")
    assert [shard.path.name for shard in whole] == ["src-fold-000-of-002", "src-fold-001-of-002"]


def test_records_hold_the_labels_and_the_picture_files(inputs):
    made = pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)
    root = inputs[0].parent
    found = {}
    for row in made.itertuples():
        for record in read_records([inputs[2] / row.shard]):
            assert record.encoded == (root / f"{record.frame_id}.jpg").read_bytes()
            assert (record.source, record.width, record.height) == ("src", 64, 64)
            found[record.frame_id] = record.boxes.tolist()
    assert len(found) == 12
    for frame_id, boxes in found.items():
        path = root / f"{frame_id.replace('images', 'labels')}.txt"
        assert boxes == [list(label.box) for label in kitti.read_labels(path)]


def test_same_bytes_for_one_and_two_workers_and_for_shards_apart(inputs, tmp_path):
    pack_source(*inputs[:2], dataset(), tmp_path / "one", "src", workers=1)
    pack_source(*inputs[:2], dataset(), tmp_path / "two", "src", workers=2)
    for number in (2, 0, 1):
        assert (
            pack_source(*inputs[:2], dataset(), tmp_path / "apart", "src", workers=1, only=[number]) is None
        )
    list_shards(*inputs[:2], dataset(), tmp_path / "apart", "src", workers=1)
    assert (
        folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two") == folder_bytes(tmp_path / "apart")
    )


def test_manifest_counts_what_is_in_the_files(inputs):
    pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)
    with (inputs[2] / "src.manifest.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["shard", "fold", "pictures", "objects", "bytes", "sha256"]
    for row in rows:
        data = (inputs[2] / row["shard"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (int(row["bytes"]), row["sha256"])
        records = list(read_shard(inputs[2] / row["shard"]))
        assert len(records) == int(row["pictures"])
        assert sum(len(one["target/object_class"]) for one in records) == int(row["objects"])
    assert sum(int(row["pictures"]) for row in rows if row["fold"] == "validation") == 5
    assert sum(int(row["objects"]) for row in rows) == 12


def test_counts_are_told_as_nvidia_tells_them(inputs, caplog):
    with caplog.at_level(logging.INFO, "detectnet"):
        pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("Wrote the following numbers of objects:") == 3
    assert [line for line in lines if line.startswith("plate: ") and line != "plate: plate"] == [
        "plate: 4",
        "plate: 8",
        "plate: 12",
    ]
    assert any("Label in GT: Label in tfrecords file" in line for line in lines)


def test_labels_without_a_whole_pixel_are_left_out_and_listed(inputs, tmp_path):
    thin = [
        kitti.Label("plate", box=(10.2, 5.0, 10.9, 20.0)),  # int: 10 < 10 is false
        kitti.Label("plate", box=(10.9, 5.0, 11.1, 20.0)),  # 10 < 11
        kitti.Label("plate", box=(1.0, 7.9, 9.0, 7.95)),
    ]
    source = kitti_source(tmp_path / "kitti", {"a.jpg": (scene(1, 64, 64), [], "")})
    kitti.write_labels(source.parent / "labels/a.txt", thin)
    inputs[1].write_text("image,source,group,fold\nimages/a.jpg,src,g,training\n")
    pack_source(source, inputs[1], dataset("num_shards: 1"), inputs[2], "src", workers=1)
    (record,) = read_records([inputs[2] / "src-fold-001-of-002-shard-00000-of-00001"])
    np.testing.assert_array_equal(
        record.boxes, np.float32([[10.9, 5, 11.1, 20]])
    )  # kept as they are, not cut
    listed = json.loads((inputs[2] / "src_warning.json").read_text())
    assert listed == {"labels/a.txt_0": [10, 5, 10, 20], "labels/a.txt_2": [1, 7, 9, 7]}


def test_excluded_pictures_are_in_no_record(inputs):
    text = inputs[1].read_text()
    inputs[1].write_text(text.replace("p03.jpg,src,g,validation", "p03.jpg,src,g,excluded"))
    made = pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)
    assert made["pictures"].sum() == 11


def test_an_empty_fold_is_written_as_empty_shards(inputs):
    inputs[1].write_text(inputs[1].read_text().replace("validation", "training"))
    made = pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)
    assert made["pictures"].tolist() == [0, 0, 0, 4, 4, 4]
    assert (inputs[2] / "src-fold-000-of-002-shard-00000-of-00003").read_bytes() == b""


def test_shards_of_another_count_are_removed_and_other_sources_stay(inputs):
    inputs[2].mkdir()
    (inputs[2] / "src2-fold-000-of-002-shard-00000-of-00005").write_bytes(b"")
    pack_source(*inputs[:2], dataset("num_shards: 5"), inputs[2], "src", workers=1)
    pack_source(*inputs[:2], dataset("num_shards: 1"), inputs[2], "src", workers=1)
    assert sorted(path.name for path in inputs[2].iterdir()) == [
        "src-fold-000-of-002-shard-00000-of-00001",
        "src-fold-001-of-002-shard-00000-of-00001",
        "src.manifest.csv",
        "src2-fold-000-of-002-shard-00000-of-00005",
        "src_warning.json",
    ]


def test_sample_modifier_acts_on_training_only(inputs):
    def packed(text):
        shards = plan(*inputs[:2], dataset(more=f"sample_modifier_config {{ {text} }}"), inputs[2], "src")
        return stems(shards, "validation"), stems(shards, "training")

    validation, training = packed("")
    # plates in p05..p11: 2 0 1 2 0 1 2
    bare = [stem for stem in training if stem in ("p06", "p09")]
    assert packed('filter_samples_containing_only: "plate"') == (validation, bare)
    assert packed("max_training_samples: 3") == (validation, training[:3])
    doubled = [stem for stem in training for _ in range(1 if stem in bare else 3)]
    assert packed('dominant_target_classes: "car" num_duplicates: 2') == (validation, doubled)
    assert packed('dominant_target_classes: "plate" num_duplicates: 2') == (validation, training)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("images/p07.jpg,src", "images/p07.jpg,other"), "1 pictures of 'src'.*p07"),
        (lambda text: text.replace("training", "test"), "no fold 'test'"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(inputs, change, message):
    inputs[1].write_text(change(inputs[1].read_text()))
    with pytest.raises(UserError, match=message):
        pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)


def test_other_mistakes_are_named(inputs):
    with pytest.raises(UserError, match="holds the source 'src', not 'source'"):
        pack_source(*inputs[:2], dataset(), inputs[2], "source", workers=1)
    with pytest.raises(UserError, match=r"no shard 3.*0 to 2"):
        pack_source(*inputs[:2], dataset(), inputs[2], "src", only=[3])


def test_the_rules_have_two_partitions(inputs):
    three = dataset('num_partitions: 3 partition_mode: "sequence" kitti_sequence_to_frames_file: "m.json"')
    with pytest.raises(UserError, match=r"kitti_config: 3 partitions.*2 here"):
        plan(*inputs[:2], three, inputs[2], "src")


def test_a_shard_of_another_split_is_not_listed(inputs):
    pack_source(*inputs[:2], dataset(), inputs[2], "src", workers=1)
    inputs[1].write_text(inputs[1].read_text().replace("validation", "training"))
    with pytest.raises(UserError, match="another split or spec"):
        list_shards(*inputs[:2], dataset(), inputs[2], "src", workers=1)


def test_a_missing_picture_is_named_from_any_process(inputs, tmp_path):
    source = kitti_source(tmp_path / "kitti", {"a.jpg": (scene(1, 64, 64), [], "")})
    inputs[1].write_text("image,source,group,fold\nimages/a.jpg,src,g,training\n")
    (source.parent / "images/a.jpg").unlink()
    with pytest.raises(UserError, match=r"a\.jpg: the picture cannot be read.*make that list again"):
        pack_source(source, inputs[1], dataset(), inputs[2], "src", workers=2)


def test_sample_modifier_takes_class_names_in_any_case(inputs):
    def packed(text):
        shards = plan(*inputs[:2], dataset(more=f"sample_modifier_config {{ {text} }}"), inputs[2], "src")
        return stems(shards, "training")

    everything = packed("")
    bare = [stem for stem in everything if stem in ("p06", "p09")]
    assert packed('filter_samples_containing_only: "Plate"') == bare
    assert packed('dominant_target_classes: "PLATE" num_duplicates: 2') == everything
    renamed = 'source_to_target_class_mapping { key: "Plate" value: "Sign" }'
    assert packed(f'{renamed} filter_samples_containing_only: "sign"') == bare
    ratio = 'minimum_target_class_imbalance { key: "Plate" value: 0.5 }'
    # A picture without any dominant object has 0 < count plates, so each with plates comes twice.
    twice = [stem for stem in everything for _ in range(1 if stem in bare else 2)]
    assert packed(f'dominant_target_classes: "Car" num_duplicates: 1 {ratio}') == twice
