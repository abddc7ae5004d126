"""Files that are either whole or not there: atomic writing, hashes, JSON."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]


def printable(path: object) -> str:
    """A path as text that UTF-8 can hold: bytes that are no UTF-8 are shown as ``\\xNN``."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name when the block ends without an error.

    A killed process leaves at most a hidden ``.NAME.*.part`` file, never half of ``path``.
    The temporary name keeps the suffix, which libraries use to choose a format.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}.", suffix=f".part{target.suffix}"
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: PathLike) -> None:
    """Make a folder where it is missing, and write in it: a refusal belongs before hours of work.

    Raises:
        OSError: there is a file of its name or above it, it is read-only, the disk is full.
        UserError: no folder can be made there, as below /proc.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise UserError("no folder can be made here", where=folder, remedy="Choose another one.") from error
    with tempfile.TemporaryFile(dir=folder) as handle:
        handle.write(b"\0")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: PathLike, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: PathLike, content: object) -> None:
    """Write JSON atomically: keys sorted, two spaces, a final newline; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_csv(path: PathLike, frame: pd.DataFrame) -> None:
    """Write a table atomically as CSV: UTF-8, a header, no index, lines end in a line feed."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_json(path: PathLike) -> dict:
    """Read a JSON object; a UserError names the file and line when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("the file does not exist", where=path) from error
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error.msg})", where=f"{path}:{error.lineno}") from error


def sha256(path: PathLike) -> str:
    """Hex sha256 of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
