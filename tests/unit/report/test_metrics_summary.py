"""The figures that are compared between versions: each from its own row."""

import json

from detectnet.report.summary import summary

POINT = {"precision": 0.9, "recall": 0.8, "false_alarms_per_image": 0.1}
TLT = {"ap": "correct", "clustering": "tlt"}
HYBRID = {
    "ap": "correct",
    "clustering": "deepstream",
    "mode": "hybrid",
    "scaling": "bilinear",
    "frame": "source",
}


def row(named, iou, value):
    return {**named, "iou": iou, "mAP": value}


def written(folder, stage, deployed):
    content = {
        "stage": stage,
        "headline": {**TLT, "iou": 0.5, **POINT},
        "deployed": {**deployed, "iou": 0.5, **POINT, "recall": 0.7},
        "all_sizes": {"mAP": 0.31},
        "results": [
            row({**TLT, "ap": "tao-sample"}, 0.5, 0.01),
            row({**TLT, "clustering": "nms"}, 0.7, 0.02),
            row(TLT, 0.5, 0.61),
            row(TLT, 0.7, 0.41),
            row({**HYBRID, "mode": "nms"}, 0.7, 0.03),
            row({**HYBRID, "scaling": "nearest"}, 0.7, 0.04),
            row(HYBRID, 0.5, 0.66),
            row(HYBRID, 0.7, 0.46),
            row({**HYBRID, "frame": "1920x1080"}, 0.7, 0.05),
        ],
    }
    path = folder / f"{stage}.json"
    path.write_text(json.dumps(content))
    return path


def test_every_figure_is_of_its_own_row(tmp_path):
    latency = tmp_path / "latency.json"
    latency.write_text(json.dumps({"gflop": 3.4, "predicted_ms": 21.0, "other": 1}))
    paths = [written(tmp_path, "train", TLT), written(tmp_path, "onnx", HYBRID)]
    figures = {"mAP": 0.61, "mAP_iou_0.7": 0.41, **POINT, "mAP_all_sizes": 0.31}
    deployed = {"mAP": 0.66, "mAP_iou_0.7": 0.46, **POINT, "recall": 0.7}
    assert summary(paths, latency) == {
        "train": figures,
        "onnx": {**figures, "deepstream": deployed},
        "nano": {"gflop": 3.4, "predicted_ms": 21.0},
    }
