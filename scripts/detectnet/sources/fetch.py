"""Raw files of a source, from a folder, an archive or a public repository, to ``data/raw/{source}/``."""

from __future__ import annotations

import os
import shutil
import urllib.parse
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import printable, sha256, write_json
from detectnet.logs import log
from detectnet.sources.archives import unpack
from detectnet.sources.declaration import FETCHED, NOTE
from detectnet.sources.download import download
from detectnet.sources.trees import describe
from detectnet.sources.upstream import fetch_upstream, read_list


def fetch(
    declaration: dict, raw_dir: Path, mirror: str | None = None, archives: Path = Path("data/archives")
) -> dict:
    """Fetch a source; ``raw_dir`` appears when everything is there, and replaces an earlier one.

    Args:
        declaration: the source's entry in the config: ``folder`` or ``archive`` {name, sha256, url} or
            ``upstream`` {git, commit, files, folder} or both of these (archive first).
        raw_dir: named like the source.
        mirror: folder or URL in which archives are looked for before their own URL.
        archives: folder of downloaded archives, looked in first.

    Returns:
        what ``source.json`` says: source, place, what it was got from, files, bytes, and ``content``, one
        sha256 over the paths and hashes of all files.

    Raises:
        UserError: no place has it, which says all places tried; or it holds no files.
    """
    if not any(place in declaration for place in FETCHED):
        raise UserError("the source says no place", where=raw_dir.name, allowed=FETCHED)
    part = raw_dir.parent / f".{raw_dir.name}.part"
    raw_dir.parent.mkdir(parents=True, exist_ok=True)
    _remove(part)
    try:
        origin = _fill(raw_dir.name, declaration, part / "files", mirror, archives)
        note = {"source": raw_dir.name, **origin, **describe(part / "files")}
        if not note["files"]:
            raise UserError(f"there are no files in it: {_words(origin)}", where=f"sources.{raw_dir.name}")
        write_json(part / "files" / NOTE, note)
        _replace(part / "files", raw_dir)
    finally:
        _remove(part)
    log.info("%s: %d files from %s.", raw_dir.name, note["files"], _words(origin))
    return note


def _fill(source: str, declaration: dict, target: Path, mirror: str | None, archives: Path) -> dict:
    if "folder" in declaration:
        return _from_folder(Path(declaration["folder"]).expanduser(), target)
    if "archive" not in declaration:
        return _from_upstream(declaration["upstream"], target)
    field = f"sources.{source}.archive"
    archive, tried = find_archive(declaration["archive"], mirror, archives, field)
    if archive is not None:
        unpack(archive, target)
        wanted = declaration["archive"]
        return {"place": "archive", "archive": wanted["name"], "sha256": wanted["sha256"]}
    if "upstream" in declaration:
        log.warning("%s; taking it from its repository", "; ".join(tried))
        return _from_upstream(declaration["upstream"], target)
    raise UserError(
        f"the archive {declaration['archive']['name']} was not found. Tried: {'; '.join(tried)}.",
        where=field,
        remedy="Name the folder or URL that has it as 'mirror'.",
    )


def _from_folder(folder: Path, target: Path) -> dict:
    if not folder.is_dir():
        raise UserError("the folder of the source does not exist", where=folder)
    dangling = _dangling(folder)
    shutil.copytree(folder, target, ignore_dangling_symlinks=True)
    if dangling:
        log.warning(
            "%s: left out %d links that lead nowhere (listed in %s), the first is %s",
            folder,
            len(dangling),
            NOTE,
            dangling[0],
        )
    return {"place": "folder", "folder": str(folder)} | ({"dangling_links": dangling} if dangling else {})


def _dangling(folder: Path) -> list[str]:
    links = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(printable(link.relative_to(folder)) for link in links if not link.exists())


def _from_upstream(upstream: dict, target: Path) -> dict:
    listed = read_list(Path(upstream["files"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    fetch_upstream(upstream["git"], upstream["commit"], listed, upstream.get("folder", ""), target)
    return {"place": "upstream", "git": upstream["git"], "commit": upstream["commit"]}


def find_archive(
    wanted: dict, mirror: str | None, archives: Path, field: str
) -> tuple[Path | None, list[str]]:
    """The file with the right hash, and a sentence on each place that did not have it.

    Args:
        wanted: ``name``, ``sha256`` and maybe ``url``.
        mirror: folder or URL, looked in before that ``url``.
        archives: folder that is looked in first, and that keeps what is downloaded.
        field: where the config holds ``wanted``; named where a file has another hash.

    Raises:
        UserError: ``mirror`` is a folder that does not exist.
    """
    name, expected = wanted["name"], wanted["sha256"]
    tried: list[str] = []
    hash_field = f"{field}.sha256"
    if _has(archives / name, expected, tried, hash_field):
        return archives / name, tried
    if mirror and "://" not in mirror:
        folder = Path(mirror).expanduser()
        if not folder.is_dir():
            raise UserError(
                f"the mirror '{mirror}' is no folder on this machine",
                where="mirror",
                remedy="Name the folder (or the URL) that holds the archives, or set mirror to null.",
            )
        if _has(folder / name, expected, tried, hash_field):
            return folder / name, tried
    urls = [f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}"] if mirror and "://" in mirror else []
    for url in [*urls, *([wanted["url"]] if wanted.get("url") else [])]:
        try:
            download(url, archives / name, expected, hash_field)
            return archives / name, tried
        except UserError as error:
            tried.append(str(error))
    return None, tried


def _has(path: Path, expected: str, tried: list[str], field: str) -> bool:
    if not path.is_file():
        tried.append(f"{path}: no such file")
        return False
    actual = sha256(path)
    if actual != expected:
        tried.append(f"{path}: its sha256 is {actual}, {field} is {expected}")
    return actual == expected


def _replace(new: Path, old: Path) -> None:
    """Put ``new`` in the place of ``old``, which may exist; its note goes first, so it never looks whole."""
    (old / NOTE).unlink(missing_ok=True)
    _remove(old)
    new.rename(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _words(origin: dict) -> str:
    return ", ".join(
        f"{key} {value}" for key, value in origin.items() if key not in ("place", "dangling_links")
    )
