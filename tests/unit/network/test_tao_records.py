"""Records as NVIDIA's converter writes them, without the pictures, are indexed and trained on."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import record_files

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.data_sources import entries_of
from detectnet.network.inputs import InputSettings, SampleOrder
from detectnet.network.picture_files import PictureFiles
from detectnet.network.plan import plan_of
from detectnet.network.predict import index_of
from detectnet.network.training import train

tf = record_files.tf
FLOATS = ("truncation", "observation_angle", *(f"world_bbox_{one}" for one in "hwlxyz"), "world_bbox_rot_y")
BOX = (10, 20, 58, 44)


def kitti(folder, grey, count=2, extension="png"):
    """A KITTI folder with pictures 000000, 000001 ... of one brightness."""
    (folder / "image_2").mkdir(parents=True)
    for number in range(count):
        made = np.full((96, 96, 3), grey, np.uint8)
        made[0, 0] = number
        cv2.imwrite(str(folder / "image_2" / f"{number:06d}.{extension}"), made)
    return folder


def convert(path, count=2, names=("plate",)):
    """Its records: every key of NVIDIA's, and no picture."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(count):
            data = record_files.example(f"image_2/{number:06d}", [BOX] * len(names), names, None)
            example = tf.train.Example.FromString(data)
            for key in FLOATS:
                example.features.feature[f"target/{key}"].float_list.value.extend([0.0] * len(names))
            example.features.feature["target/occlusion"].int64_list.value.extend([0] * len(names))
            assert "frame/encoded" not in example.features.feature
            writer.write(example.SerializeToString())
    return path


def experiment(sources, extension="png", more=""):
    """A spec with these (record files, folder)."""
    text = record_files.experiment(epochs="1", batch="2", extension=extension).to_text()
    start = text.index("  data_sources {")
    rest = text[text.index("}", start) + 2 :]
    made = "".join(
        f'data_sources {{ tfrecords_path: "{files}" image_directory_path: "{folder}" }}\n'
        for files, folder in sources
    )
    return spec.parse(text[:start] + made + more + rest, "experiment")


@pytest.fixture
def two_sources(tmp_path):
    """Two data sources whose pictures and records have the same names; one is dark, one bright."""
    return [
        (convert(tmp_path / name / "records" / "kitti-fold-001-of-002"), kitti(tmp_path / name / "set", grey))
        for name, grey in (("dark", 20), ("bright", 200))
    ]


@pytest.mark.parametrize("extension", ["png", ".png", ""])
def test_each_picture_comes_from_the_folder_of_its_own_data_source(two_sources, extension):
    made = experiment([(f"{path}*", folder) for path, folder in two_sources], extension)
    records = index_of(made, [path for path, _ in two_sources])
    middles = [frame.picture()[50, 50, 0] for frame in records.frames]
    assert middles == [20, 20, 200, 200]
    assert [frame.frame_id for frame in records.frames] == ["image_2/000000", "image_2/000001"] * 2


def test_a_shard_of_no_data_source_finds_its_pictures_where_only_one_folder_has_them(tmp_path):
    folder, shard = kitti(tmp_path / "set", 30), convert(tmp_path / "elsewhere" / "kitti-fold-000-of-002")
    records = index_of(experiment([("none*", tmp_path), ("nothing*", folder)]), [shard])
    assert {frame.file.parent.parent for frame in records.frames} == {folder}


def test_a_picture_that_could_come_from_two_folders_is_not_guessed(two_sources, tmp_path):
    made = experiment([("none*", folder) for _, folder in two_sources])
    with pytest.raises(UserError, match="several files could be it") as caught:
        index_of(made, [two_sources[0][0]])
    for _, folder in two_sources:
        assert str(folder) in str(caught.value)


def test_pictures_that_are_not_found_are_counted_and_the_right_extension_is_named(tmp_path):
    folder, shard = kitti(tmp_path, 30), convert(tmp_path / "kitti-fold-001-of-002", count=5)
    with pytest.raises(UserError, match="5 of 5 records hold no picture") as caught:
        index_of(experiment([(shard, folder)], "jpg"), [shard])
    assert 'image_extension: "png"' in str(caught.value)
    assert str(folder / "image_2" / "000000.jpg") in str(caught.value)
    with pytest.raises(UserError, match="3 of 5 records"):
        index_of(experiment([(shard, folder)], "png"), [shard])


def test_relative_folders_start_from_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_BASE_PATH", str(tmp_path))
    kitti(tmp_path / "set", 30)
    shard = convert(tmp_path / "records" / "kitti-fold-001-of-002")
    records = index_of(experiment([("records/kitti*", "set")]), [shard])
    assert len(records) == 2


def test_a_changed_picture_file_changes_the_digest(tmp_path):
    folder, shard = kitti(tmp_path, 30), convert(tmp_path / "kitti-fold-001-of-002")
    made = experiment([(shard, folder)])
    before = index_of(made, [shard]).digest
    assert index_of(made, [shard]).digest == before
    cv2.imwrite(str(folder / "image_2" / "000001.png"), np.zeros((96, 96, 3), np.uint8))
    assert index_of(made, [shard]).digest != before


