"""An evaluation with DeepStream: what gets into metrics.json, on six pictures worked out by hand."""

from __future__ import annotations

import json
import logging

import numpy as np
import pandas as pd
import pytest
from test_evaluation_files import NEUTRAL, SIZE, Timed, picture, row, settings, six

from detectnet.contract import Contract
from detectnet.detection.deepstream_truth import DeepStream
from detectnet.detection.deepstream_views import Seen, View
from detectnet.detection.evaluation import evaluate
from detectnet.detection.goals import Goal
from detectnet.errors import UserError

PLAIN, NEAREST, WIDE = View("bilinear"), View("nearest"), View("bilinear", "640x320")
MODES = ("nms", "dbscan", "hybrid", "none")
NMS = {"cluster_mode": 2, "pre_cluster_threshold": 0.65, "nms_iou_threshold": 0.4}


class Shows:
    """A camera with ready outputs: as the records have them, nothing but the first, and stretched."""

    views = (PLAIN, NEAREST, WIDE)

    def __init__(self):
        self.asked = []
        self.plain = {one.frame_id: one for one in six()}
        self.wide = {
            one.frame_id: picture("", (), [(0, 0.9, (16, 32, 48, 64))] if one.frame_id == "images/a" else [])
            for one in six()
        }

    def __call__(self, source, frame_id):
        self.asked.append((source, frame_id))
        one, wide = self.plain[frame_id], self.wide[frame_id]
        blind = np.zeros_like(one.cov)
        return [
            Seen(one.cov, one.bbox),
            Seen(one.cov if frame_id == "images/a" else blind, one.bbox),
            # Half as wide there as in the records.
            Seen(wide.cov, wide.bbox, (2.0, 1.0)),
        ]


class Ready:
    views = (PLAIN,)

    def __init__(self, pictures):
        self.known = {one.frame_id: one for one in pictures}

    def __call__(self, source, frame_id):
        return [Seen(self.known[frame_id].cov, self.known[frame_id].bbox)]


def evaluated(out, goal="f1", mode="auto", groups=None, camera=None, stage="retrain", **fields):
    contract = Contract(SIZE, SIZE, ("plate",), **fields)
    wanted = DeepStream(camera or Shows(), Goal.parse(goal), mode)
    return evaluate(
        Timed(six()),
        contract,
        *settings(more=NEUTRAL),
        stage,
        out,
        groups=groups,
        deepstream=wanted,
    )


def of(metrics, mode, view, iou=0.5):
    (found,) = [
        one
        for one in metrics["results"]
        if one["clustering"] == "deepstream"
        and (one["mode"], one["scaling"], one["frame"], one["iou"]) == (mode, view.scaling, view.frame, iou)
    ]
    return found


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    out = tmp_path_factory.mktemp("deepstream")
    made = evaluated(out)
    assert json.loads((out / "metrics.json").read_text()) == made
    return made


def test_every_mode_in_every_view_has_its_rows(metrics):
    for view in Shows.views:
        for mode in MODES:
            for iou in (0.5, 0.7):
                assert of(metrics, mode, view, iou)["ap"] == "correct"
    assert len(metrics["results"]) == 8 + 2 * 4 * 3


def test_rows_hold_what_the_view_shows(metrics):
    # Hit .9, false .8 and .7, hit .6 of three plates, one cell each: no mode makes a difference.
    for mode in ("nms", "none"):
        found = of(metrics, mode, PLAIN)
        assert found["mAP"] == pytest.approx(0.5) and found["threshold"] == pytest.approx(0.6)
        assert found["AP_by_width"]["64-96"] == found["AP_by_width"]["32-48"] == pytest.approx(1.0)
        # One of three plates, and nothing wrong.
        for view in (NEAREST, WIDE):
            seen = of(metrics, mode, view)
            assert seen["mAP"] == of(metrics, mode, view, 0.7)["mAP"] == pytest.approx(1 / 3)
            assert seen["false_alarms_per_image"] == 0.0
    low, high = of(metrics, "nms", PLAIN)["mAP_interval"]
    assert 0 <= low < 0.5 < high <= 1


def test_the_deployed_row_is_deepstream_s_and_the_headline_stays(metrics, tmp_path):
    assert metrics["headline"].items() <= row(metrics).items()
    deployed = metrics["deployed"]
    assert deployed.items() >= {"clustering": "deepstream", "mode": "nms", "iou": 0.5}.items()
    assert (deployed["scaling"], deployed["frame"]) == ("bilinear", "source")
    assert metrics["mAP"] == of(metrics, "nms", PLAIN)["mAP"]
    assert metrics["mAP_interval"] == of(metrics, "nms", PLAIN)["mAP_interval"]
    # The best F1 of all is at .6: 2 hits of 4 shown and 3 wanted.
    assert 0.01 < deployed["threshold"] < 0.6
    assert (deployed["precision"], deployed["recall"], deployed["f1"]) == (0.5, 2 / 3, 4 / 7)
    # What does not belong to DeepStream is as without it.
    plain = evaluate(
        Timed(six()), Contract(SIZE, SIZE, ("plate",)), *settings(more=NEUTRAL), "retrain", tmp_path
    )
    assert plain["deepstream"] is None and plain["deployed"] == plain["headline"] == metrics["headline"]
    for key in ("all_sizes", "by_source", "cross_fitted", "unseen_negatives", "objects", "images"):
        assert plain[key] == metrics[key]
    assert plain["results"] == metrics["results"][:8]


