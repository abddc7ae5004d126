"""``dropped.csv`` and the way all tables are written."""

import pandas as pd
import pytest

from detectnet.data import dropped
from detectnet.files import write_csv


def test_drops_are_written_in_the_order_given(tmp_path):
    drops = [dropped.Drop("b.xml", 3, "no size", "a, b"), dropped.Drop("ä.jpg", "", "unreadable", "")]
    dropped.write(tmp_path / "dropped.csv", drops)
    expected = 'file,line,reason,detail\nb.xml,3,no size,"a, b"\nä.jpg,,unreadable,\n'
    assert (tmp_path / "dropped.csv").read_bytes() == expected.encode()


def test_no_drops_are_a_header(tmp_path):
    dropped.write(tmp_path / "dropped.csv", [])
    assert (tmp_path / "dropped.csv").read_bytes() == b"file,line,reason,detail\n"


def test_a_table_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "table.csv"
    write_csv(path, pd.DataFrame({"a": [1], "b": ["x"]}, index=[7]))
    assert path.read_bytes() == b"a,b\n1,x\n"

    def half(_frame, target, **_options):
        target.write_text("a,b\n1")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    with pytest.raises(OSError, match="disk full"):
        write_csv(path, pd.DataFrame({"a": [2]}))
    assert path.read_bytes() == b"a,b\n1,x\n"
    assert [one.name for one in path.parent.iterdir()] == ["table.csv"]
