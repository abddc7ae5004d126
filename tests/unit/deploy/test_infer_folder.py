"""A folder, a picture and a video through inference, with a network that knows where the rectangle is."""

from __future__ import annotations

import csv
import dataclasses

import cv2
import numpy as np
import pytest
from small_networks import BrightRectangle, contract, network, scene

from detectnet import spec
from detectnet.data.kitti import read_detections
from detectnet.data.pictures import load, save_jpeg
from detectnet.deploy.cluster_params import ClusterParams, load_settings
from detectnet.deploy.inference import opening, output
from detectnet.deploy.inference.inferring import infer
from detectnet.deploy.inference.opening import open_detector, released_model
from detectnet.deploy.runtime import Detector
from detectnet.errors import UserError
from detectnet.network.model import save_model
from detectnet.network.weights import write_hdf5

WANTED = contract(320, 320, ("plate",))
BOX = (200, 120, 360, 200)
PARAMS = """{
  "dbscan_criterion": "IOU",
  "dbscan_eps": {"plate": 0.3, "default": 0.15},
  "dbscan_min_samples": {"default": 0.05},
  "min_cov_to_cluster": {"plate": 0.1},
  "min_obj_height": {"plate": 4},
  "target_classes": ["plate"],
  "confidence_th": {"plate": 0.6},
  "confidence_model": {"plate": {"kind": "aggregate_cov"}},
  "output_map": {"plate": "licence_plate"},
  "color": {"plate": "red"},
  "postproc_classes": ["plate"],
  "image_height": 320, "image_width": 320, "stride": 16
}"""


def detector():
    return Detector(BrightRectangle(WANTED), WANTED)


