from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from made_sources import archived, files_of, names_in, tar, text, zip_

from detectnet.errors import UserError
from detectnet.sources.archives import unpack
from detectnet.sources.fetch import fetch


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE_TARS = {
    "up": [("../evil.txt", b"x")],
    "deep up": [("a/../../evil.txt", b"x")],
    "absolute": [("/tmp/evil_detectnet.txt", b"x")],
    "symlink": [_member("made/link", tarfile.SYMTYPE, "/etc"), ("made/link/evil.txt", b"x")],
    "inner symlink": [("made/a", b"x"), _member("made/link", tarfile.SYMTYPE, "a")],
    "hard link": [_member("made/link", tarfile.LNKTYPE, "../evil.txt")],
    "device": [_member("made/null", tarfile.CHRTYPE)],
    "pipe": [_member("made/pipe", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("name", HOSTILE_TARS)
def test_hostile_tars_are_refused(tmp_path: Path, name: str) -> None:
    path = tar(tmp_path / "mirror/made.tar", HOSTILE_TARS[name])
    raw = tmp_path / "raw/made"
    with pytest.raises(UserError, match=r"leads outside|is a link or a device"):
        fetch(archived(path), raw, str(path.parent), tmp_path / "archives")
    assert list(tmp_path.rglob("evil*")) == []
    assert not Path("/tmp/evil_detectnet.txt").exists()
    assert names_in(tmp_path / "raw") == []


def test_an_archive_of_many_folders_is_taken_as_it_is(tmp_path: Path) -> None:
    unpack(tar(tmp_path / "a.tar", [("x/1.jpg", b"1"), ("y/2.jpg", b"2")]), tmp_path / "out")
    assert files_of(tmp_path / "out") == {"x/1.jpg": b"1", "y/2.jpg": b"2"}


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"]
)
def test_hostile_zips_are_refused(tmp_path: Path, name: str) -> None:
    path = zip_(tmp_path / "a.zip", {name: b"x"})
    with pytest.raises(UserError, match="leads outside"):
        unpack(path, tmp_path / "deep/er/out")
    assert list(tmp_path.rglob("*evil*")) == []


def test_links_in_zips_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(UserError, match="is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_cut_archives_are_refused(tmp_path: Path, mode: str) -> None:
    whole = tar(tmp_path / "a.tar", [("a.bin", os.urandom(100_000))], mode).read_bytes()
    cut = text(tmp_path / "b.tar", whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"b\.tar"):
        unpack(cut, tmp_path / "out")


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not an archive.*\.zip"):
        unpack(text(tmp_path / "a.rar", b"Rar!\x1a\x07\x01\x00"), tmp_path / "out")


def test_a_tar_with_a_zip_inside_is_a_tar(tmp_path: Path) -> None:
    inner = zip_(tmp_path / "inner.zip", {"z.txt": b"z"}).read_bytes()
    unpack(tar(tmp_path / "a.tar", [("made/inner.zip", inner), ("made/b", b"")]), tmp_path / "out")
    assert sorted(files_of(tmp_path / "out")) == ["b", "inner.zip"]
