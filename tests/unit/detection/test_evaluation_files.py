"""A whole evaluation of six pictures whose figures are worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from detectnet.contract import Contract
from detectnet.detection.collecting import PictureResult
from detectnet.detection.evaluation import evaluate
from detectnet.errors import UserError
from detectnet.spec.build import Builder
from detectnet.spec.schema_detection import EVALUATION_CONFIG, POSTPROCESSING_CONFIG
from detectnet.spec.text import read

SIZE = 320
POSTPROCESSING = """
target_class_config {{ key: "{name}" value {{ clustering_config {{
  coverage_threshold: 0.005 dbscan_eps: 0.2 dbscan_min_coverage: 0.05 {more} }} }} }}
"""
OVERLAP = """
minimum_detection_ground_truth_overlap {{ key: "{name}" value: {iou} }}
evaluation_box_config {{ key: "{name}" value {{
  minimum_width: 10 maximum_width: 9999 minimum_height: 4 maximum_height: 9999 }} }}
"""
NEUTRAL = "minimum_width_neutral: 6"


class Timed(list):
    """Predictions that know how long the network took."""

    seconds_per_image = 0.01


def message(table, text):
    return Builder(table, "spec.cfg").build(read(text)[0])


def settings(names=("plate",), ious=(0.5,), more="", clustering=""):
    evaluation = (
        "".join(OVERLAP.format(name=name, iou=iou) for name, iou in zip(names, ious, strict=True)) + more
    )
    post = "".join(POSTPROCESSING.format(name=name, more=clustering) for name in names)
    return message(EVALUATION_CONFIG, evaluation), message(POSTPROCESSING_CONFIG, post)


def picture(stem, truth=(), found=(), names=("plate",), truth_name="plate"):
    """A picture with truth boxes, and detections (class index, coverage, box), one cell for each."""
    cov = np.zeros((len(names), SIZE // 16, SIZE // 16), np.float32)
    bbox = np.zeros((4 * len(names), SIZE // 16, SIZE // 16), np.float32)
    for index, coverage, (x1, y1, x2, y2) in found:
        column, row = int((x1 + x2) / 2 // 16), int((y1 + y2) / 2 // 16)
        x, y = 16 * column + 0.5, 16 * row + 0.5
        cov[index, row, column] = coverage
        bbox[4 * index : 4 * index + 4, row, column] = np.array([x - x1, y - y1, x2 - x, y2 - y]) / 35
    boxes = np.array(truth, dtype=np.float32).reshape(-1, 4)
    return PictureResult(f"images/{stem}", "s", boxes, [truth_name] * len(boxes), cov, bbox)


def six():
    return [
        picture("a", [(32, 32, 96, 64)], [(0, 0.9, (32, 32, 96, 64))]),
        picture("b", [(20, 20, 40, 30)], [(0, 0.8, (28, 26, 48, 36))]),
        picture("c", [], [(0, 0.7, (100, 100, 200, 150))]),
        picture("d"),
        picture("e", [(100, 100, 140, 120)], [(0, 0.6, (100, 100, 140, 120))]),
        picture("f", [(200, 200, 205, 205)], [(0, 0.5, (200, 200, 205, 205))]),
    ]


def run(out, pictures, names=("plate",), **changes):
    contract = Contract(SIZE, SIZE, names)
    return evaluate(Timed(pictures), contract, *settings(names, **changes), "train", out)


def row(metrics, clustering="tlt", ap="correct", iou=0.5):
    (found,) = [
        one
        for one in metrics["results"]
        if (one["clustering"], one["ap"], one["iou"]) == (clustering, ap, iou)
    ]
    return found


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    run(out, six(), more=NEUTRAL)
    return out


@pytest.fixture
def metrics(evaluated):
    return json.loads((evaluated / "metrics.json").read_text())


def test_the_head_of_metrics_json(metrics):
    assert {key: metrics[key] for key in ("stage", "images", "objects", "seconds_per_image")} == {
        "stage": "train",
        "images": 6,
        "objects": 4,
        "seconds_per_image": 0.01,
    }
    # Hit .9, false .8, false .7, hit .6 of three plates: 1/3 at precision 1 and 1/3 at 1/2.
    assert metrics["mAP"] == pytest.approx(0.5)
    assert metrics["objects_by_width"]["0-8"] == 1
    low, high = metrics["mAP_interval"]
    assert 0 <= low < 0.5 < high <= 1


def test_the_rows_of_metrics_json(metrics):
    rows = [(one["clustering"], one["ap"], one["iou"]) for one in metrics["results"]]
    kinds = [("correct", 0.5), ("correct", 0.7), ("tao-integrate", 0.5), ("tao-sample", 0.5)]
    assert rows == [(clustering, *kind) for clustering in ("tlt", "nms") for kind in kinds]
    for one in metrics["results"]:
        assert set(one) == {
            *("clustering", "ap", "iou", "mAP", "mAP_interval", "AP", "AP_by_width"),
            *("threshold", "precision", "recall", "f1", "false_alarms_per_image"),
        }


@pytest.mark.parametrize("clustering", ["tlt", "nms"])
@pytest.mark.parametrize(
    ("ap", "expected"), [("correct", 0.5), ("tao-integrate", 1 / 3), ("tao-sample", (4 * 1 + 3 * 0.5) / 11)]
)
def test_average_precision_of_six_pictures(metrics, clustering, ap, expected):
    found = row(metrics, clustering, ap)
    assert found["mAP"] == pytest.approx(expected)
    assert found["AP"] == {"plate": pytest.approx(expected)}


def test_the_operating_point_is_that_of_the_best_f1(metrics):
    found = row(metrics)
    assert found["threshold"] == pytest.approx(0.6)
    assert found["precision"] == pytest.approx(0.5)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(4 / 7)
    # One of the two pictures without a plate has a detection at or above the threshold.
    assert found["false_alarms_per_image"] == pytest.approx(0.5)


def test_average_precision_by_width_sees_only_its_own_widths(metrics):
    by_width = row(metrics)["AP_by_width"]
    assert by_width == {
        "0-8": None,
        "8-16": None,
        "16-24": 0.0,
        "24-32": None,
        "32-48": pytest.approx(1.0),
        "48-64": None,
        "64-96": pytest.approx(1.0),
        "96-128": None,
        "128+": None,
    }


def test_the_edges_of_the_bins_come_from_the_spec(tmp_path):
    metrics = run(tmp_path, six(), more="width_edges: 30 width_edges: 50.5")
    assert metrics["objects_by_width"] == {"0-30": 2, "30-50.5": 1, "50.5+": 1}


def test_a_detection_on_narrow_truth_counts_unless_it_is_neutral(tmp_path):
    # Five detections, three hits of four plates: 1/4 at 1, 2/4 at 3/5.
    assert run(tmp_path, six())["mAP"] == pytest.approx(1 / 4 + 2 / 4 * 3 / 5)


def test_pictures_table_lists_those_without_anything_too(evaluated):
    table = pd.read_csv(evaluated / "pictures.csv")
    assert list(table) == ["image", "source", "half", "objects"]
    assert table["image"].tolist() == [f"images/{stem}" for stem in "abcdef"]
    assert table["objects"].tolist() == [1, 1, 0, 0, 1, 1]
    # Of pictures with plates and of those without, each half has as many.
    assert table["half"].tolist() == [1, 2, 1, 2, 1, 2]


def test_all_sizes_stand_beside_the_headline(metrics):
    assert metrics["minimum_width_neutral"] == 6
    found = metrics["all_sizes"]
    # The narrow plate counts: hits .9, .6 and .5 of four plates, false .8 and .7.
    assert (found["objects_counted"], found["mAP"]) == (4, pytest.approx(1 / 4 + 2 / 4 * 3 / 5))
    assert found["mAP70"] == found["mAP"]
    low, high = found["mAP_interval"]
    assert 0 <= low < found["mAP"] < high <= 1
    for one in metrics["results"]:
        low, high = one["mAP_interval"]
        assert 0 <= low < one["mAP"] < high <= 1
    assert metrics["mAP_interval"] == row(metrics)["mAP_interval"]


def test_the_thresholds_of_the_halves_are_applied_across(metrics):
    # First half a c e: hits .9 .6, false .7: best F1 at .6, 4/5. Second half b d f: false .8, one plate, and
    # a neutral one: every threshold has F1 0, and the highest is taken.
    # At .8 of the second, a counts in the first half; at .6 of the first, the false one of b in the second.
    found = metrics["cross_fitted"]
    assert found["thresholds"] == [pytest.approx(0.6), pytest.approx(0.8)]
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 2), pytest.approx(1 / 3))
    assert found["f1"] == pytest.approx(2 / 5)
    assert (found["false_alarms_per_image"], found["images_without_objects"]) == (0.0, 2)
    assert metrics["unseen_negatives"] is None


def of(source, found):
    return dataclasses.replace(found, source=source)


def test_every_source_is_measured_at_the_deployed_threshold(tmp_path):
    pictures = [of("far" if one.frame_id[-1] in "abc" else "near", one) for one in six()]
    metrics = run(tmp_path, pictures, more=NEUTRAL)
    far, near = (metrics["by_source"][name] for name in ("far", "near"))
    # far: hit .9, false .8 and .7 of two plates; near: hit .6 of one plate, and a neutral one.
    assert (far["images"], far["images_without_objects"], far["objects"]) == (3, 1, 2)
    assert (far["mAP"], far["precision"], far["recall"]) == (
        pytest.approx(1 / 2),
        pytest.approx(1 / 3),
        pytest.approx(1 / 2),
    )
    assert far["false_alarms_per_image"] == 1.0
    assert (near["objects"], near["objects_counted"], near["all_sizes"]["objects_counted"]) == (2, 1, 2)
    assert (near["mAP"], near["mAP_interval"]) == (1.0, [1.0, 1.0])
    assert (near["precision"], near["recall"], near["false_alarms_per_image"]) == (1.0, 1.0, 0.0)


def test_unseen_pictures_are_counted_for_false_alarms_and_nothing_else(tmp_path):
    kept = [
        of("kept", picture("x", [], [(0, 0.85, (100, 100, 200, 150)), (0, 0.7, (10, 200, 60, 230))])),
        of("kept", picture("y")),
        of("kept", picture("z", [(20, 20, 60, 40)], [(0, 0.95, (200, 200, 240, 220))])),
    ]
    plain = run(tmp_path / "plain", [*six(), of("kept", picture("v"))], more=NEUTRAL)
    contract, (evaluation, post) = Contract(SIZE, SIZE, ("plate",)), settings(more=NEUTRAL)
    pictures = Timed([*six(), of("kept", picture("v"))])
    metrics = evaluate(pictures, contract, evaluation, post, "train", tmp_path, unseen=kept)
    found = metrics.pop("unseen_negatives")
    assert plain.pop("unseen_negatives") is None
    assert metrics == plain
    # Of the kept source v, x and y are empty: v and y are in the first half, x in the second, whose
    # detections are held against the first half's .6; z has a plate.
    assert (found["images"], found["false_alarms_per_image"]) == (3, pytest.approx(2 / 3))
    low, high = found["false_alarms_per_image_interval"]
    assert low == 0.0 and high in (4 / 3, 2.0)
    assert found["by_source"] == {"kept": {"images": 3, "false_alarms_per_image": pytest.approx(2 / 3)}}


def test_look_alikes_are_in_one_half(tmp_path):
    contract, (evaluation, post) = Contract(SIZE, SIZE, ("plate",)), settings(more=NEUTRAL)
    groups = {("s", f"images/{stem}"): "film" for stem in "abf"}
    evaluate(Timed(six()), contract, evaluation, post, "train", tmp_path, groups=groups)
    table = pd.read_csv(tmp_path / "pictures.csv")
    half = dict(zip(table["image"].str[-1], table["half"], strict=True))
    assert half["a"] == half["b"] == half["f"] != half["e"]
    assert half["c"] != half["d"]


def test_detections_table(evaluated):
    table = pd.read_csv(evaluated / "detections.csv")
    assert list(table) == ["image", "source", "class", "confidence", "x1", "y1", "x2", "y2", "outcome", "iou"]
    assert dict(zip(table["image"], table["outcome"], strict=True)) == {
        "images/a": "tp",
        "images/b": "fp",
        "images/c": "fp",
        "images/e": "tp",
        "images/f": "neutral",
    }
    b = table[table["image"] == "images/b"].iloc[0]
    assert (b["x1"], b["y1"], b["x2"], b["y2"], b["confidence"]) == (28, 26, 48, 36, 0.8)
    assert b["iou"] == pytest.approx(12 * 4 / (2 * 200 - 48), abs=1e-4)


def test_ground_truth_table(evaluated):
    table = pd.read_csv(evaluated / "ground_truth.csv")
    assert list(table)[:8] == ["image", "source", "class", "x1", "y1", "x2", "y2", "outcome"]
    assert table["outcome"].tolist() == ["found", "missed", "found", "neutral"]
    assert table["confidence"].fillna(0).tolist() == [0.9, 0.0, 0.6, 0.0]


def test_curve_table(evaluated):
    table = pd.read_csv(evaluated / "pr_curve.csv")
    assert table["class"].tolist() == ["plate", "plate"]
    np.testing.assert_allclose(table["threshold"], [0.9, 0.6], atol=1e-6)
    np.testing.assert_allclose(table["recall"], [1 / 3, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(table["precision"], [1.0, 0.5])
    assert table[["hits", "false"]].to_numpy().tolist() == [[1, 0], [2, 2]]


def test_figures_are_pictures(evaluated):
    for name in ("pr_curve.png", "ap_by_width.png", "confidence.png"):
        with Image.open(evaluated / name) as opened:
            assert np.unique(np.asarray(opened)).size > 3, f"{name} is blank"


def test_files_are_the_same_in_any_order_of_pictures(evaluated, tmp_path):
    run(tmp_path, six()[::-1], more=NEUTRAL)
    names = sorted(one.name for one in evaluated.iterdir())
    assert names == sorted(one.name for one in tmp_path.iterdir())
    for name in names:
        assert (evaluated / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_perfect_detections_of_all_pictures(tmp_path):
    boxes = [(20 + 30 * k, 40, 60 + 30 * k, 60) for k in range(5)]
    metrics = run(
        tmp_path, [picture(str(k), [box], [(0, 0.9 - k / 100, box)]) for k, box in enumerate(boxes)]
    )
    assert metrics["mAP"] == 1.0
    assert metrics["mAP_interval"] == [1.0, 1.0]
    assert row(metrics, ap="tao-integrate")["mAP"] == pytest.approx(4 / 5)
    assert row(metrics)["false_alarms_per_image"] is None, "no picture is without a plate"


def test_a_class_without_truth_has_no_value_and_counts_as_zero_for_tao_only(tmp_path, caplog):
    two = ("plate", "truck")
    box = (32, 32, 96, 64)
    pictures = [picture(stem, [box], [(0, 0.9, box)], names=two) for stem in "ab"]
    with caplog.at_level(logging.WARNING, logger="detectnet"):
        metrics = run(tmp_path, pictures, two, ious=(0.7, 0.6))
    assert metrics["mAP"] == pytest.approx(1.0)
    assert row(metrics)["AP"] == {"plate": pytest.approx(1.0), "truck": None}
    differing = row(metrics, ap="tao-integrate", iou={"plate": 0.7, "truck": 0.6})
    assert differing["AP"] == {"plate": 0.5, "truck": 0.0}
    assert differing["mAP"] == 0.25
    assert "no ground truth of the class 'truck'" in caplog.text


@pytest.mark.parametrize("field", ["dbscan_confidence_threshold", "nms_confidence_threshold"])
def test_the_thresholds_of_the_spec_cut_nothing_before_scoring(evaluated, metrics, tmp_path, field):
    cut = run(tmp_path, six(), more=NEUTRAL, clustering=f"{field}: 0.65")
    for clustering in ("tlt", "nms"):
        assert row(cut, clustering) == row(metrics, clustering)
    assert cut["deployed"] == metrics["deployed"]
    for name in ("detections.csv", "ground_truth.csv", "pr_curve.csv"):
        assert (tmp_path / name).read_bytes() == (evaluated / name).read_bytes()


@pytest.mark.parametrize(
    ("field", "filtered", "whole"),
    [("nms_confidence_threshold", "tlt", "nms"), ("dbscan_confidence_threshold", "nms", "tlt")],
)
def test_tao_kinds_are_cut_at_the_threshold_of_the_other_algorithm(tmp_path, field, filtered, whole):
    metrics = run(tmp_path, six(), more=NEUTRAL, clustering=f"{field}: 0.65")
    # Left are hit .9, false .8, false .7 of three plates: one recall value, 1/3, at precision 1.
    assert row(metrics, filtered, "tao-integrate")["mAP"] == 0.0
    assert row(metrics, filtered, "tao-sample")["mAP"] == pytest.approx(4 / 11)
    assert row(metrics, filtered, "tao-sample")["threshold"] == pytest.approx(0.9)
    assert row(metrics, whole, "tao-integrate")["mAP"] == pytest.approx(1 / 3)


def test_the_deployed_row_is_named_wherever_the_spec_overlap_stands(tmp_path):
    metrics = run(tmp_path, six(), more=NEUTRAL, ious=(0.6,))
    assert metrics["results"][0]["iou"] == pytest.approx(0.6)
    deployed = metrics["deployed"]
    assert (deployed["clustering"], deployed["ap"], deployed["iou"]) == ("tlt", "correct", 0.5)
    assert deployed["threshold"] == pytest.approx(0.6)
    assert (deployed["precision"], deployed["recall"]) == (pytest.approx(0.5), pytest.approx(2 / 3))
    assert deployed["false_alarms_per_image"] == pytest.approx(0.5)
    assert deployed["f1"] == pytest.approx(4 / 7)
    assert set(deployed) <= set(row(metrics))


@pytest.mark.parametrize("truth_name", ["plate", "Plate"])
@pytest.mark.parametrize("key", ["plate", "Plate"])
def test_a_class_with_capitals_is_scored(tmp_path, key, truth_name):
    box = (32, 32, 96, 64)
    predictions = Timed([picture("a", [box], [(0, 0.9, box)], truth_name=truth_name)])
    metrics = evaluate(predictions, Contract(SIZE, SIZE, ("Plate",)), *settings((key,)), "train", tmp_path)
    assert row(metrics)["AP"] == {"Plate": 1.0}
    assert metrics["objects"] == 1


def test_pictures_without_any_detection_or_truth(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="detectnet"):
        metrics = run(tmp_path, [picture("a"), picture("b")])
    assert metrics["mAP"] is None
    assert metrics["mAP_interval"] is None
    assert row(metrics)["threshold"] is None
    assert "None" not in caplog.text
    assert len(pd.read_csv(tmp_path / "detections.csv")) == 0
    assert "No cell's coverage is above coverage_threshold" in caplog.text


def test_what_leads_to_a_silent_zero_is_said(tmp_path, caplog):
    lone = "minimum_bounding_box_height: 300"
    broken = six()
    broken[3].bbox[0, 0, 0] = np.inf
    with caplog.at_level(logging.WARNING, logger="detectnet"):
        run(tmp_path, [*broken, picture("g", [(1, 1, 20, 20)], truth_name="car")], clustering=lone)
    assert "no cluster passes: look at dbscan_min_samples" in caplog.text
    assert "1 pictures have outputs that are not finite" in caplog.text
    assert "leaves out 1 of 4 ground truths of 'plate'" in caplog.text
    assert "1 'car'" in caplog.text


def test_mistakes_are_refused_with_their_place(tmp_path):
    with pytest.raises(UserError, match="no picture to evaluate"):
        run(tmp_path, [])
    with pytest.raises(UserError, match=r"none of the ground truth.*plate.*target_class_mapping"):
        run(tmp_path, [picture("a", [(1, 1, 20, 20)], truth_name="lpd")])
    evaluation, post = settings(("plates",))
    with pytest.raises(
        UserError, match=r"spec\.cfg.*overlap.*'plate'.*'plates'|evaluation_box_config.*'plate'"
    ):
        evaluate(iter(six()), Contract(SIZE, SIZE, ("plate",)), evaluation, post, "train", tmp_path)
