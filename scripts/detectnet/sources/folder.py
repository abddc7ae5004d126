"""Plain folders of pictures in which nothing is to be found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detectnet.data.pictures import SUFFIXES
from detectnet.sources.base import Annotated, Found, check_options, files_under, inside, listed


def read_folder(raw_dir: Path, options: dict) -> Iterator[Found]:
    """Every picture below the folders, as a negative. Options: ``images`` (a folder or a list)."""
    check_options(options, "folder")
    for name in listed(options, "images", "."):
        folder = inside(raw_dir, name, "images")
        for path in files_under(folder, SUFFIXES):
            yield Annotated((folder / path).relative_to(raw_dir).as_posix())
