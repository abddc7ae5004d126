"""The page itself: one HTML file with everything inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from detectnet.detection.deepstream_views import CLUSTERING
from detectnet.files import write_text
from detectnet.report import deepstream, figures
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
    environment.filters["span"] = _span
    environment.filters["table"] = _table
    page = environment.get_template("report.html.j2").render(_content(config, results, data))
    write_text(out, page)


def _content(config: dict[str, Any], results: Results, data: Path) -> dict[str, Any]:
    shown = next(stage for stage in results.stages if stage.name == SHOWN_STAGE)
    threshold = shown.headline["threshold"] or 0.0
    return {
        "title": config["report"]["title"],
        "run": config["run"],
        "results": results,
        "shown": shown,
        "threshold": threshold,
        "stage_table": pd.DataFrame([_stage_row(stage, results) for stage in results.stages]),
        "source_table": pd.DataFrame(
            [_source_row(name, one) for name, one in shown.metrics["by_source"].items()]
        ),
        "pruned_table": _pruned(results.pruned),
        "tao_table": pd.DataFrame([_every_way(stage) for stage in results.stages]),
        "costs": _costs(results.costs),
        "sensitivity": None
        if results.sensitivity is None
        else figures.sensitivity_curves(results.sensitivity),
        "pruning": results.pruning.assign(kept=results.pruning.after / results.pruning.before),
        "deepstream": deepstream.content(results.stages),
        "gallery": gallery(shown, data, threshold, config["report"]["pictures"]),
        "kinds": KINDS,
        "pr_curves": figures.pr_curves(results.stages),
        "ap_by_width": figures.ap_by_width(results.stages),
        "curves": {
            name: figures.training_curve(history, name) for name, history in results.histories.items()
        },
        "plate_widths": figures.plate_widths(results.widths),
        "speed": _speed(results),
        "latency_layers": _latency_layers(results.latency_layers),
        "left_out": _left_out(results.latency["leave_one_out"]),
        "latency_checks": _left_out(results.latency["checks"]),
    }


def _costs(costs: pd.DataFrame) -> pd.DataFrame:
    """The costs of the kernels and of all together, as they are shown."""
    total = costs.sum(numeric_only=True).to_frame().T.assign(kernel="all")
    return pd.concat([costs, total], ignore_index=True).rename(
        columns={
            "gflop_before": "GFLOP before",
            "gflop_after": "GFLOP after",
            "milliseconds_before": "ms before",
            "milliseconds_after": "ms after",
        }
    )


def _speed(results: Results) -> pd.DataFrame:
    """Pictures per second on the device: of the recipe that is re-created, predicted, and measured."""
    latency, benchmark = results.latency, results.benchmark
    low, high = latency["predicted_fps_range"]
    rows = [
        ("seed", latency["seed_fps"], "reported of the recipe that this one re-creates"),
        ("predicted", latency["predicted_fps"], f"{low:.0f} to {high:.0f}"),
        ("measured", benchmark and benchmark["fps"], "the engine on the device" if benchmark else "not yet"),
    ]
    return pd.DataFrame(rows, columns=["", "FPS", "note"])


def _latency_layers(layers: pd.DataFrame) -> pd.DataFrame:
    """What each kernel of the exported network costs on the device, as it is shown."""
    names = {"gflop": "GFLOP", "megabytes": "MB", "bound_ms": "ms at the peaks"}
    return layers.rename(columns={**names, "predicted_ms": "predicted ms", "bound_by": "bound by"})


def _left_out(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Predictions beside published measurements, as they are shown."""
    shown = [
        [row["network"], row["measured_ms"], row["predicted_ms"], f"{row['error']:+.0%}"] for row in rows
    ]
    return pd.DataFrame(shown, columns=["network", "measured ms", "predicted ms", "error"])


def _stage_row(stage: Stage, results: Results) -> dict[str, Any]:
    point = stage.headline
    pruned = results.provenance["prune"]
    parameters = pruned["parameters_before"] if stage.name == "train" else pruned["parameters_after"]
    return {
        "stage": stage.name,
        **_with_interval("IoU 0.5", stage.row(), "mAP"),
        **_with_interval("IoU 0.7", stage.row(iou=0.7), "mAP"),
        **_with_interval("all sizes", stage.metrics["all_sizes"], "mAP"),
        "precision": point["precision"],
        "recall": point["recall"],
        "F1": point["f1"],
        "false alarms per empty picture": point["false_alarms_per_image"],
        "threshold": point["threshold"],
        "ms a picture": stage.milliseconds,
        "parameters": parameters,
    }


def _source_row(name: str, measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": name,
        "pictures": measured["images"],
        "plates": measured["objects"],
        **_with_interval("IoU 0.5", measured, "mAP"),
        **_with_interval("IoU 0.7", measured, "mAP70"),
        **_with_interval("all sizes", measured["all_sizes"], "mAP"),
        "precision": measured["precision"],
        "recall": measured["recall"],
        "false alarms per empty picture": measured["false_alarms_per_image"],
    }


def _with_interval(name: str, measured: dict[str, Any], key: str) -> dict[str, Any]:
    """A mean average precision and its interval as two cells; both may be missing."""
    return {f"AP, {name}": measured.get(key), f"interval, {name}": _span(measured.get(f"{key}_interval"))}


def _span(interval: list[float] | None) -> str:
    return _number(None) if interval is None else " to ".join(map(_number, interval))


def _pruned(compared: pd.DataFrame) -> pd.DataFrame:
    """The comparison of the network before pruning (A) with the retrained one (B), as it is shown."""
    spans = [f"{low:+.3f} to {high:+.3f}" for low, high in zip(compared["low"], compared["high"])]
    shown = compared.drop(columns=["low", "high"]).assign(interval=spans)
    shown = shown[compared["objects"] > 0].rename(
        columns={"A": "AP before", "B": "AP after", "share_B_worse": "share of resamples with a loss"}
    )
    return shown.drop(columns="images")


def _every_way(stage: Stage) -> dict[str, Any]:
    """mAP of every row of the stage but DeepStream's, named by AP, clustering and overlap."""
    every = [row for row in stage.metrics["results"] if row["clustering"] != CLUSTERING]
    rows = sorted(every, key=lambda row: (row["ap"], row["clustering"]))
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
