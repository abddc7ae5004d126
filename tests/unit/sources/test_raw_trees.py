"""What a folder holds, asked again and again: nothing is read twice, and nothing escapes."""

import json
import os

import pytest

from detectnet.sources import trees


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "raw"
    (made / "labels").mkdir(parents=True)
    (made / "labels" / "a.txt").write_text("plate 1")
    (made / "b.jpg").write_bytes(b"\xff\xd8")
    return made


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


def test_files_are_counted_and_hashed(folder):
    found = trees.describe(folder)
    assert (found["files"], found["bytes"]) == (2, 9)
    assert found["content"] == trees.content(folder, folder.parent / "memory")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "labels" / "a.txt").write_text("plate 2"),
        lambda folder: (folder / "labels" / "a.txt").rename(folder / "labels" / "c.txt"),
        lambda folder: (folder / "new.txt").write_text(""),
        lambda folder: (folder / "b.jpg").unlink(),
    ],
    ids=["edited", "renamed", "added", "removed"],
)
def test_every_change_is_seen(folder, memory, change):
    before = trees.content(folder, memory)
    change(folder)
    assert trees.content(folder, memory) != before


def test_an_edit_of_the_same_size_with_its_time_set_back_is_seen(folder, memory):
    path = folder / "labels" / "a.txt"
    before, state = trees.content(folder, memory), path.stat()
    path.write_text("plate 7")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    assert trees.content(folder, memory) != before


def test_a_copy_holds_the_same(folder, memory, tmp_path):
    before = trees.content(folder, memory)
    copy = tmp_path / "copy"
    (copy / "labels").mkdir(parents=True)
    for name in ("b.jpg", "labels/a.txt"):
        (copy / name).write_bytes((folder / name).read_bytes())
    assert trees.content(copy, memory) == before


def test_unchanged_files_are_not_read_again(folder, memory, monkeypatch):
    before = trees.content(folder, memory)

    def read(path):
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(trees, "sha256", read)
    assert trees.content(folder, memory) == before


def test_a_folder_that_went_away_is_remembered(folder, memory, tmp_path):
    before = trees.content(folder, memory)
    folder.rename(tmp_path / "elsewhere")
    assert trees.content(folder, memory) == before
    assert trees.content(tmp_path / "never there", memory) == ""


def test_a_raw_folder_deviates_from_its_note_only_when_changed(folder, memory):
    assert trees.deviation(folder, memory) == ""
    (folder / "source.json").write_text(json.dumps(trees.describe(folder)))
    assert trees.deviation(folder, memory) == ""
    (folder / "labels" / "a.txt").write_text("plate 2")
    assert trees.deviation(folder, memory) == trees.describe(folder)["content"]
