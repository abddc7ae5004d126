"""What DeepStream shows, on the page of a made-up run."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from test_report_page import DECLARATIONS, cells, metrics, stage, write_run, write_source

from detectnet.report import deepstream
from detectnet.report.page import write_report

FOUND = {"precision": 0.91, "recall": 0.52, "f1": 0.66, "false_alarms_per_image": 0.04}
SETTINGS = {"cluster_mode": 2, "pre_cluster_threshold": 0.35, "nms_iou_threshold": 0.25, "topk": -1}
CHOSEN = {"mode": "nms", "classes": {"plate": SETTINGS}}


def row(iou, value, mode="nms", scaling="bilinear", frame="source"):
    span = [value - 0.1, value + 0.1]
    named = {"clustering": "deepstream", "mode": mode, "scaling": scaling, "frame": frame}
    return {**named, "ap": "correct", "iou": iou, "mAP": value, "mAP_interval": span}


def looked_at(sealed=False):
    """The metrics of a stage with DeepStream."""
    made = metrics()
    summary = {**CHOSEN, "goal": None, "halves": [], "expected": None}
    if not sealed:
        halves = [{"chosen": CHOSEN, **FOUND, "f1": value} for value in (0.61, 0.71)]
        summary |= {"goal": {"precision": 0.9}, "halves": halves, "expected": FOUND}
    measured = [{"scaling": "nearest", "frame": "source", **FOUND, "recall": 0.5}]
    summary["measured"] = [{"scaling": "bilinear", "frame": "source", **FOUND}, *measured]
    made["results"] += [row(0.5, 0.765), row(0.7, 0.345), row(0.5, 0.5, scaling="nearest")]
    return made | {"deepstream": summary, "mAP": 0.765}


def test_without_deepstream_there_is_nothing_to_show():
    assert deepstream.content([stage("train"), stage("onnx")]) is None


def test_the_tables_hold_every_stage_that_was_looked_at():
    made = deepstream.content(
        [stage("train"), stage("retrain", looked_at()), stage("onnx", looked_at(sealed=True))]
    )
    assert made["rows"].stage.tolist() == ["retrain"] * 2 + ["onnx"] * 2
    first = made["rows"].iloc[0]
    assert (first["mode"], first["scaling"], first["frame"]) == ("nms", "bilinear", "source")
    assert (first["AP, IoU 0.5"], first["AP, IoU 0.7"]) == (0.765, 0.345)
    assert first["interval, IoU 0.7"] == "0.245 to 0.445"
    assert made["goal"] == "a precision of 0.9"
    assert made["chosen"].pictures.tolist() == ["first half", "second half", "all, deployed"]
    assert made["chosen"].F1.tolist() == [0.61, 0.71, 0.66]
    assert made["chosen"].settings[2] == "pre cluster threshold 0.35, nms iou threshold 0.25, topk -1"
    assert made["measured"].recall.tolist() == [0.52, 0.5] * 2


def test_where_nothing_was_chosen_no_choice_is_shown():
    made = deepstream.content([stage("onnx", looked_at(sealed=True))])
    assert made["chosen"] is None and made["goal"] is None


@pytest.fixture
def page(tmp_path):
    for name, count in (("bought", 2), ("public", 1)):
        write_source(tmp_path / "data", name, count)
    write_run(tmp_path / "results")
    for name, sealed in (("retrain", False), ("onnx", True)):
        path = tmp_path / "results" / name / "evaluation" / "metrics.json"
        path.write_text(json.dumps(looked_at(sealed)))
    config = {"run": "made", "report": {"title": "Report", "pictures": 8}, "sources": DECLARATIONS}
    write_report(config, tmp_path / "data", tmp_path / "results", tmp_path / "report.html")
    return unescape((tmp_path / "report.html").read_text())


def test_the_page_shows_them_and_the_stages_stay_comparable(page):
    assert "<b>0.765</b>AP at IoU 0.5 of the exported network, as DeepStream shows it" in page
    shown = cells(page, "What DeepStream makes of the original pictures")
    assert (shown["stage"], shown["AP, IoU 0.5"]) == ("retrain", "0.765")
    assert "chosen for a precision of 0.9" in page
    assert cells(page, "Thresholds for DeepStream")["F1"] == "0.610"
    assert cells(page, "The deployed thresholds on all validation")["scaling"] == "bilinear"
    # The table of the stages has TLT's clustering in all of them, and DeepStream's rows have their own.
    table = page[page.index("<caption>3 pictures with 2 plates") :]
    assert re.findall(r"<td>(\d\.\d+)</td>", table.split("</table>")[0]).count("0.555") == 4
    assert "deepstream" not in page[page.index("<caption>mAP by every way") :].split("</table>")[0]
