"""``manifest.csv``: one row per picture of a stage, sorted by picture."""

from __future__ import annotations

import pandas as pd

from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, write_csv

COLUMNS = ("image", "label", "width", "height", "sha256", "phash", "group", "source", "boxes")
NUMBERS = ("width", "height", "boxes")


def read(path: PathLike) -> pd.DataFrame:
    """Read a manifest.

    Returns:
        a frame with `COLUMNS`: ``width``, ``height`` (pixels) and ``boxes`` (a count) are int64, all
        others are strings ("001" and "NA" stay what they are). ``image`` and ``label`` are paths
        relative to the folder of the manifest, ``sha256`` is of the picture file, ``phash`` 16 hex digits.

    Raises:
        UserError: the file is missing, is no CSV, lacks a column or has a number that is none.
    """
    types = {name: ("int64" if name in NUMBERS else "str") for name in COLUMNS}
    try:
        frame = pd.read_csv(path, dtype=types, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError("the manifest does not exist", where=path) from error
    except ValueError as error:  # pandas' parser, number and encoding errors all derive from it
        raise UserError(f"not a manifest ({error})", where=path, allowed=COLUMNS) from error
    _check(frame, path)
    return frame[list(COLUMNS)]


def write(path: PathLike, frame: pd.DataFrame) -> None:
    """Write a manifest atomically, sorted by ``image``; a picture must not stand in it twice.

    Raises:
        UserError: a column is missing or a picture appears twice.
    """
    _check(frame, path)
    rows = frame[list(COLUMNS)].sort_values("image", kind="stable")
    twice = rows["image"][rows["image"].duplicated()]
    if len(twice):
        raise UserError(f"the picture {twice.iloc[0]!r} appears twice", where=path)
    write_csv(path, rows)


def _check(frame: pd.DataFrame, path: PathLike) -> None:
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        remedy = did_you_mean(missing[0], [str(name) for name in frame.columns]) or None
        raise UserError(f"the column {missing[0]!r} is missing", where=path, allowed=COLUMNS, remedy=remedy)
