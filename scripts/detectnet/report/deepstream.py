"""What DeepStream shows, as tables of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from detectnet.detection.deepstream_views import CLUSTERING
from detectnet.detection.goals import FIGURES, in_words
from detectnet.report.results import Stage

VIEW = ("scaling", "frame")


def content(stages: Sequence[Stage]) -> dict[str, Any] | None:
    """Tables of the stages that were evaluated as DeepStream does it; None without any.

    Returns:
        ``rows``: AP of every mode and view. ``goal`` and ``chosen``: what the first stage that chose
        thresholds chose, for each half, both halves and all pictures; both None where none did.
        ``measured``: the figures of each stage at its thresholds.
    """
    known = [(stage.name, stage.metrics) for stage in stages if stage.metrics.get("deepstream")]
    if not known:
        return None
    chosen = next((one["deepstream"] for _, one in known if one["deepstream"]["goal"]), None)
    return {
        "rows": pd.DataFrame([row for name, one in known for row in _rows(name, one["results"])]),
        "goal": None if chosen is None else in_words(chosen["goal"]),
        "chosen": None if chosen is None else pd.DataFrame(_chosen(chosen)),
        "measured": pd.DataFrame(
            [
                {"stage": name, **{key: row[key] for key in VIEW}, **_figures(row)}
                for name, one in known
                for row in one["deepstream"]["measured"]
            ]
        ),
    }


def _rows(stage: str, results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each mode and view, its overlaps side by side."""
    made: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in results:
        if row["clustering"] == CLUSTERING:
            key = (row["mode"], *(row[name] for name in VIEW))
            named = {"stage": stage, **dict(zip(("mode", *VIEW), key, strict=True))}
            low, high = row["mAP_interval"] or (None, None)
            made.setdefault(key, named).update(
                {
                    f"AP, IoU {row['iou']:g}": row["mAP"],
                    f"interval, IoU {row['iou']:g}": "-" if low is None else f"{low:.3f} to {high:.3f}",
                }
            )
    return list(made.values())


def _chosen(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    first, second = summary["halves"]
    deployed = {"mode": summary["mode"], "classes": summary["classes"]}
    return [
        {"pictures": "first half", **_choice(first["chosen"]), **_figures(first)},
        {"pictures": "second half", **_choice(second["chosen"]), **_figures(second)},
        {"pictures": "all, deployed", **_choice(deployed), **_figures(summary["expected"])},
    ]


def _choice(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Mode and settings in words; of several classes, each with its name."""
    settings = {
        name: ", ".join(f"{key} {value:g}" for key, value in values.items() if key != "cluster_mode")
        for name, values in chosen["classes"].items()
    }
    only = list(settings.values())
    words = only[0] if len(only) == 1 else "; ".join(f"{name}: {text}" for name, text in settings.items())
    return {"mode": chosen["mode"], "settings": words.replace("_", " ")}


def _figures(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {shown: measured[name] for name, shown in FIGURES.items()}