def test_objects_without_a_target_class_are_kept_for_masks(tmp_path):
    folder = kitti(tmp_path, 30)
    shard = convert(tmp_path / "kitti-fold-001-of-002", names=("dontcare", "plate"))
    frame = index_of(experiment([(shard, folder)]), [shard]).frames[0]
    assert (frame.names, frame.other_names) == (("plate",), ("dontcare",))
    assert frame.boxes.tolist() == frame.other_boxes.tolist() == [list(BOX)]
    assert frame.other_boxes.dtype == np.float32


@pytest.mark.slow
def test_two_steps_are_trained_on_them(two_sources, tmp_path):
    made = experiment([(f"{path}*", folder) for path, folder in two_sources], ".png")
    held_out = convert(tmp_path / "more" / "kitti-fold-000-of-002", count=1)
    folder = kitti(tmp_path / "more" / "set", 90, count=1)
    more = f'data_sources {{ tfrecords_path: "{held_out}" image_directory_path: "{folder}" }}\n'
    made = experiment([(f"{path}*", folder) for path, folder in two_sources], ".png", more)
    train(made, [path for path, _ in two_sources], [held_out], tmp_path / "out")
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["steps"] == 2
    assert provenance["records"]["training"]["objects"] == 4
    causes = [one["cause"] for one in provenance["preflight"]]
    assert causes == []  # all of them hold a 000000, of their own


def drawn(made, shards):
    """Pictures of each shard in 100 epochs of uniform sampling."""
    records = index_of(made, shards)
    order = SampleOrder(records, seed=1, uniform=InputSettings.from_spec(made).uniform)
    numbers = [order.frame(number) for number in range(100 * len(records))]
    found = Counter(records.frames[number].shard for number in numbers)
    return [found[shard] for shard in shards]


@pytest.mark.parametrize("pattern", ["kitti*", "*"])
def test_uniform_sampling_goes_by_the_data_source_and_not_by_its_prefix(tmp_path, pattern):
    sources = [
        (
            convert(tmp_path / name / "kitti-fold-001-of-002", count),
            kitti(tmp_path / name / "set", grey, count),
        )
        for name, grey, count in (("dark", 20, 2), ("bright", 200, 6))
    ]
    shards = [path for path, _ in sources]
    two = [(path.with_name(pattern), folder) for path, folder in sources]
    assert drawn(experiment(two, more="sampling_mode: UNIFORM\n"), shards) == [400, 400]
    other = convert(tmp_path / "dark" / "more-fold-001-of-002", 2)
    one = [(tmp_path / "dark" / "[km]*", tmp_path / "dark" / "set")]
    assert drawn(experiment(one, more="sampling_mode: UNIFORM\n"), [shards[0], other]) == [200, 200]
    unlike = convert(tmp_path / "dark" / "many-fold-001-of-002", 1)
    assert drawn(experiment(one, more="sampling_mode: UNIFORM\n"), [other, unlike]) == [200, 100]


@pytest.mark.parametrize(("mode", "trainings"), [("UNIFORM", 2), ("PROPORTIONAL", 1)])
def test_what_is_drawn_together_decides_whether_a_training_is_the_same(tmp_path, mode, trainings):
    folder = kitti(tmp_path / "set", 20)
    shards = [convert(tmp_path / f"{name}-fold-001-of-002") for name in "abc"]
    identities = set()
    for patterns in (("[ab]*", "c*"), ("a*", "[bc]*")):
        sources = [(tmp_path / pattern, folder) for pattern in patterns]
        made = experiment(sources, more=f"sampling_mode: {mode}\n")
        identities.add(plan_of(made, index_of(made, shards), None, None).identity)
    assert len(identities) == trainings


@pytest.mark.parametrize(
    ("patterns", "entries"),
    [
        (("/data/a/*", "/data/b/*"), (1,)),
        (("a/kitti*", "b/kitti*"), (1,)),
        (("/elsewhere/kitti-fold-*", "/elsewhere/cars*"), (0,)),
        (("/elsewhere/kitti*", "/other/kitti*"), (0, 1)),
        (("b/*", "/data/b/kitti*"), (1,)),
        (("/data/*/kitti*", "/data/b/*"), (0, 1)),
        (("none", ""), ()),
    ],
)
def test_the_whole_path_decides_before_its_end_and_that_before_the_name(patterns, entries):
    assert entries_of(Path("/data/b/kitti-fold-001-of-002"), patterns) == entries


def test_the_data_folder_counts_for_the_path(monkeypatch):
    monkeypatch.setenv("DATA_BASE_PATH", "/data/b")
    assert entries_of(Path("/data/b/c/kitti-fold-001-of-002"), ("kitti*", "c/*", "b/c/*")) == (1,)


def test_the_folders_of_a_shard_are_looked_up_once(two_sources, monkeypatch):
    made = experiment([(f"{path}*", folder) for path, folder in two_sources])
    files, shard = PictureFiles(made.dataset_config), two_sources[0][0]
    asked = []
    inner = Path.resolve
    assert files.find(shard, "image_2/000000")
    monkeypatch.setattr(Path, "resolve", lambda path: asked.append(path) or inner(path))
    assert all(files.find(shard, "image_2/000001") for _ in range(10))
    assert not asked
