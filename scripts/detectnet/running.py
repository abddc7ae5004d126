"""Which jobs of a run are at work: one may outlive the Snakemake that started it."""

from __future__ import annotations

import fcntl
import os
import shlex
from pathlib import Path
from typing import IO

from detectnet.errors import UserError

DESCRIPTOR = 9
"""The file descriptor by which a job and all that it starts hold the lock's file open."""
_PROCESSES = Path("/proc")


def job_prefix(lock: Path) -> str:
    """What a job's bash runs first, so that `jobs_at_work` knows the job and its children."""
    return f"exec {DESCRIPTOR}<{shlex.quote(str(lock.absolute()))}; "


def hold(lock: Path) -> IO[str] | None:
    """Hold the lock of this folder until the process ends, however it ends.

    Args:
        lock: the file to lock; it is created with its folder.

    Returns:
        the open file, to be kept; None where another process holds the lock.

    Raises:
        UserError: nobody holds it, but jobs that an earlier holder started are still at work.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = lock.open("w", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    if found := jobs_at_work(lock):
        handle.close()
        raise UserError(
            "jobs of a run that was killed are still at work here: "
            + ", ".join(f"{number} ({name})" for number, name in found.items()),
            remedy="Wait until they end, or end them (kill and their numbers); then give the command again.",
        )
    return handle


def jobs_at_work(lock: Path) -> dict[int, str]:
    """Processes, besides this one, that hold the lock's file open: number -> script or program, sorted."""
    wanted = lock.stat()
    numbers = sorted(int(one.name) for one in _PROCESSES.glob("[0-9]*"))
    return {
        number: _name(number) for number in numbers if number != os.getpid() and _has_open(number, wanted)
    }


def _has_open(number: int, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat((_PROCESSES / str(number) / "fd" / str(DESCRIPTOR)).stat(), wanted)
    except OSError:  # no such descriptor, the process has ended, or it is another user's
        return False


def _name(number: int) -> str:
    try:
        words = (_PROCESSES / str(number) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "ended"
    return Path(next((word for word in words if word.endswith(".py")), words[0])).name
