"""Where a relative path of a spec points: NVIDIA's data folder first, then the working directory."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from detectnet.logs import log

VARIABLE = "DATA_BASE_PATH"


def places(text: str) -> list[Path]:
    """Where a path of a spec may lie, the likeliest first; ``~`` is the home folder.

    An absolute path is the only one. A relative one is looked for below the folder that the environment's
    ``DATA_BASE_PATH`` names (``~/datasets`` where it names none), as in TAO, and then, other than in TAO,
    below the working directory.
    """
    path = Path(text).expanduser()
    if path.is_absolute():
        return [path]
    root = Path(os.environ.get(VARIABLE) or "~/datasets").expanduser()
    return [root / path, path]


def located(text: str) -> Path:
    """The first of `places` that exists, said where it is the working directory; else the first."""
    found = places(text)
    existing = next((path for path in found if path.exists()), found[0])
    if existing is not found[0]:
        say_working_directory(text)
    return existing


def weight_places(text: str) -> list[Path]:
    """As `places` for a model file: the working directory first, as in TAO, and then, other than there, the
    data folder."""
    return places(text)[::-1]


def say_working_directory(text: str) -> None:
    """Say once that a relative path was found below the working directory, where TAO does not look."""
    _say(text, places(text)[0], Path.cwd())


@cache
def _say(text: str, looked: Path, working: Path) -> None:
    log.info("%s: taken from the working directory %s, because there is no %s", text, working, looked)