def rows(out):
    with (out / "inference.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "pictures"
    save_jpeg(source / "b.jpg", scene(640, 480, [BOX]))
    save_jpeg(source / "a.jpg", scene(640, 480, []))
    cv2.imwrite(str(source / "c.png"), scene(320, 320, [(96, 96, 176, 144)]))
    (source / "notes.txt").write_text("not a picture")
    return source


def test_a_folder(folder, tmp_path):
    out = tmp_path / "out"
    lines = infer(detector(), folder, out)
    assert [(one.image, one.detections) for one in lines] == [("a.jpg", 0), ("b.jpg", 1), ("c.png", 1)]
    assert [(row["image"], row["detections"]) for row in rows(out)] == [
        ("a.jpg", "0"),
        ("b.jpg", "1"),
        ("c.png", "1"),
    ]
    assert all(float(row["seconds"]) > 0 for row in rows(out))
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["a.txt", "b.txt", "c.txt"]
    assert (out / "labels" / "a.txt").read_bytes() == b""
    names, boxes, confidence = read_detections(out / "labels" / "b.txt")
    assert names == ["plate"]
    np.testing.assert_allclose(boxes, [BOX], atol=2.1)
    # In the network's input the box is (100, 60, 180, 100), on 5 x 3 cell centres of coverage 0.8.
    assert confidence[0] == pytest.approx(0.8 * 5 * 3)
    (line,) = (out / "labels" / "b.txt").read_text().splitlines()
    assert len(line.split()) == 16
    for name, size in (("a", (480, 640)), ("b", (480, 640)), ("c", (320, 320))):
        assert load(out / "images_annotated" / f"{name}.jpg").shape[:2] == size


def test_a_second_run_leaves_nothing_of_the_first(folder, tmp_path):
    out = tmp_path / "out"
    infer(detector(), folder, out)
    (folder / "a.jpg").unlink()
    infer(detector(), folder, out)
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["b.txt", "c.txt"]
    assert sorted(path.name for path in (out / "images_annotated").iterdir()) == ["b.jpg", "c.jpg"]


def test_what_an_earlier_run_left_goes_without_its_list(folder, tmp_path):
    """Snakemake removes inference.csv before it runs the rule again; stems hold dots."""
    out = tmp_path / "out"
    for name in ("gate.v1_000000", "gate.v1_000001"):
        save_jpeg(folder / f"{name}.jpg", scene(320, 320, []))
    infer(detector(), folder, out)
    (out / "inference.csv").unlink()
    (folder / "gate.v1_000000.jpg").unlink()
    (out / "labels" / "classes.md").write_text("mine")
    (out / "images_annotated" / "notes.txt").write_text("mine")
    infer(detector(), folder, out)
    stems = ["a", "b", "c", "gate.v1_000001"]
    assert sorted(path.name for path in (out / "labels").iterdir()) == [
        "a.txt",
        "b.txt",
        "c.txt",
        "classes.md",
        "gate.v1_000001.txt",
    ]
    left = sorted(path.name for path in (out / "images_annotated").iterdir())
    assert left == sorted([*(f"{stem}.jpg" for stem in stems), "notes.txt"])


def test_a_run_without_pictures_leaves_none_of_an_earlier_one(folder, tmp_path):
    out = tmp_path / "out"
    infer(detector(), folder, out)
    infer(detector(), folder, out, dataclasses.replace(ClusterParams.from_contract(WANTED), overlay=False))
    assert list((out / "images_annotated").iterdir()) == []
    assert len(list((out / "labels").iterdir())) == 3


def test_labels_of_a_data_set_are_never_removed(folder, tmp_path):
    truth = tmp_path / "set" / "labels" / "x.txt"
    truth.parent.mkdir(parents=True)
    truth.write_text("licence plate 0.00 0 0.00 10.000 20.000 90.000 45.000" + " 0.00" * 7 + "\n")
    with pytest.raises(UserError, match="would be overwritten"):
        infer(detector(), folder, tmp_path / "set")
    assert truth.read_text().startswith("licence plate")


def test_detections_of_a_name_with_a_space_are_replaced(folder, tmp_path):
    params = dataclasses.replace(ClusterParams.from_contract(WANTED), names={"plate": "licence plate"})
    for _ in range(2):
        assert len(infer(detector(), folder, tmp_path / "out", params)) == 3


def test_labels_beside_the_pictures_are_not_overwritten(folder, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("the truth")
    with pytest.raises(UserError, match="would be overwritten"):
        infer(detector(), folder, tmp_path)
    assert (tmp_path / "labels" / "a.txt").read_text() == "the truth"


def test_one_picture(folder, tmp_path):
    infer(detector(), folder / "b.jpg", tmp_path / "out")
    assert [row["image"] for row in rows(tmp_path / "out")] == ["b.jpg"]


def test_a_damaged_picture_is_listed_and_skipped(folder, tmp_path, caplog):
    (folder / "d.jpg").write_bytes((folder / "b.jpg").read_bytes()[:3000])
    with caplog.at_level("INFO", "detectnet"):
        infer(detector(), folder, tmp_path / "out")
    assert [row["image"] for row in rows(tmp_path / "out")] == ["a.jpg", "b.jpg", "c.png"]
    assert "d.jpg" in caplog.text
    assert "1 of 4 pictures were skipped" in caplog.text


def test_nothing_but_damaged_pictures(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"junk")
    with pytest.raises(UserError, match="none of 1 pictures can be read"):
        infer(detector(), tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no pictures"),
        (
            lambda path: [save_jpeg(path / "deep" / f"{name}.jpg", scene(64, 64, [])) for name in "xy"],
            "no pictures itself, its sub-folders hold 2. .*Name the sub-folder, as .*/in/deep",
        ),
    ],
    ids=["missing", "empty", "pictures further down"],
)
def test_sources_that_cannot_be_used(tmp_path, make, message):
    make(tmp_path / "in")
    with pytest.raises(UserError, match=message):
        infer(detector(), tmp_path / "in", tmp_path / "out")


def test_pictures_that_share_a_stem_are_told_apart(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    save_jpeg(source / "car.jpg", scene(640, 480, [BOX]))
    cv2.imwrite(str(source / "car.png"), scene(640, 480, []))
    save_jpeg(source / "bus.jpg", scene(640, 480, [BOX]))
    infer(detector(), source, out)
    found = {path.stem: len(path.read_text().splitlines()) for path in (out / "labels").iterdir()}
    assert found == {"bus": 1, "car_jpg": 1, "car_png": 0}
    assert {path.stem for path in (out / "images_annotated").iterdir()} == set(found)
    assert [row["image"] for row in rows(out)] == ["bus.jpg", "car.jpg", "car.png"]


def test_cluster_params_change_thresholds_names_and_colours(folder, tmp_path):
    params = ClusterParams.from_message(spec.parse(PARAMS, "cluster_params"))
    infer(detector(), folder, tmp_path / "out", params)
    names, _, _ = read_detections(tmp_path / "out" / "labels" / "b.txt")
    assert names == ["licence_plate"]
    drawn = load(tmp_path / "out" / "images_annotated" / "b.jpg").astype(int)
    red = (drawn[..., 0] > 150) & (drawn[..., 1] < 90) & (drawn[..., 2] < 90)
    assert red[100:220, 190:370].sum() > 300
    assert red[300:].sum() == 0


def test_a_class_that_is_not_asked_for_is_not_reported(folder, tmp_path):
    params = dataclasses.replace(ClusterParams.from_contract(WANTED), shown=("car",))
    assert sum(one.detections for one in infer(detector(), folder, tmp_path / "out", params)) == 0


def test_cluster_params_of_another_network_are_refused(folder, tmp_path):
    params = ClusterParams.from_message(spec.parse(PARAMS.replace("plate", "car"), "cluster_params"))
    with pytest.raises(UserError, match=r"target classes are car.*Allowed: plate"):
        infer(detector(), folder, tmp_path / "out", params)


INFERENCE = """
inferencer_config { target_classes: "plate" image_width: 320 image_height: 320 tlt_config { model: "m.tlt" } }
bbox_handler_config { kitti_dump: true overlay_linewidth: 9
  classwise_bbox_handler_config { key: "default" value { clustering_config { clustering_algorithm: DBSCAN
    coverage_threshold: 0.1 dbscan_eps: 0.3 dbscan_min_samples: 0.05 dbscan_confidence_threshold: 0.6 }
    output_map: "licence_plate" bbox_color { R: 255 G: 0 B: 255 } } } }
"""


def inferred(folder, out, *changes):
    text = INFERENCE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    settings = folder.parent / "inference.prototxt"
    settings.write_text(text)
    return infer(detector(), folder, out, ClusterParams.from_message(load_settings(settings)))


def magenta(picture):
    return (picture[..., 0] > 170) & (picture[..., 1] < 90) & (picture[..., 2] > 170)


def test_an_inference_spec_says_colour_and_width(folder, tmp_path):
    inferred(folder, tmp_path / "out")
    drawn = load(tmp_path / "out" / "images_annotated" / "b.jpg").astype(int)
    # A row through the middle of the box crosses two lines of nine pixels.
    assert magenta(drawn[150]).sum() == pytest.approx(18, abs=4)
    assert not magenta(drawn[250]).any()


def test_the_name_of_a_class_without_an_entry_is_its_own(folder, tmp_path):
    inferred(folder, tmp_path / "out")
    assert read_detections(tmp_path / "out" / "labels" / "b.txt")[0] == ["plate"]
    inferred(folder, tmp_path / "out", ('key: "default"', 'key: "plate"'))
    assert read_detections(tmp_path / "out" / "labels" / "b.txt")[0] == ["licence_plate"]


@pytest.mark.parametrize(
    ("dump", "labels"), [("kitti_dump: true", 3), ("kitti_dump: false", 0), ("", 3)], ids=str
)
def test_labels_are_left_out_only_when_the_spec_says_so(folder, tmp_path, dump, labels):
    lines = inferred(folder, tmp_path / "out", ("kitti_dump: true", dump))
    assert len(list(tmp_path.glob("out/labels/*.txt"))) == labels
    assert [one.detections for one in lines] == [0, 1, 1]
    assert len(list(tmp_path.glob("out/images_annotated/*.jpg"))) == 3


def test_a_spec_without_overlay_writes_no_pictures(folder, tmp_path):
    inferred(folder, tmp_path / "out", ("kitti_dump", "disable_overlay: true kitti_dump"))
    assert len(list(tmp_path.glob("out/labels/*.txt"))) == 3
    assert not list(tmp_path.glob("out/images_annotated/*"))


def test_a_spec_of_another_kind_says_what_it_is(tmp_path):
    path = tmp_path / "data.cfg"
    path.write_text(
        'kitti_config { root_directory_path: "a" image_dir_name: "b" label_dir_name: "c" val_split: 14 }'
    )
    with pytest.raises(UserError, match=r"dataset spec.*Allowed: an inference spec"):
        load_settings(path)


def test_only_the_wanted_kinds_of_files_count(folder, tmp_path):
    lines = infer(detector(), folder, tmp_path / "out", suffixes=(".png",))
    assert [one.image for one in lines] == ["c.png"]
    with pytest.raises(UserError, match=r"no pictures\. Allowed: \.ppm"):
        infer(detector(), folder, tmp_path / "out", suffixes=(".ppm",))


@pytest.mark.parametrize("name", ["model.keras", "model.hdf5"])
def test_a_keras_network_takes_its_classes_from_the_caller(tmp_path, name):
    wanted = contract(96, 64, ("plate", "car"))
    made = network(wanted)
    (save_model if name.endswith("keras") else write_hdf5)(made, tmp_path / name)
    opened = open_detector(tmp_path / name, classes=("plate", "car"))
    assert opened.contract.shapes == wanted.shapes
    assert opened.contract.classes == ("plate", "car")
    picture = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    _, expected = made(picture.transpose(0, 2, 3, 1), training=False)
    cov, _ = opened.network(picture)
    np.testing.assert_allclose(cov[0], np.moveaxis(np.asarray(expected)[0], -1, 0), atol=1e-5)
    with pytest.raises(UserError, match=r"1 classes are named: plate\. Allowed: 2"):
        open_detector(tmp_path / name, classes=("plate",))


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "gate.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 480))
    for number in range(20):
        box = (100 + 10 * number, 120, 260 + 10 * number, 200)
        writer.write(np.ascontiguousarray(scene(640, 480, [box] if number % 5 else [])))
    writer.release()
    return path


def test_a_video(video, tmp_path):
    out = tmp_path / "out"
    lines = infer(detector(), video, out)
    assert [one.image for one in lines] == [f"gate_{number:06d}" for number in range(20)]
    assert [one.detections for one in lines] == [int(number % 5 > 0) for number in range(20)]
    assert len(list((out / "labels").iterdir())) == 20
    _, boxes, _ = read_detections(out / "labels" / "gate_000007.txt")
    np.testing.assert_allclose(boxes, [(170, 120, 330, 200)], atol=4)
    assert len(list((out / "images_annotated").iterdir())) == 10
    made = cv2.VideoCapture(str(out / "annotated.mp4"))
    assert made.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    frames = [made.read()[1] for _ in range(int(made.get(cv2.CAP_PROP_FRAME_COUNT)))]
    assert len(frames) == 20
    assert frames[7].shape == (480, 640, 3)
    # A green box on a grey picture, in a frame with a rectangle and not in one without.
    greenness = [int((frame[..., 1].astype(int) - frame[..., 2] > 60).sum()) for frame in frames]
    assert greenness[7] > 300 > 50 > greenness[5]


@pytest.mark.parametrize("where", ["network", "frame", "video"])
def test_an_interrupted_video_keeps_what_was_seen(video, tmp_path, monkeypatch, where):
    out, interrupted = tmp_path / "out", detector()

    def after(count, function):
        calls = iter(range(count))

        def called(*arguments):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return function(*arguments)

        return called

    if where == "network":
        interrupted.network = after(7, interrupted.network)
    elif where == "frame":
        monkeypatch.setattr(cv2, "cvtColor", after(20, cv2.cvtColor))
    else:
        monkeypatch.setattr(output, "save_jpeg", after(3, save_jpeg))
    lines = infer(interrupted, video, out)
    assert 0 < len(lines) < 20
    assert [row["image"] for row in rows(out)] == [f"gate_{number:06d}" for number in range(len(lines))]
    assert [path.stem for path in sorted((out / "labels").iterdir())] == [one.image for one in lines]
    made = cv2.VideoCapture(str(out / "annotated.mp4"))
    assert int(made.get(cv2.CAP_PROP_FRAME_COUNT)) == len(lines)


@pytest.mark.parametrize("content", [None, b"junk"])
def test_a_video_that_cannot_be_opened(tmp_path, content):
    if content:
        (tmp_path / "gate.mp4").write_bytes(content)
    with pytest.raises(UserError, match="video"):
        infer(detector(), tmp_path / "gate.mp4", tmp_path / "out")
    assert not (tmp_path / "out" / "inference.csv").exists()


def test_without_a_released_model_the_error_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr(opening, "RELEASED", tmp_path / "plates.onnx")
    with pytest.raises(UserError, match=r"plates.onnx.*--model"):
        released_model()
    (tmp_path / "plates.onnx").touch()
    assert released_model() == tmp_path / "plates.onnx"


@pytest.mark.parametrize(("name", "message"), [("model.keras", "--spec"), ("model.etlt", "unknown")])
def test_a_model_that_cannot_be_opened(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        open_detector(tmp_path / name)
