"""The page of a made-up run of two sources and three pictures, whose numbers are all known."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape

import numpy as np
import pandas as pd
import pytest

from detectnet.data import manifest, pictures
from detectnet.report import figures, gallery
from detectnet.report.page import write_report
from detectnet.report.results import STAGES, Stage, read_results

SIZE = 64
POINT = {"threshold": 0.4, "precision": 0.81, "recall": 0.62, "f1": 0.71, "false_alarms_per_image": 0.123}
DEPLOYED = {"clustering": "tlt", "ap": "correct", "iou": 0.5, **POINT}
PICTURES = """image,source,half,objects
images/0,bought,1,1
images/1,bought,2,1
images/0,public,1,0
"""
MIXED = {"plate": 0.7, "truck": 0.6}
NOTES = {
    "bought": {"place": "archive", "archive": "bought-v2.zip", "sha256": "0" * 64},
    "public": {"place": "upstream", "git": "git@example:public", "commit": "abc123"},
}

DECLARATIONS = {name: {"adapter": "kitti", "licence": f"licence of {name}"} for name in NOTES}


def result(ap, clustering, iou, value, threshold=0.9):
    point = {**POINT, "threshold": threshold, "precision": 0.99}
    return {
        **point,
        **{"ap": ap, "clustering": clustering, "iou": iou, "mAP": value},
        "mAP_interval": [value - 0.05, value + 0.05],
        **{"AP": {"plate": value}, "AP_by_width": {"0-8": None, "8+": value}},
    }


def accuracy(value):
    spans = {"mAP_interval": [value - 0.1, value + 0.1], "mAP70_interval": [value - 0.3, value - 0.1]}
    return {"objects_counted": 2, "mAP": value, "mAP70": value - 0.2, **spans}


def of_source(images, objects, found):
    point = {name: POINT[name] for name in ("precision", "recall", "f1", "false_alarms_per_image")}
    return {"images": images, "objects": objects, **found, **point, "all_sizes": accuracy(0.3)}


def metrics():
    return {
        **{"images": 3, "objects": 2, "mAP": 0.5, "mAP_interval": [0.4, 0.6], "seconds_per_image": 0.01},
        "minimum_width_neutral": 20.0,
        "all_sizes": accuracy(0.5),
        "by_source": {
            "bought": of_source(2, 2, accuracy(0.7)),
            "public": of_source(1, 0, dict.fromkeys(accuracy(0))),
        },
        "cross_fitted": {**POINT, "precision": 0.801, "images_without_objects": 7},
        "unseen_negatives": {
            "images": 137,
            "false_alarms_per_image": 0.022,
            "false_alarms_per_image_interval": [0.007, 0.051],
        },
        "headline": DEPLOYED,
        "deployed": DEPLOYED,
        "deepstream": None,
        "results": [
            result("correct", "tlt", MIXED, 0.111),
            result("correct", "tlt", 0.5, 0.555, threshold=0.4),
            result("correct", "tlt", 0.7, 0.222),
            result("tao-integrate", "tlt", MIXED, 0.333),
            result("tao-integrate", "nms", 0.65, 0.444),
        ],
    }


def detections():
    box = {"x1": 8.0, "y1": 8.0, "x2": 40.0, "y2": 20.0, "class": "plate", "iou": 0.8}
    rows = [
        {"image": "images/0", "source": "bought", "confidence": 0.9, "outcome": "tp"},
        {"image": "images/1", "source": "bought", "confidence": 0.8, "outcome": "fp"},
        {"image": "images/0", "source": "public", "confidence": 0.7, "outcome": "fp"},
    ]
    return pd.DataFrame([{**row, **box} for row in rows])


def ground_truth():
    box = {"x1": 8.0, "y1": 8.0, "x2": 40.0, "y2": 20.0, "class": "plate"}
    rows = [
        {"image": "images/0", "source": "bought", "outcome": "found", "confidence": 0.9},
        {"image": "images/1", "source": "bought", "outcome": "missed", "confidence": np.nan},
    ]
    return pd.DataFrame([{**row, **box} for row in rows])


def stage(name="onnx", measured=None):
    curve = pd.DataFrame({"class": ["plate"], "threshold": [0.9], "recall": [0.5], "precision": [1.0]})
    return Stage(name, measured or metrics(), curve, detections(), ground_truth())


def write_source(data, name, count):
    for step, (width, height) in (("kitti", (32, 16)), ("resized", (SIZE, SIZE))):
        folder = data / step / name
        for index in range(count):
            picture = np.full((height, width, 3), 90, np.uint8)
            (folder / "images").mkdir(parents=True, exist_ok=True)
            (folder / "labels").mkdir(exist_ok=True)
            pictures.save_jpeg(folder / f"images/{index}.jpg", picture)
            (folder / f"labels/{index}.txt").write_text("plate 0 0 0 8 8 40 20 0 0 0 0 0 0 0\n")
        rows = [
            (f"images/{index}.jpg", f"labels/{index}.txt", width, height, "", "", str(index), name, 1)
            for index in range(count)
        ]
        manifest.write(folder / "manifest.csv", pd.DataFrame(rows, columns=manifest.COLUMNS))
        (folder / "dropped.csv").write_text("file,line,reason,detail\n")
    raw = data / "raw" / name
    raw.mkdir(parents=True)
    (raw / "source.json").write_text(json.dumps(NOTES[name]))


def write_latency(folder):
    folder.mkdir()
    header = "layer,gflop,megabytes,bound_ms,predicted_ms,bound_by\n"
    (folder / "latency.csv").write_text(f"{header}conv1/Conv,1.25,5.5,2.75,3.25,compute\n")
    compared = {"network": "known", "measured_ms": 10.0, "predicted_ms": 12.5, "error": 0.25}
    summary = {"device": "Jetson Nano", "bound_ms": 2.75, "seed_fps": 28.0, "predicted_fps": 48.0}
    summary |= {"predicted_fps_range": [26.7, 98.1], "fit": {"efficiency": 0.98, "overhead": 0.0005}}
    summary |= {"leave_one_out": [compared], "checks": [compared | {"network": "pruned", "error": -0.5}]}
    (folder / "latency.json").write_text(json.dumps(summary))


def write_run(results):
    history = "epoch,loss,mAP,seconds,pictures_per_second,data_wait\n1,0.1,,1,9,0\n2,0.05,0.5,1,9,0\n"
    provenance = {"seed": 1, "initial_weights": {"kind": "random", "seed": 1}, "ratio": 0.2}
    provenance |= dict.fromkeys(("parameters_before", "flops_before"), 10)
    provenance |= dict.fromkeys(("parameters_after", "flops_after"), 2)
    provenance |= {"device": "Jetson Nano", "bound_by": ["gflop"]}
    for name in STAGES:
        made, folder = stage(name), results / name / "evaluation"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(made.metrics))
        made.pr_curve.to_csv(folder / "pr_curve.csv", index=False)
        made.detections.iloc[int(name == "retrain") :].to_csv(folder / "detections.csv", index=False)
        made.ground_truth.to_csv(folder / "ground_truth.csv", index=False)
        (folder / "pictures.csv").write_text(PICTURES)
        (folder.parent / "history.csv").write_text(history)
        (folder.parent / "provenance.json").write_text(json.dumps(provenance))
    (results / "prune" / "pruning.csv").write_text("layer,before,after\nconv1,64,16\n")
    header = "kernel,gflop_before,milliseconds_before,gflop_after,milliseconds_after\n"
    (results / "prune" / "costs.csv").write_text(f"{header}conv1,1.5,4.25,0.5,1.25\nstem,0.5,1,0.25,0.5\n")
    curves = "1,conv1,16,0.5\n2,conv1,16,0.4\n2,conv1,64,0.1\n2,stem,8,0.3\n2,stem,32,0.1\n"
    (results / "prune" / "sensitivity.csv").write_text(f"round,group,channels,loss\n{curves}")
    rows = "".join(
        f"images/{i}.jpg,{name},{name}/{i},validation\n" for name, i in (("bought", 0), ("public", 0))
    )
    (results / "split.csv").write_text("image,source,group,fold\n" + rows)
    (results / "split_links.csv").write_text("source,image,fold,linked_source,linked_image,linked_fold\n")
    largest = {name: {"value": 1e-6} for name in ("cov", "bbox")}
    counts = {"reference": 3, "exported": 3}
    parity = {"largest_difference": largest, "detections": counts, "matched": 3, "pictures": 3}
    write_latency(results / "latency")
    (results / "export").mkdir()
    (results / "export" / "parity.json").write_text(json.dumps(parity))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_source(folder / "data", "bought", 2)
    write_source(folder / "data", "public", 1)
    write_run(folder / "results")
    return folder


@pytest.fixture(scope="module")
def page(run):
    config = {
        "run": "made",
        "report": {"title": "Report", "pictures": 8},
        "sources": DECLARATIONS,
    }
    write_report(config, run / "data", run / "results", run / "report.html")
    return unescape((run / "report.html").read_text())


def cells(page, caption):
    """Header and first row of the table whose caption begins with these words."""
    table = page[page.index(f"<caption>{caption}") :]
    header, first = re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)[:2]
    return dict(zip(re.findall("<th>(.*?)</th>", header), re.findall("<td>(.*?)</td>", first), strict=True))


def test_every_way_to_compute_ap_is_shown_at_its_own_overlap(page):
    assert cells(page, "mAP by every way") == {
        "stage": "train",
        "correct, tlt, IoU 0.7 plate, 0.6 truck": "0.111",
        "correct, tlt, IoU 0.5": "0.555",
        "correct, tlt, IoU 0.7": "0.222",
        "tao-integrate, tlt, IoU 0.7 plate, 0.6 truck": "0.333",
        "tao-integrate, nms, IoU 0.65": "0.444",
    }


def test_the_stages_are_described_by_the_deployed_row(page):
    row = cells(page, "3 pictures with 2 plates")
    assert (row["AP, IoU 0.5"], row["AP, IoU 0.7"]) == ("0.555", "0.222")
    assert row["interval, IoU 0.5"] == "0.505 to 0.605"
    assert (row["AP, all sizes"], row["interval, all sizes"]) == ("0.500", "0.400 to 0.600")
    shown = [
        row[name] for name in ("threshold", "precision", "recall", "F1", "false alarms per empty picture")
    ]
    assert shown == ["0.400", "0.810", "0.620", "0.710", "0.123"]
    assert "confidence at least 0.400" in page


def test_every_source_is_measured_at_the_same_threshold(page):
    assert cells(page, "The exported network by source") == {
        **{"source": "bought", "pictures": "2", "plates": "2"},
        **{"AP, IoU 0.5": "0.700", "interval, IoU 0.5": "0.600 to 0.800"},
        **{"AP, IoU 0.7": "0.500", "interval, IoU 0.7": "0.400 to 0.600"},
        **{"AP, all sizes": "0.300", "interval, all sizes": "0.200 to 0.400"},
        **{"precision": "0.810", "recall": "0.620", "false alarms per empty picture": "0.123"},
    }
    without = page[page.index("The exported network by source") :]
    assert re.search(r"<td>public</td><td>1</td><td>0</td>(<td>n/a</td>){4}<td>0.300", without)


def test_false_alarms_are_those_at_thresholds_of_other_pictures(page):
    assert "precision 0.801" in page
    assert "0.123 false alarms per picture on 7 without plates" in page
    assert "On all 137 pictures" in page and "0.022 (0.007 to 0.051)" in page
    assert "<b>0.022</b>false alarms per picture without plates" in page


def test_what_pruning_cost_is_compared_picture_by_picture(page):
    # Retraining lost the plate of the first of three pictures. A resample with it a times and with the second
    # b times has -a / (a + b): any loss in 19 of the 26 draws that have a plate, and of 7 all is lost.
    shown = cells(page, "AP of the network before pruning and after retraining")
    assert float(shown.pop("share of resamples with a loss")) == pytest.approx(19 / 26, abs=0.05)
    assert shown == {
        **{"source": "all", "iou": "0.500", "objects": "2", "AP before": "1.000", "AP after": "0.500"},
        **{"difference": "-0.500", "interval": "-1.000 to +0.000"},
    }


def test_the_page_says_which_threshold_cuts_the_tao_rows(page):
    assert "DBSCAN's detections (tlt) are cut at nms_confidence_threshold" in page


def test_where_a_source_came_from_stands_next_to_its_licence(page):
    assert cells(page, "Sources.")["origin"] == "archive bought-v2.zip"
    assert "<b>bought</b>: licence of bought; archive bought-v2.zip" in page
    assert "<b>public</b>: licence of public; git git@example:public, commit abc123" in page


def test_pruning_shows_what_every_kernel_costs_and_how_sensitive_its_layers_are(page):
    shown = cells(page, "Operations and predicted time a picture of each kernel")
    assert shown == {
        "kernel": "conv1",
        "GFLOP before": "1.500",
        "ms before": "4.250",
        "GFLOP after": "0.500",
        "ms after": "1.250",
    }
    assert re.search(
        r"<td>all</td>\s*<td>2.000</td>\s*<td>5.250</td>\s*<td>0.750</td>\s*<td>1.750</td>", page
    )
    assert "on a Jetson Nano" in page and "bound by gflop" in page


def test_without_a_budget_an_old_sensitivity_is_not_shown(run):
    provenance = run / "results" / "prune" / "provenance.json"
    given = provenance.read_text()
    found = json.loads(given)
    del found["bound_by"]
    provenance.write_text(json.dumps(found))
    assert read_results(run / "results", run / "data", DECLARATIONS).sensitivity is None
    provenance.write_text(given)


def test_a_row_is_found_by_its_overlap_beside_rows_with_one_overlap_a_class():
    assert stage().row()["mAP"] == 0.555
    assert stage().row(iou=0.7)["mAP"] == 0.222
    assert stage().row(iou=0.6) == {}


def test_the_gallery_reads_the_manifest_of_a_source_once(run, monkeypatch):
    read, real = [], manifest.read
    monkeypatch.setattr(gallery.manifest, "read", lambda path: read.append(path) or real(path))
    shown = gallery.gallery(stage(), run / "data", threshold=0.4, count=8)
    assert sorted((one.source, one.image) for one in shown) == [
        ("bought", "images/0"),
        ("bought", "images/1"),
        ("public", "images/0"),
    ]
    assert read == [run / "data" / "kitti" / name / "manifest.csv" for name in ("bought", "public")]


def test_widths_are_drawn_in_the_bins_of_the_evaluation(monkeypatch):
    drawn = {}
    monkeypatch.setattr(figures, "figure", lambda draw: draw(Axes(drawn)))
    figures.plate_widths({"a": np.array([7.9, 8.0, 500.0]), "b": np.array([])})
    labels, counts = drawn["a"]
    assert labels[:2] == ["0-8", "8-16"]
    assert labels[-1] == "128+"
    assert list(counts) == [1, 1, *[0] * (len(labels) - 3), 1]
    assert not any(drawn["b"][1])


class Axes:
    """Axes that keep the bars and draw nothing."""

    def __init__(self, drawn):
        self.drawn = drawn

    def bar(self, labels, counts, bottom, label):
        self.drawn[label] = (list(labels), list(counts))

    def tick_params(self, *_, **__): ...

    def set(self, **_): ...

    def legend(self, **_): ...


def test_the_predicted_speed_stands_beside_the_seed_and_what_a_device_measured(page, run, tmp_path):
    def speed(text):
        rows = text[text.index("<caption>How fast is it on a Jetson Nano?") :]
        return re.findall(r"<tr><td>(\w+)</td><td>(.*?)</td><td>(.*?)</td></tr>", rows)[:3]

    assert speed(page)[:2] == [
        ("seed", "28.000", "reported of the recipe that this one re-creates"),
        ("predicted", "48.000", "27 to 98"),
    ]
    assert speed(page)[2] == ("measured", "n/a", "not yet")
    results = shutil.copytree(run / "results", tmp_path / "results")
    (results / "engine" / "nano").mkdir(parents=True)
    (results / "engine" / "nano" / "benchmark.json").write_text('{"fps": 41.5}')
    config = {"run": "made", "report": {"title": "Report", "pictures": 8}, "sources": DECLARATIONS}
    write_report(config, run / "data", results, tmp_path / "report.html")
    measured = speed((tmp_path / "report.html").read_text())[2]
    assert measured == ("measured", "41.500", "the engine on the device")


def test_the_prediction_is_shown_layer_by_layer_with_its_errors(page):
    assert cells(page, "The exported network layer by layer") == {
        **{"layer": "conv1/Conv", "GFLOP": "1.250", "MB": "5.500", "ms at the peaks": "2.750"},
        **{"predicted ms": "3.250", "bound by": "compute"},
    }
    assert cells(page, "The prediction's errors")["error"] == "+25%"
    assert cells(page, "A check that nothing was fitted on")["error"] == "-50%"
