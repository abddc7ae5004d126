"""Programs as a user calls them, with those of this environment first."""

import os
import subprocess
import sys
from pathlib import Path


def environment() -> dict[str, str]:
    """This interpreter's programs first, as ``uv run`` does it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": ""}


def call(folder: Path, *words: str, check: bool = True, seconds: float = 300) -> str:
    """Run a command in a folder; what it says on both streams."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert not check or done.returncode == 0, f"{words}: {done.stdout[-6000:]}"
    return done.stdout


def git(folder: Path, *words: str) -> str:
    """git, with an author of its own."""
    return call(folder, "git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words)
