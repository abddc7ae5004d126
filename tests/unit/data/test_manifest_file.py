from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from detectnet.data import manifest
from detectnet.errors import UserError


def _row(image: str, **changes: object) -> dict:
    row = {
        "image": image,
        "label": "labels/a.txt",
        "width": 640,
        "height": 480,
        "sha256": "0" * 64,
        "phash": "0012345678901234",
        "group": "001",
        "source": "NA",
        "boxes": 2,
    }
    return row | changes


def test_text_stays_text_and_rows_are_sorted(tmp_path: Path) -> None:
    rows = [_row('images/b "x", y.jpg'), _row("images/a#t=1.jpg", phash="1e10000000000000", group="null")]
    manifest.write(tmp_path / "m.csv", pd.DataFrame(rows))
    frame = manifest.read(tmp_path / "m.csv")
    assert frame.to_dict("records") == [rows[1], rows[0]]
    assert tuple(frame.columns) == manifest.COLUMNS


def test_an_empty_manifest_reads_back(tmp_path: Path) -> None:
    manifest.write(tmp_path / "m.csv", pd.DataFrame([], columns=list(manifest.COLUMNS)))
    assert len(manifest.read(tmp_path / "m.csv")) == 0


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="appears twice"):
        manifest.write(tmp_path / "m.csv", pd.DataFrame([_row("images/a.jpg")] * 2))
    with pytest.raises(UserError, match="does not exist"):
        manifest.read(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("image,labels\na,b\n")
    with pytest.raises(UserError, match=r"'label' is missing.*Did you mean 'labels'"):
        manifest.read(tmp_path / "m.csv")
    broken = pd.DataFrame([_row("images/a.jpg")]).to_csv(index=False).replace("640", "wide")
    (tmp_path / "m.csv").write_text(broken)
    with pytest.raises(UserError, match="not a manifest"):
        manifest.read(tmp_path / "m.csv")
