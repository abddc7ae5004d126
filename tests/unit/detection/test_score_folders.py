"""A folder of detections against a folder of labels: a case by hand, and pycocotools on a random one."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from test_correct_ap import CLASSES, NEUTRAL_BELOW, evaluated, scenes

import score_detections
from detectnet.data import kitti
from detectnet.detection.folders import score_folders
from detectnet.errors import UserError


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "labels", tmp_path / "found"


def label(folder, name, *boxes, kind="plate"):
    kitti.write_labels(folder / f"{name}.txt", [kitti.Label(kind, box=box) for box in boxes])


def detections(folder, name, *rows, kind="plate"):
    boxes = np.array([row[1:] for row in rows], dtype=float).reshape(-1, 4)
    kitti.write_detections(folder / f"{name}.txt", [kind] * len(rows), boxes, [row[0] for row in rows])


def by_hand(labels, found):
    """Three plates that count and a narrow one: hit .9, false .8, hit .6, and .5 on the narrow one."""
    label(labels, "a/1", (0, 0, 60, 20), (100, 100, 160, 120))
    label(labels, "a/2", (0, 0, 60, 20), (200, 0, 210, 20))
    label(labels, "b")
    detections(found, "a/1", (0.9, 0, 0, 60, 20))
    detections(found, "a/2", (0.6, 3, 0, 60, 20), (0.5, 200, 0, 210, 20))
    detections(found, "b", (0.8, 5, 5, 30, 30))


def test_a_case_by_hand(folders, caplog):
    by_hand(*folders)
    with caplog.at_level(logging.INFO, "detectnet"):
        made = score_folders(*folders, minimum_width=20)
    # A third at precision 1, a third at 2/3.
    assert made["mAP"] == made["AP"]["plate"] == pytest.approx(1 / 3 + 2 / 9)
    assert (made["images"], made["objects"]) == (3, 3)
    low, high = made["mAP_interval"]
    assert 0 <= low < made["mAP"] < high <= 1
    assert (made["threshold"], made["precision"], made["recall"]) == (0.6, 2 / 3, pytest.approx(2 / 3))
    assert made["false_alarms_per_image"] == 1.0
    assert "mAP 0.5556 [" in caplog.text
    # With the narrow plate: four to find, its detection the third hit at precision 3/4, of all four.
    assert score_folders(*folders)["mAP"] == pytest.approx(1 / 4 + 2 / 4 * 3 / 4)


def test_the_command_says_the_same(folders, caplog):
    by_hand(*folders)
    given = ["--ground-truth", str(folders[0]), "--detections", str(folders[1]), "--iou", "0.5"]
    with caplog.at_level(logging.INFO, "detectnet"):
        score_detections.main(score_detections.arguments().parse_args([*given, "--minimum-width", "20"]))
    assert "3 pictures, 3 objects, IoU 0.5" in caplog.text
    assert "best F1 0.6667 (precision 0.6667, recall 0.6667) at confidence 0.6" in caplog.text


def test_several_classes_are_those_of_pycocotools(folders):
    made = scenes(5, 12)
    for index, scene in enumerate(made):
        labels = [kitti.Label(name, box=tuple(box)) for name in CLASSES for box in scene[name][0].tolist()]
        kitti.write_labels(folders[0] / f"{index:03}.txt", labels)
        names = [name for name in CLASSES for _ in scene[name][1]]
        boxes = np.concatenate([scene[name][1] for name in CLASSES])
        confidence = np.concatenate([scene[name][2] for name in CLASSES])
        kitti.write_detections(folders[1] / f"{index:03}.txt", names, boxes, confidence)
    row = score_folders(*folders, minimum_width=NEUTRAL_BELOW)
    for number, name in enumerate(CLASSES):
        truths = sum(int((one[name][0][:, 2] - one[name][0][:, 0] >= NEUTRAL_BELOW).sum()) for one in made)
        expected = evaluated(made, 0.5, np.arange(1, truths + 1) / truths)[:, number].mean()
        assert row["AP"][name] == pytest.approx(expected, abs=1e-6)


def test_what_is_left_out_is_said(folders, caplog):
    by_hand(*folders)
    label(folders[0], "c", (0, 0, 60, 20), kind="DontCare")
    detections(folders[1], "unknown", (0.9, 0, 0, 60, 20))
    detections(folders[1], "c", (0.9, 0, 0, 60, 20), kind="dog")
    with caplog.at_level(logging.INFO, "detectnet"):
        made = score_folders(*folders, minimum_width=20)
    assert made["mAP"] == pytest.approx(1 / 3 + 2 / 9)
    assert "1 detection files without a label file were left out: unknown." in caplog.text
    assert "1 classes of detections have no ground truth and were left out: dog." in caplog.text
    assert "1 DontCare labels were left out." in caplog.text
    (folders[1] / "b.txt").unlink()
    with caplog.at_level(logging.INFO, "detectnet"):
        score_folders(*folders)
    assert "1 pictures without a detection file count as without detections: b." in caplog.text


def test_what_cannot_be_scored(folders):
    with pytest.raises(UserError, match="the folder does not exist"):
        score_folders(*folders)
    by_hand(*folders)
    with pytest.raises(UserError, match="above 0 and up to 1"):
        score_folders(*folders, iou=1.5)
    (folders[0] / "empty").mkdir()
    with pytest.raises(UserError, match="no label files"):
        score_folders(folders[0] / "empty", folders[1])
    with pytest.raises(UserError, match="name of a label file"):
        score_folders(folders[0] / "a", folders[1])
    label(folders[0] / "nothing", "b")
    with pytest.raises(UserError, match="no labelled object"):
        score_folders(folders[0] / "nothing", folders[1])
