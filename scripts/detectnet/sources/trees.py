"""What a folder of raw files holds, as one hash of all paths and contents.

Asked before every run, so hashes are remembered for as long as a file's size, times and inode stay; the
time of change is among them, which nobody can set back, so that no edit passes unseen.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import printable, read_json, sha256, write_text
from detectnet.logs import progress
from detectnet.sources.declaration import NOTE

MEMORY = Path(".snakemake/trees")
"""Where hashes are remembered, a file for each folder."""


def describe(folder: Path) -> dict:
    """Number of ``files`` and ``bytes`` in a folder, and ``content``, one sha256 over paths and contents.

    A note ``source.json`` at its top does not count, and neither does a link that leads nowhere.
    """
    files = _look(folder, {})
    return {"files": len(files), "bytes": sum(one[0] for one in files.values()), "content": _combined(files)}


def content(folder: Path, memory: Path = MEMORY) -> str:
    """The ``content`` of ``describe``; reads only files that look changed since it was last asked.

    Returns:
        hex sha256; of a folder that is not here what is remembered of it, or nothing: results can be looked
        at while the raw data are elsewhere.
    """
    note = memory / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.json"
    known = _remembered(note)
    if not folder.is_dir():
        return known["content"]
    files = _look(folder, known["files"])
    if files != known["files"]:
        known = {"folder": printable(folder), "content": _combined(files), "files": files}
        write_text(note, json.dumps(known))
    return known["content"]


def deviation(raw: Path, memory: Path = MEMORY) -> str:
    """The ``content`` of a raw folder that no longer holds what its ``source.json`` says; else nothing."""
    try:
        said = read_json(raw / NOTE).get("content")
    except UserError:
        return ""
    found = content(raw, memory) if said else said
    return "" if found == said else found


def _remembered(note: Path) -> dict:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        return {"content": known["content"], "files": known["files"]}
    except (OSError, ValueError, KeyError):
        return {"content": "", "files": {}}


def _look(folder: Path, known: Mapping[str, list]) -> dict[str, list]:
    """Path -> size, times, inode and sha256 of every file; only what looks changed is read."""
    found, changed = {}, []
    for path in _paths(folder):
        name = printable(path.relative_to(folder))
        state = path.stat()
        seen = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        before = known.get(name)
        found[name] = before if before and before[:-1] == seen else seen
        if found[name] is seen:
            changed.append((name, path))
    for name, path in progress(changed, what="hashing", unit="files") if changed else ():
        found[name].append(sha256(path))
    return found


def _paths(folder: Path) -> list[Path]:
    paths = (Path(parent, name) for parent, _, names in os.walk(folder, followlinks=True) for name in names)
    return sorted(path for path in paths if path.is_file() and path != folder / NOTE)


def _combined(files: Mapping[str, list]) -> str:
    digest = hashlib.sha256()
    for name, (*_, content_of_file) in files.items():
        digest.update(f"{content_of_file}  {name}\n".encode())
    return digest.hexdigest()
