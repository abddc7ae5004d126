"""``dropped.csv``: what a stage left out, and why; the same columns for every stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from detectnet.files import PathLike, write_csv


@dataclass(frozen=True)
class Drop:
    """Something left out: the file, the line or number of the object in it ("" for the whole file)."""

    file: str
    line: int | str
    reason: str
    detail: str


COLUMNS = tuple(field.name for field in fields(Drop))


def write(path: PathLike, drops: Iterable[Drop]) -> None:
    """Write ``dropped.csv`` atomically, in the order given; without drops it holds the header alone."""
    # Readers of pictures import this module, and most of them write no table.
    import pandas as pd

    write_csv(path, pd.DataFrame([asdict(drop) for drop in drops], columns=list(COLUMNS)))
