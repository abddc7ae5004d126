"""The page itself: one HTML file with everything inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from detectnet.files import write_text
from detectnet.report import figures
from detectnet.report.gallery import KINDS, gallery
from detectnet.report.results import Results, Stage, read_results

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_STAGE = "onnx"


def write_report(config: dict[str, Any], data: Path, results_dir: Path, out: Path) -> None:
    """Write ``report.html`` from the files of a run.

    Args:
        config: the workflow's ``run``, ``sources`` and ``report``.
        data: folder with ``kitti/`` and ``resized/``.
        results_dir: folder of the run.
        out: the page.
    """
    results = read_results(results_dir, data, config["sources"])
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = _number
    environment.filters["table"] = _table
    page = environment.get_template("report.html.j2").render(_content(config, results, data))
    write_text(out, page)


def _content(config: dict[str, Any], results: Results, data: Path) -> dict[str, Any]:
    shown = next(stage for stage in results.stages if stage.name == SHOWN_STAGE)
    threshold = shown.deployed["threshold"] or 0.0
    return {
        "title": config["report"]["title"],
        "run": config["run"],
        "results": results,
        "shown": shown,
        "threshold": threshold,
        "stage_table": pd.DataFrame([_stage_row(stage, results) for stage in results.stages]),
        "tao_table": pd.DataFrame([_every_way(stage) for stage in results.stages]),
        "pruning": results.pruning.assign(kept=results.pruning.after / results.pruning.before),
        "gallery": gallery(shown, data, threshold, config["report"]["pictures"]),
        "kinds": KINDS,
        "pr_curves": figures.pr_curves(results.stages),
        "ap_by_width": figures.ap_by_width(results.stages),
        "curves": {
            name: figures.training_curve(history, name) for name, history in results.histories.items()
        },
        "plate_widths": figures.plate_widths(results.widths),
    }


def _stage_row(stage: Stage, results: Results) -> dict[str, Any]:
    deployed = stage.deployed
    low, high = stage.metrics.get("mAP_interval") or (None, None)
    pruned = results.provenance["prune"]
    parameters = pruned["parameters_before"] if stage.name == "train" else pruned["parameters_after"]
    return {
        "stage": stage.name,
        "AP, IoU 0.5": stage.row().get("mAP"),
        "95 % interval": f"{_number(low)} to {_number(high)}",
        "AP, IoU 0.7": stage.row(iou=0.7).get("mAP"),
        "precision": deployed["precision"],
        "recall": deployed["recall"],
        "F1": deployed["f1"],
        "false alarms per empty picture": deployed["false_alarms_per_image"],
        "threshold": deployed["threshold"],
        "ms a picture": stage.milliseconds,
        "parameters": parameters,
    }


def _every_way(stage: Stage) -> dict[str, Any]:
    """mAP of every row of the stage, named by AP, clustering and overlap."""
    rows = sorted(stage.metrics["results"], key=lambda row: (row["ap"], row["clustering"]))
    values = {f"{row['ap']}, {row['clustering']}, {_overlap(row['iou'])}": row["mAP"] for row in rows}
    return {"stage": stage.name, **values}


def _overlap(iou: float | dict[str, float]) -> str:
    if isinstance(iou, dict):
        return "IoU " + ", ".join(f"{value:g} {name}" for name, value in sorted(iou.items()))
    return f"IoU {iou:g}"


def _number(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "n/a"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(frame: pd.DataFrame) -> list[list[str]]:
    """Header and rows of a table as text."""
    rows = [[_number(value) for value in row] for row in frame.astype(object).itertuples(index=False)]
    return [list(map(str, frame.columns)), *rows]
