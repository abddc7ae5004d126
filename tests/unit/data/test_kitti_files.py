from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet.data.kitti import (
    Label,
    parse_label,
    read_detections,
    read_labels,
    write_detections,
    write_labels,
)
from detectnet.errors import UserError

PIXEL = st.floats(-1e4, 1e4, allow_nan=False).map(float)


def test_the_documented_columns_are_read(tmp_path: Path) -> None:
    # The sample line of the KITTI development kit.
    line = "Truck 0.25 2 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56\n"
    (tmp_path / "a.txt").write_text("\n" + line)
    (label,) = read_labels(tmp_path / "a.txt")
    assert label == Label(
        name="truck",
        truncation=0.25,
        occlusion=2,
        alpha=-1.57,
        box=(599.41, 156.40, 629.75, 189.25),
        h=2.85,
        w=2.63,
        l=12.34,
        x=0.47,
        y=1.49,
        z=69.44,
        rotation=-1.56,
    )


@given(box=st.tuples(PIXEL, PIXEL, PIXEL, PIXEL), truncation=st.floats(0, 1), occlusion=st.integers(0, 3))
def test_labels_read_back_exactly(tmp_path_factory, box, truncation, occlusion) -> None:
    path = tmp_path_factory.mktemp("kitti") / "a.txt"
    written = [Label("plate", truncation, occlusion, box=box), Label("car", box=(1, 2, 3, 4))]
    write_labels(path, written)
    assert read_labels(path) == written
    assert all(len(line.split()) == 15 for line in path.read_text().splitlines())


def test_whole_pixels_are_written_shortly(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.txt", [Label("Plate", box=(10, 20.5, 30.125, 40))])
    expected = "plate 0.00 0 0.00 10.000 20.500 30.125 40.000" + " 0.00" * 7 + "\n"
    assert (tmp_path / "a.txt").read_text() == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plate 0 0 0 1 2 3 4 0 0 0 0 0 0", "this one has 14"),
        ("plate 0 0 0 1 2 3 4 0 0 0 0 0 0 0 0.9", "this one has 16"),
        ("license plate 0 0 0 1 2 3 4 0 0 0 0 0 0 0", "space shifts"),
        ("plate 0 0 0 one 2 3 4 0 0 0 0 0 0 0", "must be numbers"),
        ("plate 0 0 0 nan 2 3 4 0 0 0 0 0 0 0", "not a finite number"),
        ("plate 0 0 0 1 2 inf 4 0 0 0 0 0 0 0", "not a finite number"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("plate 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n" + line + "\n")
    with pytest.raises(UserError, match=said) as caught:
        read_labels(path)
    assert f"{path}:2" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.txt"):
        read_labels(tmp_path / "b.txt")


def test_any_text_is_a_label_or_a_value_error() -> None:
    @given(st.text())
    def check(text: str) -> None:
        try:
            label = parse_label(text)
        except ValueError:
            return
        assert len(text.split()) == 15
        assert label.name == text.split()[0].lower()

    check()


def test_detections_have_nvidias_sixteen_columns(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    write_detections(path, ["Plate"], np.array([[1.23456, 2, 3, 4]]), [1.5])
    zeros = "0.00 0.00 0.00 0.00 0.00 0.00 0.00"
    assert path.read_text() == f"plate 0.00 0 0.00 1.235 2.000 3.000 4.000 {zeros} 1.500\n"
    names, boxes, confidences = read_detections(path)
    assert names == ["plate"]
    np.testing.assert_allclose(boxes, [[1.235, 2, 3, 4]])
    np.testing.assert_allclose(confidences, [1.5])


def test_no_detections_are_an_empty_file(tmp_path: Path) -> None:
    write_detections(tmp_path / "d.txt", [], np.zeros((0, 4)), [])
    assert (tmp_path / "d.txt").read_bytes() == b""
    names, boxes, confidences = read_detections(tmp_path / "d.txt")
    assert (names, boxes.shape, confidences.shape) == ([], (0, 4), (0,))


def test_labels_are_no_detections(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.txt", [Label("plate", box=(1, 2, 3, 4))])
    with pytest.raises(UserError, match="needs 16 columns"):
        read_detections(tmp_path / "a.txt")
