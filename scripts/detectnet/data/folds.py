"""The split as a file: which fold each picture stands in."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detectnet.errors import UserError
from detectnet.files import PathLike

TRAINING, VALIDATION, EXCLUDED = "training", "validation", "excluded"
FOLDS = (TRAINING, VALIDATION, EXCLUDED)
COLUMNS = ("image", "source", "group", "fold")
FROZEN_COLUMNS = ("source", "image", "sha256", "group", "fold")
SEED = 42  # NVIDIA's converter has the same


def read_split(path: PathLike, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Read ``split.csv`` or, with `FROZEN_COLUMNS`, the list that `freeze` wrote; all columns are strings.

    Raises:
        UserError: the file is missing, lacks a column or names an unknown fold.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError("the split does not exist", where=path) from error
    except ValueError as error:
        raise UserError(f"not a split ({error})", where=path, allowed=columns) from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise UserError(f"the column {missing[0]!r} is missing", where=path, allowed=columns)
    unknown = frame.index[~frame["fold"].isin(FOLDS)]
    if len(unknown):
        fold = frame["fold"][unknown[0]]
        raise UserError(f"no fold {fold!r}", where=f"{path}:{unknown[0] + 2}", allowed=FOLDS)
    return frame[list(columns)]
