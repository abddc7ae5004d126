"""scripts/detect.py as its user runs it, with an ONNX file alone: sources, formats, going on, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from plain_network import UNCLUSTERED, box, bright_cells, frames_of, picture, write_video
from pycocotools.coco import COCO

import detect
from detectnet.contract import Contract
from detectnet.deploy.inference import inferring
from detectnet.deploy.runtime import Detector
from detectnet.errors import UserError

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "detect.py"
CELLS = {"a": [], "b": [(5, 6)], "c": [(3, 3), (12, 9)]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return bright_cells(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "pictures"
    made.mkdir()
    for name, cells in CELLS.items():
        cv2.imwrite(str(made / f"{name}.png"), picture(cells))
    return made


def run(model, source, out, *options):
    sources = source if isinstance(source, list) else [source]
    line = [*map(str, sources), "--model", str(model), "--output", str(out), "--threads", "1", *options]
    detect.main(detect.arguments().parse_args(line))
    return out


def labels(out):
    return {path.stem: path.read_bytes() for path in sorted((out / "labels").iterdir())}


def boxes_of(text):
    return sorted([float(value) for value in line.split()[4:8]] for line in text.decode().splitlines())


def test_a_folder_gives_the_boxes_that_were_drawn_into_it(model, folder, tmp_path):
    found = labels(run(model, folder, tmp_path / "out"))
    assert {name: boxes_of(text) for name, text in found.items()} == {
        name: sorted(box(*cell) for cell in cells) for name, cells in CELLS.items()
    }
    assert not (tmp_path / "out" / "coco.json").exists()
    assert not (tmp_path / "out" / "detections.csv").exists()


def test_coco_and_csv_say_what_kitti_says(model, folder, tmp_path):
    out = run(model, folder, tmp_path / "out", "--format", "coco", "csv")
    coco = COCO(str(out / "coco.json"))
    named = {image["file_name"]: image for image in coco.loadImgs(coco.getImgIds())}
    assert {name: (one["width"], one["height"]) for name, one in named.items()} == {
        f"{name}.png": (320, 320) for name in CELLS
    }
    table = pd.read_csv(out / "detections.csv")
    assert list(table.columns) == ["image", "class", "confidence", "x1", "y1", "x2", "y2"]
    for name, text in labels(out).items():
        expected = boxes_of(text)
        own = coco.loadAnns(coco.getAnnIds(imgIds=[named[f"{name}.png"]["id"]]))
        corners = [[x, y, x + width, y + height] for x, y, width, height in (one["bbox"] for one in own)]
        assert sorted(corners) == expected
        assert all(one["area"] == 48 * 48 and one["score"] > 0.9 for one in own)
        rows = table[table["image"] == f"{name}.png"]
        assert sorted(rows[["x1", "y1", "x2", "y2"]].to_numpy().tolist()) == expected
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "plate"}]
    results = coco.loadRes(json.loads((out / "coco.json").read_text())["annotations"])
    assert len(results.getAnnIds()) == 3


def test_the_command_imports_no_tensorflow(model, folder, tmp_path):
    code = (
        "import sys, detect; detect.main(detect.arguments().parse_args(sys.argv[1:]));"
        "print(sorted({'tensorflow', 'keras', 'tf2onnx', 'pandas', 'onnx'} & set(sys.modules)))"
    )
    line = [sys.executable, "-c", code, str(folder), "--model", str(model), "--output", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert len(labels(tmp_path / "out")) == 3


def test_labels_and_lists_are_equal_byte_for_byte(model, folder, tmp_path):
    outs = [run(model, folder, tmp_path / name, "--format", "coco", "csv") for name in ("one", "two")]
    assert labels(outs[0]) == labels(outs[1])
    for name in ("coco.json", "detections.csv"):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


def test_patterns_and_several_sources(model, folder, tmp_path):
    (folder / "b.txt").write_text("no picture")
    assert set(labels(run(model, folder / "[bc].*", tmp_path / "glob"))) == {"b", "c"}
    assert set(labels(run(model, [folder / "c.png", folder / "a.png"], tmp_path / "two"))) == {"a", "c"}
    other = tmp_path / "other"
    other.mkdir()
    cv2.imwrite(str(other / "b.png"), picture([(8, 8)]))
    out = run(model, tmp_path / "*" / "b.png", tmp_path / "twins" / "out", "--format", "csv")
    table = pd.read_csv(out / "detections.csv")
    assert table[["image", "x1"]].to_numpy().tolist() == [["other/b.png", 112.0], ["pictures/b.png", 64.0]]
    assert len(labels(out)) == 2
    with pytest.raises(UserError, match="no picture matches the pattern"):
        run(model, folder / "*.bmp", tmp_path / "none")


def test_every_and_limit(model, folder, tmp_path):
    assert set(labels(run(model, folder, tmp_path / "every", "--every", "2"))) == {"a", "c"}
    assert set(labels(run(model, folder, tmp_path / "limit", "--limit", "2"))) == {"a", "b"}


def test_a_threshold_above_the_coverage_finds_nothing(model, folder, tmp_path):
    found = labels(run(model, folder, tmp_path / "out", "--threshold", "1.5"))
    assert set(found.values()) == {b""}


def test_deepstreams_settings_are_used_where_the_model_holds_them(folder, tmp_path, caplog):
    # A cell of middling brightness: coverage sigmoid(60 * 0.76 - 45) = 0.65, above 0.5 and below 0.9.
    grey = picture([(5, 6)])
    grey[grey == 250] = 194
    cv2.imwrite(str(folder / "b.png"), grey)
    model = bright_cells(tmp_path / "chosen.onnx", deepstream={"plate": UNCLUSTERED})
    own = labels(run(model, folder, tmp_path / "own"))
    deepstream = labels(run(model, folder, tmp_path / "deepstream", "--clustering", "deepstream"))
    assert boxes_of(own["b"]) == [box(5, 6)]
    assert deepstream["b"] == b""
    assert boxes_of(deepstream["c"]) == boxes_of(own["c"])
    low = run(model, folder, tmp_path / "low", "--clustering", "deepstream", "--threshold", "0.6")
    assert boxes_of(labels(low)["b"]) == [box(5, 6)]
    plain = bright_cells(tmp_path / "plain.onnx")
    assert labels(run(plain, folder, tmp_path / "fallback", "--clustering", "deepstream")) == own
    assert "holds no settings for DeepStream" in caplog.text


def test_classes_of_two_cluster_modes_are_refused(tmp_path):
    """nvinfer has one cluster-mode for all classes."""
    chosen = {"plate": UNCLUSTERED, "car": {"cluster_mode": 2}}
    wanted = Contract(64, 64, ("plate", "car"), deepstream=chosen)
    outputs = np.zeros((1, 2, 4, 4), np.float32), np.zeros((1, 8, 4, 4), np.float32)
    detector = Detector(lambda inputs: outputs, wanted, "deepstream")
    with pytest.raises(UserError, match=r"cluster-modes nms, none.*one for all"):
        detector.detect(picture([], 64, 64))


def interrupted(model, folder, out, monkeypatch, after, *options):
    """A run that is broken off by Ctrl-C when a picture's labels are about to be written."""
    calls, write = iter(range(after)), inferring.Files.write

    def breaking(*arguments):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return write(*arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(inferring.Files, "write", breaking)
        run(model, folder, out, *options)


def looked_at(monkeypatch):
    """Names of the pictures that are decoded from now on."""
    names, load = [], inferring.load
    monkeypatch.setattr(inferring, "load", lambda path: names.append(path.name) or load(path))
    return names


def test_an_interrupted_folder_goes_on_and_ends_the_same(model, folder, tmp_path, monkeypatch):
    formats = ("--format", "coco", "csv")
    whole = run(model, folder, tmp_path / "whole", *formats)
    out = tmp_path / "out"
    interrupted(model, folder, out, monkeypatch, 2, *formats)
    assert set(labels(out)) == {"a", "b"}
    assert not (out / "inference.csv").exists()
    names = looked_at(monkeypatch)
    run(model, folder, out, "--resume", *formats)
    assert names == ["c.png"]
    assert labels(out) == labels(whole)
    for name in ("coco.json", "detections.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_going_on_looks_again_at_what_changed_or_is_gone(model, folder, tmp_path, monkeypatch):
    out = run(model, folder, tmp_path / "out")
    with (out / "inference.jsonl").open("a") as journal:
        journal.write('{"image": "half a li')
    cv2.imwrite(str(folder / "b.png"), picture([(9, 9), (2, 2)]))
    (out / "labels" / "c.txt").unlink()
    names = looked_at(monkeypatch)
    run(model, folder, out, "--resume")
    assert names == ["b.png", "c.png"]
    assert boxes_of(labels(out)["b"]) == sorted([box(9, 9), box(2, 2)])
    run(model, folder, out, "--resume")
    assert names == ["b.png", "c.png"]
    run(model, folder, out)
    assert len(names) == 5


def test_going_on_with_other_settings_is_refused(model, folder, tmp_path):
    out = run(model, folder, tmp_path / "out")
    with pytest.raises(UserError, match="another model or other settings"):
        run(model, folder, out, "--resume", "--threshold", "0.4")
    with pytest.raises(UserError, match="another model or other settings"):
        run(bright_cells(tmp_path / "other.onnx", opset=12), folder, out, "--resume")


def test_the_source_is_never_overwritten(model, folder, tmp_path):
    out = run(model, folder, tmp_path / "out")
    before = {path: path.read_bytes() for path in sorted((out / "images_annotated").iterdir())}
    for source in (out / "images_annotated", next(iter(before)), out / "images_annotated" / "*.jpg"):
        with pytest.raises(UserError, match="the source would be overwritten"):
            run(model, source, out)
    assert {path: path.read_bytes() for path in before} == before
    write_video(out / "annotated.mp4", [picture([])] * 3)
    with pytest.raises(UserError, match="the source would be overwritten"):
        run(model, out / "annotated.mp4", out)
    assert len(frames_of(out / "annotated.mp4")) == 3


def test_unreadable_pictures_are_listed_and_counted(model, folder, tmp_path, caplog):
    (folder / "d.png").write_bytes((folder / "c.png").read_bytes()[:200])
    with caplog.at_level("WARNING", "detectnet"):
        run(model, folder, tmp_path / "out")
    assert "d.png" in caplog.text
    assert "1 of 4 pictures were skipped" in caplog.text
    assert "d" not in labels(tmp_path / "out")


def test_a_window_is_refused_without_a_display(model, folder, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UserError, match=r"needs a display.*Leave --show out"):
        run(model, folder, tmp_path / "out", "--show")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    with pytest.raises(UserError, match="opencv-python-headless"):
        run(model, folder, tmp_path / "out", "--show")
    assert not (tmp_path / "out").exists()


def test_the_window_shows_every_picture_until_it_is_closed(model, folder, tmp_path, monkeypatch):
    """The window is a double: this machine may have none."""
    shown, keys = [], iter([-1, ord("q")])
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "double")
    monkeypatch.setattr(cv2, "imshow", lambda title, frame: shown.append(frame.shape))
    monkeypatch.setattr(cv2, "waitKey", lambda milliseconds: next(keys))
    with pytest.raises(KeyboardInterrupt):
        run(model, folder, tmp_path / "out", "--show")
    assert shown == [(320, 320, 3)] * 2
    assert set(labels(tmp_path / "out")) == {"a", "b"}


def test_a_camera_that_is_not_there(model, tmp_path):
    with pytest.raises(UserError, match="cannot be opened"):
        run(model, "97", tmp_path / "out")


def test_an_uncommon_size_is_in_pixels_of_the_original(model, tmp_path):
    # Twice the input: 32x32 pixels of the original are a cell.
    large = np.kron(picture([(5, 6)]), np.ones((2, 2, 1), np.uint8))
    cv2.imwrite(str(tmp_path / "large.png"), large)
    found = labels(run(model, tmp_path / "large.png", tmp_path / "out"))
    np.testing.assert_allclose(boxes_of(found["large"]), [[2 * edge for edge in box(5, 6)]], atol=0.01)
