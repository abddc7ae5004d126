"""Unpacking of archives that may come from anywhere: nothing lands outside the target folder."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from detectnet.errors import UserError
from detectnet.logs import progress

KINDS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,  # zipfile's word for "encrypted"
)


def unpack(archive: Path, target: Path) -> None:
    """Unpack a tar (plain or compressed) or zip into ``target``, which is created.

    An archive that holds one folder and nothing else gives the content of that folder.

    Raises:
        UserError: another kind of file, a damaged one, or one that holds links, devices, or names that
            lead outside; then nothing of it may be used.
    """
    target.mkdir(parents=True)
    try:
        if tarfile.is_tarfile(archive):  # first: a tar that holds a zip passes for a zip
            _unpack_tar(archive, target)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, target)
        else:
            raise UserError("not an archive that can be read", where=archive, allowed=KINDS)
    except _DAMAGE as error:
        raise UserError(f"the archive cannot be unpacked ({error})", where=archive) from error
    _lift(target)


def _unpack_tar(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as opened:
        for member in progress(opened, what=f"unpacking {archive.name}", unit="files"):
            _check_name(member.name, archive)
            if not (member.isfile() or member.isdir()):
                raise UserError(f"'{member.name}' is a link or a device", where=archive)
            opened.extract(member, target, filter="data")


def _unpack_zip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in progress(opened.infolist(), what=f"unpacking {archive.name}", unit="files"):
            _check_name(member.filename, archive)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"'{member.filename}' is a link or a device", where=archive)
            opened.extract(member, target)


def _check_name(name: str, archive: Path) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(path.parts) > 0 and path.parts[0].endswith(":")
    if path.is_absolute() or ".." in path.parts or drive:
        raise UserError(f"'{name}' leads outside the archive", where=archive)


def _lift(target: Path) -> None:
    """Put the content of the only folder in the place of the folder."""
    inside = list(target.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        return
    folder = target.parent / f"{target.name}.folder"
    inside[0].rename(folder)
    shutil.rmtree(target)
    folder.rename(target)
