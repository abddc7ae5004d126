"""The few figures of a run that are compared between versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectnet.files import PathLike, read_json

_PREDICTED = ("gflop", "predicted_ms")
_CALLED = ("ap", "clustering", "mode", "scaling", "frame")
"""What a row is called by; the last three are DeepStream's."""
_POINT = ("precision", "recall", "false_alarms_per_image")


def summary(metrics: Sequence[PathLike], latency: PathLike) -> dict[str, dict[str, Any]]:
    """Stage name -> its main figures, and ``nano`` -> what is predicted of the device.

    Args:
        metrics: ``metrics.json`` of the stages.
        latency: ``latency.json``.

    Returns:
        of each stage ``mAP``, ``mAP_iou_0.7``, ``mAP_all_sizes``, ``precision`` and ``recall`` at the best
        F1 and ``false_alarms_per_image`` there, all of the headline's clustering, so that stages can be
        compared; and of one that DeepStream was looked at for ``deepstream``: the same of the deployed mode.

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
    made = {**_figures(content, "headline"), "mAP_all_sizes": content["all_sizes"]["mAP"]}
    if content["deployed"]["clustering"] != content["headline"]["clustering"]:
        made["deepstream"] = _figures(content, "deployed")
    return made


def _figures(content: dict[str, Any], which: str) -> dict[str, Any]:
    """AP of the rows that are called as this one, and its operating point."""
    point = content[which]
    same = [row for row in content["results"] if all(row.get(name) == point.get(name) for name in _CALLED)]
    average = {row["iou"]: row["mAP"] for row in same}
    return {
        "mAP": average.get(0.5),
        "mAP_iou_0.7": average.get(0.7),
        **{name: point[name] for name in _POINT},
    }
