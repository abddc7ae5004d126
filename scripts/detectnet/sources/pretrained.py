"""The weights file that a training starts from, copied or downloaded, and checked by its hash."""

from __future__ import annotations

import shutil
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import atomic_path, sha256
from detectnet.logs import log
from detectnet.sources.fetch import find_archive


def fetch_pretrained(declaration: dict[str, str], out: Path, mirror: str | None = None) -> None:
    """Put a weights file to ``out``, which appears only when it is whole.

    Args:
        declaration: ``pretrained`` of the config: ``file``, or ``url`` with its ``sha256`` (hex). The hash
            of a ``file`` is checked where it is given.
        out: the file to write; its name is the one that is looked for at the mirror.
        mirror: folder or URL in which a file with a ``url`` is looked for first.

    Raises:
        UserError: no place has the file, or its hash is another one.
    """
    found = _local(declaration) if "file" in declaration else _remote(declaration, out, mirror)
    if found != out:
        with atomic_path(out) as temporary:
            shutil.copyfile(found, temporary)
    log.info("%s: weights from %s, sha256 %s.", out, declaration.get("file") or found, sha256(out))


def _local(declaration: dict[str, str]) -> Path:
    path = Path(declaration["file"])
    if not path.is_file():
        raise UserError("the weights file does not exist", where=path)
    expected = declaration.get("sha256")
    if expected and (actual := sha256(path)) != expected:
        raise UserError(f"its sha256 is {actual}, pretrained.sha256 is {expected}", where=path)
    return path


def _remote(declaration: dict[str, str], out: Path, mirror: str | None) -> Path:
    wanted = {"name": out.name, "url": declaration["url"], "sha256": declaration["sha256"]}
    found, tried = find_archive(wanted, mirror, out.parent, "pretrained")
    if found is None:
        raise UserError(
            f"the weights were not found. Tried: {'; '.join(tried)}.",
            where=out.name,
            remedy="Download them yourself and name the file as pretrained.file.",
        )
    return found
