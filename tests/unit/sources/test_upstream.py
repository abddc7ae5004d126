from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from made_sources import CONTENT, Converted, archived, files_of, noise, save, tar, text, voc

from detectnet.errors import UserError
from detectnet.sources.fetch import fetch
from detectnet.sources.upstream import read_list


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str]:
    """A repository whose pictures are RGBA PNG named .jpg; the commit wanted is not the newest."""
    folder = tmp_path / "repository"
    for stem in ("ride.mp4#t=1", "a [b]*", "not taken"):
        image = noise().convert("RGBA")
        image.putalpha(255)
        save(folder / f"Dataset/images/{stem}.jpg", image, "PNG")
        voc(folder / f"Dataset/annots/{stem}.xml", [("plate", 1, 2, 9.5, 9)], filename=f"{stem}.jpg")
    text(folder / "LICENSE", "free")
    (folder / "Dataset/images/link.jpg").symlink_to("/etc/hostname")
    _git(folder, "init", "--quiet")
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "-m", "pictures")
    commit = _git(folder, "rev-parse", "HEAD")
    _git(folder, "rm", "--quiet", "-r", "Dataset")
    _git(folder, "commit", "--quiet", "-m", "gone")
    return folder, commit


def _upstream(tmp_path: Path, repository: tuple[Path, str], *more: str, **changes: str) -> dict:
    names = ["images/ride.mp4#t=1.jpg", "images/a [b]*.jpg", "annots/ride.mp4#t=1.xml", "annots/a [b]*.xml"]
    listed = "\n".join(["# taken", "LICENSE", *(f"Dataset/{name}" for name in names), *more])
    text(tmp_path / "list.txt", listed + "\n")
    upstream = {"git": repository[0].as_uri(), "commit": repository[1], "files": str(tmp_path / "list.txt")}
    return {"adapter": "voc", "licence": "free", "upstream": {**upstream, "folder": "Dataset", **changes}}


def test_only_listed_files_of_a_commit_are_taken(tmp_path: Path, repository: tuple[Path, str]) -> None:
    declared = _upstream(tmp_path, repository)
    note = fetch(declared, tmp_path / "raw")
    assert sorted(files_of(tmp_path / "raw")) == [
        "LICENSE",
        "annots/a [b]*.xml",
        "annots/ride.mp4#t=1.xml",
        "images/a [b]*.jpg",
        "images/ride.mp4#t=1.jpg",
    ]
    original = _git(repository[0], "rev-parse", f"{repository[1]}:Dataset/images/ride.mp4#t=1.jpg")
    copied = _git(repository[0], "hash-object", str(tmp_path / "raw/images/ride.mp4#t=1.jpg"))
    assert copied == original
    assert (note["place"], note["commit"], note["files"]) == ("upstream", repository[1], 5)
    done = Converted(tmp_path, adapter="voc", options={"images": "images", "annotations": "annots"})
    assert done.stems == ["a [b]*", "ride.mp4#t=1"]
    assert done.boxes("ride.mp4#t=1") == [(1, 2, 9.5, 9)]
    assert (done.out / "images/ride.mp4#t=1.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_the_archive_comes_before_the_repository(tmp_path: Path, repository: tuple[Path, str]) -> None:
    path = tar(tmp_path / "mirror/made.tar", list(CONTENT.items()))
    declared = _upstream(tmp_path, repository) | {"archive": archived(path)["archive"]}
    assert fetch(declared, tmp_path / "raw", str(path.parent), tmp_path / "archives")["place"] == "archive"
    assert fetch(declared, tmp_path / "raw", None, tmp_path / "archives")["place"] == "upstream"


def test_what_a_commit_lacks_is_named(tmp_path: Path, repository: tuple[Path, str]) -> None:
    missing = _upstream(tmp_path, repository, "Dataset/images/other.jpg")
    with pytest.raises(UserError, match=r"1 of 6 listed files .*'Dataset/images/other\.jpg'"):
        fetch(missing, tmp_path / "raw")
    link = _upstream(tmp_path, repository, "Dataset/images/link.jpg")
    with pytest.raises(UserError, match=r"'Dataset/images/link\.jpg'"):
        fetch(link, tmp_path / "raw")
    with pytest.raises(UserError, match="has no commit"):
        fetch(_upstream(tmp_path, repository, commit="1" * 40), tmp_path / "raw")
    with pytest.raises(UserError) as caught:
        fetch(_upstream(tmp_path, repository, git=(tmp_path / "none").as_uri()), tmp_path / "raw")
    said = str(caught.value)  # the place, the command, git's own words, what to do
    assert said.startswith(f"{(tmp_path / 'none').as_uri()}: 'git fetch ")
    assert "failed with exit code 128: fatal: '" in said and "does not appear to be a git repository" in said
    assert "mend upstream.git" in said
    assert not (tmp_path / "raw").exists()
    assert not list(tmp_path.glob(".raw*"))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", ".git/config"])
def test_lists_cannot_name_what_is_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no path inside"):
        read_list(text(tmp_path / "list.txt", name + "\n"))


def test_an_empty_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty"):
        read_list(text(tmp_path / "list.txt", "# nothing\n\n"))