def test_what_is_chosen_on_one_half_is_measured_on_the_other(metrics):
    summary = metrics["deepstream"]
    first, second = summary["halves"]
    # First half a c e: hits .9 .6, false .7, best below .6. Second half b d f: false .8, f neutral.
    own = first["chosen"]["classes"]["plate"]
    assert max(own["pre_cluster_threshold"], own["post_cluster_threshold"]) < 0.6
    # On b, d and f: nothing right, the false one of b, a plate missed.
    assert (first["precision"], first["recall"], first["f1"]) == (0.0, 0.0, 0.0)
    assert (first["images"], first["images_without_objects"]) == (3, 1)
    # There is nothing below .8: the threshold is half way to nothing. On a, c and e: all three are shown.
    assert second["chosen"]["classes"]["plate"]["pre_cluster_threshold"] == pytest.approx(0.4, abs=0.01)
    assert (second["precision"], second["recall"], second["f1"]) == (2 / 3, 1.0, 0.8)
    both = summary["expected"]
    assert (both["precision"], both["recall"]) == (1 / 2, 2 / 3)
    assert (both["images"], both["images_without_objects"]) == (6, 2)
    assert summary["goal"] == "f1" and summary["mode"] == "nms"
    assert summary["classes"]["plate"]["cluster_mode"] == 2
    assert set(summary["modes"]) == set(MODES)
    bilinear, nearest, wide = summary["measured"]
    assert (bilinear["f1"], bilinear["scaling"], bilinear["frame"]) == (4 / 7, "bilinear", "source")
    assert nearest["recall"] == wide["recall"] == 1 / 3 and wide["frame"] == "640x320"


def test_a_group_is_in_one_half_and_the_other_half_does_not_choose(tmp_path):
    groups = {("s", f"images/{stem}"): "film" for stem in "abf"}
    before = evaluated(tmp_path / "before", groups=groups)
    half = pd.read_csv(tmp_path / "before" / "pictures.csv").set_index("image")["half"]
    assert half["images/a"] == half["images/b"] == half["images/f"]
    # Another picture of the film changes what its half chooses, and only that.
    camera = Shows()
    camera.plain["images/b"] = picture("b", [(20, 20, 40, 30)], [(0, 0.95, (28, 26, 48, 36))])
    after = evaluated(tmp_path / "after", groups=groups, camera=camera)
    film, others = half["images/a"] - 1, 2 - half["images/a"]
    assert before["deepstream"]["halves"][others]["chosen"] == after["deepstream"]["halves"][others]["chosen"]
    assert before["deepstream"]["halves"][film]["chosen"] != after["deepstream"]["halves"][film]["chosen"]


@pytest.mark.parametrize(("number", "mode"), [("1", "dbscan"), ("2", "nms"), ("3", "hybrid"), ("4", "none")])
def test_a_wanted_mode_is_the_only_one(tmp_path, number, mode):
    found = evaluated(tmp_path, mode=number, goal="precision=0.9")
    assert {one["mode"] for one in found["results"] if one["clustering"] == "deepstream"} == {mode}
    summary = found["deepstream"]
    assert summary["goal"] == {"precision": 0.9} and list(summary["modes"]) == [mode]
    assert summary["classes"]["plate"]["cluster_mode"] == int(number)
    # Cells that are alone are noise to hybrid with two boxes or more.
    assert summary["measured"][0]["precision"] == (None if mode == "hybrid" else 1.0)


def test_a_sealed_choice_is_measured_and_nothing_is_chosen(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="detectnet"):
        found = evaluated(tmp_path, stage="onnx", deepstream={"plate": NMS})
    summary = found["deepstream"]
    assert summary["goal"] is None and summary["expected"] is None
    assert not summary["halves"] and not summary["modes"]
    assert summary["classes"]["plate"]["pre_cluster_threshold"] == 0.65
    # At .65: hit .9, false .8 and .7 of three plates; one of two empty pictures has a false alarm.
    point = {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "false_alarms_per_image": 0.5}
    assert found["deployed"].items() >= {**point, "threshold": 0.65, "mode": "nms"}.items()
    # Average precision looks at all confidences all the same.
    assert found["mAP"] == pytest.approx(0.5)
    assert len(found["results"]) == 8 + 2 * 3
    assert "measured with the contract's settings" in caplog.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "0"}, r"cluster_mode is 0.*auto, 1, 2, 3, 4"),
        ({"deepstream": {"plate": {"cluster_mode": 5}}}, "cluster_mode is 5"),
        ({"deepstream": {"plate": {**NMS, "nms_iou": 0.3}}}, "unknown field 'nms_iou'"),
        ({"deepstream": {"car": NMS}}, "nothing is said of the class 'plate'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path, fields, said):
    with pytest.raises(UserError, match=said):
        evaluated(tmp_path, **fields)


def test_classes_of_different_modes_are_refused(tmp_path):
    contract = Contract(SIZE, SIZE, ("plate", "car"), deepstream={"plate": NMS, "car": {"cluster_mode": 1}})
    boxes = [(32, 32, 96, 64)]
    pictures = [picture("a", boxes, [(0, 0.9, boxes[0])], names=("plate", "car"))]
    wanted = DeepStream(Ready(pictures), Goal(), "auto")
    with pytest.raises(UserError, match="different modes: dbscan, nms"):
        evaluate(
            Timed(pictures),
            contract,
            *settings(("plate", "car"), (0.5, 0.5)),
            "onnx",
            tmp_path,
            deepstream=wanted,
        )


def test_the_same_twice(tmp_path, metrics):
    assert evaluated(tmp_path) == metrics
