from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_sources import CONTENT, archived, files_of, names_in, save, tar, text, voc, zip_

from detectnet.errors import UserError
from detectnet.sources.convert import convert
from detectnet.sources.fetch import fetch

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["made.tar", "made.tar.gz", "made.tgz", "made.tar.xz", "made.zip"])
def test_an_archive_at_the_mirror(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mirror" / name
    if name.endswith("zip"):
        zip_(path, CONTENT)
    else:
        mode = {"tar": "w", "tgz": "w:gz"}.get(path.suffix[1:], f"w:{path.suffix[1:]}")
        tar(path, list(CONTENT.items()), mode)
    raw = tmp_path / "raw/made"
    raw.mkdir(parents=True)  # Snakemake makes the folders of its outputs
    note = fetch(archived(path), raw, str(tmp_path / "mirror"), tmp_path / "archives")
    assert files_of(raw) == {"images/a#1 =b.jpg": b"picture", "LICENSE": b"free"}
    assert json.loads((raw / "source.json").read_text()) == note
    assert {key: note[key] for key in ("source", "place", "archive", "files", "bytes")} == {
        "source": "made",
        "place": "archive",
        "archive": name,
        "files": 2,
        "bytes": 11,
    }
    assert names_in(tmp_path / "raw") == ["made"]


def test_a_wrong_hash_says_both(tmp_path: Path) -> None:
    path = tar(tmp_path / "mirror/made.tar", list(CONTENT.items()))
    declared = archived(path)
    actual = declared["archive"]["sha256"]
    declared["archive"]["sha256"] = "0" * 64
    with pytest.raises(UserError, match=f"sha256 is {actual}, sources.made.archive.sha256 is {'0' * 64}"):
        fetch(declared, tmp_path / "raw/made", str(path.parent), tmp_path / "archives")
    assert not (tmp_path / "raw/made").exists()


def test_a_missing_archive_says_all_places(tmp_path: Path) -> None:
    declared = {"archive": {"name": "made.tar", "sha256": "0" * 64, "url": (tmp_path / "u.tar").as_uri()}}
    (tmp_path / "mirror").mkdir()
    with pytest.raises(UserError) as caught:
        fetch(declared, tmp_path / "raw/made", str(tmp_path / "mirror"), tmp_path / "archives")
    said = str(caught.value)
    for place in (tmp_path / "archives/made.tar", tmp_path / "mirror/made.tar", tmp_path / "u.tar"):
        assert str(place) in said


def test_a_folder_is_copied_and_its_content_is_in_the_note(tmp_path: Path) -> None:
    save(tmp_path / "mine/a.jpg")
    declared = {"adapter": "folder", "licence": "mine", "folder": str(tmp_path / "mine")}
    first = fetch(declared, tmp_path / "raw/made")
    assert (tmp_path / "raw/made/a.jpg").stat().st_ino != (tmp_path / "mine/a.jpg").stat().st_ino
    assert fetch(declared, tmp_path / "raw/made") == first
    text(tmp_path / "mine/a.txt", "new")
    second = fetch(declared, tmp_path / "raw/made")
    assert second["content"] != first["content"]
    assert second["files"] == 2


def test_places_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        fetch({"folder": str(tmp_path / "none")}, tmp_path / "raw/made")
    with pytest.raises(UserError, match="folder, archive, upstream"):
        fetch({"adapter": "voc"}, tmp_path / "raw/made")


def test_a_place_without_files_is_said_when_it_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "mine/images").mkdir(parents=True)
    with pytest.raises(UserError, match=f"sources.made: there are no files in it: folder {tmp_path}/mine"):
        fetch({"folder": str(tmp_path / "mine")}, tmp_path / "raw/made")
    assert not (tmp_path / "raw/made").exists()


def test_raw_folders_that_are_not_there_or_empty(tmp_path: Path) -> None:
    declared = {"adapter": "voc", "classes": {"a": "plate"}}
    with pytest.raises(UserError, match=r"none: the folder of the raw source does not exist"):
        convert(declared, tmp_path / "none", tmp_path / "kitti/made", 1)
    text(tmp_path / "raw/made/source.json", "{}")
    with pytest.raises(UserError, match="the source made holds no files"):
        convert(declared, tmp_path / "raw/made", tmp_path / "kitti/made", 1)
    assert not (tmp_path / "kitti").exists()


def test_a_wrong_hash_names_its_field_where_another_place_stands_in(tmp_path: Path, caplog) -> None:
    path = tar(tmp_path / "mirror/made.tar", list(CONTENT.items()))
    declared = archived(path)
    declared["archive"]["sha256"] = "0" * 64
    declared["upstream"] = {"git": "none", "commit": "0" * 40, "files": str(tmp_path / "list")}
    with caplog.at_level("WARNING", logger="detectnet"), pytest.raises(UserError, match="list of files"):
        fetch(declared, tmp_path / "raw/made", str(path.parent), tmp_path / "archives")
    assert f"sources.made.archive.sha256 is {'0' * 64}" in caplog.text


def test_a_failed_fetch_leaves_the_earlier_files(tmp_path: Path) -> None:
    save(tmp_path / "mine/a.jpg")
    fetch({"folder": str(tmp_path / "mine")}, tmp_path / "raw/made")
    bad = tar(tmp_path / "mirror/made.tar", [("../evil", b"x")])
    with pytest.raises(UserError):
        fetch(archived(bad), tmp_path / "raw/made", str(bad.parent), tmp_path / "archives")
    assert sorted(files_of(tmp_path / "raw/made")) == ["a.jpg"]
    assert (tmp_path / "raw/made/source.json").exists()
    assert names_in(tmp_path / "raw") == ["made"]


def _script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_scripts_fetch_and_convert(tmp_path: Path) -> None:
    save(tmp_path / "mine/a.jpg")
    voc(tmp_path / "mine/a.xml", [("Licence", 1, 1, 9, 9)])
    declared = {
        "adapter": "voc",
        "licence": "mine",
        "folder": str(tmp_path / "mine"),
        "classes": {"licence": "plate"},
    }
    text(tmp_path / "config.yaml", json.dumps({"sources": {"made": declared}}))
    raw, out = tmp_path / "raw/made", tmp_path / "kitti/made"
    given = ("--source", "made", "--declaration", json.dumps(declared))
    done = _script("fetch_source.py", *given, "--mirror", "", "--out", str(raw))
    assert done.returncode == 0, done.stderr
    assert json.loads((raw / "source.json").read_text())["place"] == "folder"
    given = ("--source", "made", "--config", str(tmp_path / "config.yaml"))
    done = _script("convert_kitti.py", *given, "--raw", str(raw), "--out", str(out), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert (out / "labels/a.txt").read_text().startswith("plate ")
    assert "1 pictures" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--declaration", "{"), "not valid JSON"),
        (("--declaration", "{}"), "names no adapter"),
        (("--config", "none.yaml"), "cannot be read"),
    ],
)
def test_the_scripts_name_mistakes(tmp_path: Path, given: tuple[str, str], said: str) -> None:
    done = _script("fetch_source.py", "--source", "made", *given, "--out", str(tmp_path / "raw"))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
