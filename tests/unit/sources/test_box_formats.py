"""Random boxes written in each format by hand, and read back by the adapter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sources import coco, text, voc

from detectnet.sources.base import Annotated
from detectnet.sources.coco import read_coco
from detectnet.sources.openalpr import parse_openalpr
from detectnet.sources.tidy import as_shown, fit
from detectnet.sources.voc import parse_voc
from detectnet.sources.yolo import parse_yolo

WIDTH, HEIGHT = 1280, 720
COORDINATE = st.floats(0, 1)


@st.composite
def _boxes(draw: st.DrawFn) -> list[tuple[float, float, float, float]]:
    corners = draw(st.lists(st.tuples(*[COORDINATE] * 4), max_size=5))
    return [
        (min(a, c) * WIDTH, min(b, d) * HEIGHT, max(a, c) * WIDTH, max(b, d) * HEIGHT)
        for a, b, c, d in corners
    ]


@settings(max_examples=50)
@given(boxes=_boxes())
def test_voc_gives_the_numbers_as_written(tmp_path_factory: pytest.TempPathFactory, boxes: list) -> None:
    path = voc(tmp_path_factory.mktemp("voc") / "a.xml", [("plate", *box) for box in boxes])
    assert [one.box for one in parse_voc(path).objects] == boxes


@settings(max_examples=50)
@given(boxes=_boxes())
def test_coco_gives_corners(tmp_path_factory: pytest.TempPathFactory, boxes: list) -> None:
    folder = tmp_path_factory.mktemp("coco")
    text(folder / "a.jpg", "")
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for number, (x1, y1, x2, y2) in enumerate(boxes)
    ]
    coco(folder / "a.json", [{"id": 1, "file_name": "a.jpg"}], annotations, [{"id": 1, "name": "0"}])
    (found,) = read_coco(folder, {"annotations": "a.json"})
    assert isinstance(found, Annotated)
    read = np.array([one.box for one in found.objects]).reshape(-1, 4)
    np.testing.assert_allclose(read, np.array(boxes).reshape(-1, 4), atol=1e-9)


@settings(max_examples=50)
@given(boxes=_boxes(), polygons=st.booleans())
def test_yolo_gives_corners(tmp_path_factory: pytest.TempPathFactory, boxes: list, polygons: bool) -> None:
    path = tmp_path_factory.mktemp("yolo") / "a.txt"
    lines = []
    for x1, y1, x2, y2 in np.array(boxes).reshape(-1, 4) / (WIDTH, HEIGHT, WIDTH, HEIGHT):
        box = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
        lines.append(
            " ".join(f"{value:.9f}" for value in ((x1, y1, x2, y1, x2, y2, x1, y2) if polygons else box))
        )
    text(path, "".join(f"0 {line}\n" for line in lines))
    parsed = parse_yolo(path, {})
    assert parsed.relative
    read = np.array([one.box for one in parsed.objects]).reshape(-1, 4) * (WIDTH, HEIGHT, WIDTH, HEIGHT)
    np.testing.assert_allclose(read, np.array(boxes).reshape(-1, 4), atol=1e-4)


@settings(max_examples=50)
@given(st.text())
def test_any_text_is_read_or_is_a_problem_of_its_line(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    path = text(tmp_path_factory.mktemp("any") / "a.txt", content.encode("utf-8", "replace"))
    for parsed in (parse_yolo(path, {}), parse_openalpr(path)):
        for number, reason, _ in parsed.problems:
            assert number >= 1
            assert reason == "not a label line"


@settings(max_examples=200)
@given(st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4))
def test_a_fitted_box_lies_in_the_picture(box: tuple[float, float, float, float]) -> None:
    fitted, notes = fit(box, WIDTH, HEIGHT)
    if fitted is None:
        assert notes[0] in ("not a number", "no area", "outside the picture")
        return
    x1, y1, x2, y2 = fitted
    assert 0 <= x1 < x2 <= WIDTH
    assert 0 <= y1 < y2 <= HEIGHT
    inside = (
        min(max(min(box[0], box[2]), 0), WIDTH),
        min(max(min(box[1], box[3]), 0), HEIGHT),
        min(max(box[0], box[2]), WIDTH),
        min(max(box[1], box[3]), HEIGHT),
    )
    assert fitted == inside


@given(
    box=st.tuples(st.integers(0, 9), st.integers(0, 6), st.integers(10, 20), st.integers(7, 12)),
    orientation=st.integers(5, 8),
)
def test_a_box_turns_like_its_pixels(box: tuple[int, int, int, int], orientation: int) -> None:
    stored = np.zeros((12, 20), dtype=np.uint8)
    x1, y1, x2, y2 = box
    stored[y1:y2, x1:x2] = 1
    shown = {5: stored.T, 6: np.rot90(stored, -1), 7: np.rot90(stored, 2).T, 8: np.rot90(stored)}[orientation]
    a1, b1, a2, b2 = as_shown(box, (20, 12), orientation)
    expected = np.zeros_like(shown)
    expected[b1:b2, a1:a2] = 1
    np.testing.assert_array_equal(shown, expected)
