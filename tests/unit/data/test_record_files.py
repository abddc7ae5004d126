"""Which record files ``dataset_config`` chooses, on NVIDIA's names."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from detectnet.data.data_root import located
from detectnet.data.record_files import chosen_files, files_of
from detectnet.errors import UserError
from detectnet.spec import Message
from detectnet.spec.build import Builder
from detectnet.spec.schema_data import DATASET_CONFIG
from detectnet.spec.text import read

SHARD = "{}-fold-{:03d}-of-002-shard-{:05d}-of-00002"
ONE_CLASS = 'target_class_mapping { key: "car" value: "car" } image_extension: "png"'


def config(text: str) -> Message:
    """``dataset_config`` with this text, read on its own from an experiment spec."""
    tree, problems = read(f"{text} {ONE_CLASS}")
    builder = Builder(DATASET_CONFIG, "spec.cfg")
    message = builder.build(tree)
    assert not problems
    assert not builder.problems
    return message


def source(pattern: object) -> str:
    return f'data_sources {{ tfrecords_path: "{pattern}" image_directory_path: "/pictures" }}'


def shards(folder: Path, name: str = "set", folds: tuple[int, ...] = (0, 1)) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [SHARD.format(name, fold, number) for fold in folds for number in (0, 1)]
    for one in names:
        (folder / one).write_bytes(b"")
    return names


def names_of(files: list[Path]) -> list[str]:
    return [file.name for file in files]


def test_the_fold_in_the_name_decides(tmp_path):
    names = shards(tmp_path)
    training, validation = chosen_files(config(f"{source(tmp_path / '*')} validation_fold: 0"))
    assert (names_of(training), names_of(validation)) == (names[2:], names[:2])
    training, validation = chosen_files(config(f"{source(tmp_path / '*')} validation_fold: 1"))
    assert (names_of(training), names_of(validation)) == (names[:2], names[2:])


def test_a_folder_named_like_a_fold_decides_nothing(tmp_path):
    """Other than TAO, which looks for the text in the whole path and would validate on all of them."""
    folder = tmp_path / "fold-000-of-002"
    names = shards(folder)
    training, validation = chosen_files(config(f"{source(folder / '*')} validation_fold: 0"))
    assert (names_of(training), names_of(validation)) == (names[2:], names[:2])


def test_fold_ten_is_not_fold_one(tmp_path):
    shards(tmp_path, folds=(1, 10))
    training, validation = chosen_files(config(f"{source(tmp_path / '*')} validation_fold: 1"))
    assert names_of(validation) == [SHARD.format("set", 1, number) for number in (0, 1)]
    assert names_of(training) == [SHARD.format("set", 10, number) for number in (0, 1)]


def test_all_sources_give_to_both_and_overlapping_globs_count_once(tmp_path):
    first, second = shards(tmp_path / "a", "a"), shards(tmp_path / "b", "b")
    patterns = (tmp_path / "b" / "*", tmp_path / "a" / "*", tmp_path / "*" / "a-fold-001*")
    text = " ".join(source(pattern) for pattern in patterns)
    training, validation = chosen_files(config(f"{text} validation_fold: 0"))
    assert names_of(training) == second[2:] + first[2:]
    assert names_of(validation) == second[:2] + first[:2]


def test_a_validation_source_is_taken_whole(tmp_path):
    first, second = shards(tmp_path / "a", "a"), shards(tmp_path / "b", "b")
    other = source(tmp_path / "b" / "*").replace("data_sources", "validation_data_source")
    training, validation = chosen_files(config(f"{source(tmp_path / 'a' / '*')} {other}"))
    assert (names_of(training), names_of(validation)) == (first, second)


@pytest.mark.parametrize("last", ["validation_fold", "validation_data_source"])
def test_of_both_ways_the_last_one_counts(tmp_path, last):
    first, second = shards(tmp_path / "a", "a"), shards(tmp_path / "b", "b")
    ways = [
        "validation_fold: 1",
        source(tmp_path / "b" / "*").replace("data_sources", "validation_data_source"),
    ]
    ways.sort(key=lambda way: way.startswith(last))
    training, validation = chosen_files(config(f"{source(tmp_path / 'a' / '*')} \n" + "\n".join(ways)))
    by_fold = last == "validation_fold"
    assert names_of(training) == (first[:2] if by_fold else first)
    assert names_of(validation) == (first[2:] if by_fold else second)


def test_without_a_validation_field_all_is_training(tmp_path):
    names = shards(tmp_path)
    training, validation = chosen_files(config(source(tmp_path / "*")))
    assert (names_of(training), validation) == (names, [])


@pytest.mark.parametrize(("fold", "what"), [(0, "left to train on"), (3, "left to validate on")])
def test_an_empty_side_is_said(tmp_path, caplog, fold, what):
    shards(tmp_path, folds=(0,))  # what a conversion with val_split 0 or 100 leaves
    with caplog.at_level(logging.WARNING, "detectnet"):
        files = chosen_files(config(f"{source(tmp_path / '*')} validation_fold: {fold}"))
    assert sorted(map(len, files)) == [0, 2]
    assert what in caplog.text
    assert "spec.cfg:1" in caplog.text


def test_lists_beside_the_shards_are_no_records(tmp_path):
    names = shards(tmp_path)
    for other in ("set_warning.json", "set.manifest.csv"):
        (tmp_path / other).write_text("")
    (tmp_path / "events").mkdir()
    assert names_of(chosen_files(config(source(tmp_path / "*")))[0]) == names


def test_a_glob_without_a_file_is_named_with_its_line(tmp_path):
    with pytest.raises(UserError, match=r"spec\.cfg:1 .*tfrecords_path: no record file matches.*nothing"):
        chosen_files(config(source(tmp_path / "nothing*")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"It is a folder: write '.*empty/\*'"):
        chosen_files(config(source(tmp_path / "empty/")))


def test_relative_paths_are_below_data_base_path_then_here(tmp_path, monkeypatch, caplog):
    (data_source,) = config(source("records/*")).data_sources
    here = tmp_path / "here"
    shards(here / "records", "here")
    monkeypatch.chdir(here)
    monkeypatch.setenv("DATA_BASE_PATH", str(tmp_path / "base"))
    with caplog.at_level(logging.INFO, "detectnet"):
        assert files_of(data_source)[0].name.startswith("here-")
        files_of(data_source)
    said = (
        f"records/*: taken from the working directory {here}, because there is no {tmp_path}/base/records/*"
    )
    assert caplog.text.count(said) == caplog.text.count("taken from") == 1
    shards(tmp_path / "base" / "records", "base")
    assert files_of(data_source)[0].name.startswith("base-")
    monkeypatch.delenv("DATA_BASE_PATH")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    shards(tmp_path / "home" / "datasets" / "records", "home")
    assert files_of(data_source)[0].name.startswith("home-")


def test_a_path_of_a_spec_is_located(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA_BASE_PATH", "")  # as good as none
    assert located("/somewhere") == Path("/somewhere")
    assert located("~/pictures") == tmp_path / "pictures"
    assert located("kitti") == tmp_path / "datasets" / "kitti"
