"""The printed result, line by line."""

from __future__ import annotations

import contextlib
import logging
import sys
from types import SimpleNamespace

import pytest
from test_evaluation_files import SIZE, Timed, settings, six

import evaluate_detector
from detectnet.contract import Contract
from detectnet.detection.tao_table import tao_table
from detectnet.errors import UserError
from detectnet.spec import overlay


def metrics():
    row = {"clustering": "tlt", "ap": "tao-integrate", "AP": {"plate": 0.5, "car": 0.125}, "mAP": 0.3125}
    sample = row | {"ap": "tao-sample", "AP": {"plate": 0.75, "car": 0.0}, "mAP": 0.375}
    other = row | {"clustering": "nms", "mAP": 0.9}
    correct = row | {"ap": "correct", "mAP": 0.8}
    return {"results": [other, correct, row, sample]}


def test_the_whole_text():
    assert tao_table(metrics(), "INTEGRATE", cost=0.000123, seconds=0.004567) == (
        "\n"
        "Validation cost: 0.000123\n"
        "Mean average_precision (in %): 31.2500\n"
        "\n"
        "+------------+--------------------------+\n"
        "| class name | average precision (in %) |\n"
        "+------------+--------------------------+\n"
        "|    car     |           12.5           |\n"
        "|   plate    |           50.0           |\n"
        "+------------+--------------------------+\n"
        "\n"
        "Median Inference Time: 0.004567"
    )


def test_the_mode_chooses_the_row_and_what_is_not_known_is_left_out():
    text = tao_table(metrics(), "SAMPLE")
    assert text.startswith("\nMean average_precision (in %): 37.5000\n")
    assert "|   plate    |           75.0           |" in text
    assert "cost" not in text
    assert "Time" not in text
    with pytest.raises(
        UserError, match=r"average_precision_mode: unknown mode 'AREA'\. Allowed: SAMPLE, INTEGRATE"
    ):
        tao_table(metrics(), "AREA")


class Predictions(Timed):
    """What ``predict_onnx`` gives, with the cost that only the Keras one has."""

    contract = Contract(SIZE, SIZE, ("plate",))
    cost = 0.25


@contextlib.contextmanager
def predicted(model, records, experiment, *, threads):
    yield Predictions(six())


def test_the_command_prints_it_with_the_mode_of_the_spec(tmp_path, monkeypatch, caplog):
    evaluation, postprocessing = settings(more="average_precision_mode: INTEGRATE")
    experiment = SimpleNamespace(evaluation_config=evaluation, postprocessing_config=postprocessing)
    monkeypatch.setattr(overlay, "load", lambda path, kind: experiment)
    monkeypatch.setitem(sys.modules, "detectnet.deploy.predict", SimpleNamespace(predict_onnx=predicted))
    given = ["--model", "model.onnx", "--stage", "onnx", "--spec", "spec.cfg", "--validation", "shard"]
    with caplog.at_level(logging.INFO, "detectnet"):
        evaluate_detector.main(evaluate_detector.arguments().parse_args([*given, "--out", str(tmp_path)]))
    printed = caplog.messages[-1]
    # Of three plates of 10 px and more: hit, false, false, hit; 1/3 at precision 1, the last level is lost.
    assert printed.startswith("\nValidation cost: 0.250000\nMean average_precision (in %): 33.3333\n\n+---")
    assert "|   plate    |    33.333" in printed
    assert printed.endswith("+\n\nMedian Inference Time: 0.010000")
