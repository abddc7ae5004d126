"""The few figures of a run that are compared between versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectnet.files import PathLike, read_json

_PREDICTED = ("gflop", "predicted_ms")


def summary(metrics: Sequence[PathLike], latency: PathLike) -> dict[str, dict[str, Any]]:
    """Stage name -> its main figures, and ``nano`` -> what is predicted of the device.

    Args:
        metrics: ``metrics.json`` of the stages.
        latency: ``latency.json``.

    Returns:
        of each stage ``mAP`` (the deployed row), ``mAP_all_sizes``, ``mAP_iou_0.7``, ``precision`` and
        ``recall`` at the best F1, ``false_alarms_per_image`` there; all fractions 0..1 but the last.

    Raises:
        UserError: a file is missing or is no JSON.
    """
    stages = [read_json(path) for path in metrics]
    predicted = read_json(latency)
    return {
        **{content["stage"]: _stage(content) for content in stages},
        "nano": {name: predicted[name] for name in _PREDICTED},
    }


def _stage(content: dict[str, Any]) -> dict[str, Any]:
    deployed = content["deployed"]
    return {
        "mAP": content["mAP"],
        "mAP_all_sizes": content["all_sizes"]["mAP"],
        "mAP_iou_0.7": _at(content, deployed["clustering"], 0.7),
        **{name: deployed[name] for name in ("precision", "recall", "false_alarms_per_image")},
    }


def _at(content: dict[str, Any], clustering: str, iou: float) -> float | None:
    rows = (row for row in content["results"] if row["ap"] == "correct" and row["clustering"] == clustering)
    return next((row["mAP"] for row in rows if row["iou"] == iou), None)
