"""What the stages of a run left behind, read into tables for the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectnet.data import kitti, manifest
from detectnet.detection.comparison import compare
from detectnet.files import read_json
from detectnet.sources.declaration import NOTE

STAGES = ("train", "prune", "retrain", "onnx")


@dataclass(frozen=True)
class Stage:
    """One evaluated stage: its metrics.json, PR curve, detections and ground truth."""

    name: str
    metrics: dict[str, Any]
    pr_curve: pd.DataFrame
    detections: pd.DataFrame
    ground_truth: pd.DataFrame

    @property
    def milliseconds(self) -> float | None:
        """Of inference per picture; None where there were too few pictures to measure."""
        seconds = self.metrics["seconds_per_image"]
        return None if seconds is None else 1000 * seconds

    @property
    def headline(self) -> dict[str, Any]:
        """How every stage is scored: clustering, ap, iou, and its operating point."""
        return self.metrics["headline"]

    def row(self, iou: float | None = None) -> dict[str, Any]:
        """The result row of the headline's clustering and AP; an empty dict when it was not computed.

        Args:
            iou: overlap that a hit needs in every class, 0..1; the headline's where None.
        """
        wanted = (self.headline["clustering"], self.headline["ap"])
        overlap = self.headline["iou"] if iou is None else iou
        for row in self.metrics["results"]:
            shared = not isinstance(row["iou"], dict)
            if (row["clustering"], row["ap"]) == wanted and shared and abs(row["iou"] - overlap) < 1e-6:
                return row
        return {}


@dataclass(frozen=True)
class Results:
    """All that the page shows; every field is read from a file that a rule wrote."""

    stages: list[Stage]
    pruned: pd.DataFrame
    histories: dict[str, pd.DataFrame]
    provenance: dict[str, dict[str, Any]]
    pruning: pd.DataFrame
    costs: pd.DataFrame
    sensitivity: pd.DataFrame | None
    split: pd.DataFrame
    links: pd.DataFrame
    sources: pd.DataFrame
    widths: dict[str, np.ndarray]
    dropped: pd.DataFrame
    parity: dict[str, Any]
    engines: list[dict[str, Any]]
    latency: dict[str, Any]
    latency_layers: pd.DataFrame
    benchmark: dict[str, Any] | None


def read_results(results: Path, data: Path, declarations: dict[str, dict[str, Any]]) -> Results:
    """Read the run's folder ``results`` and the pictures' manifests under ``data``."""
    split = pd.read_csv(results / "split.csv", dtype=str)
    return Results(
        stages=[_stage(results, name) for name in STAGES],
        pruned=compare(results / "train" / "evaluation", results / "retrain" / "evaluation"),
        histories={name: pd.read_csv(results / name / "history.csv") for name in ("train", "retrain")},
        provenance={
            name: read_json(results / name / "provenance.json") for name in ("train", "prune", "retrain")
        },
        pruning=pd.read_csv(results / "prune" / "pruning.csv"),
        costs=pd.read_csv(results / "prune" / "costs.csv"),
        sensitivity=_sensitivity(results / "prune"),
        split=split,
        links=pd.read_csv(results / "split_links.csv", dtype=str),
        sources=_sources(data, declarations, split),
        widths={name: _widths(data / "resized" / name) for name in sorted(declarations)},
        dropped=_dropped(data, sorted(declarations)),
        parity=read_json(results / "export" / "parity.json"),
        engines=[read_json(path) for path in sorted(results.glob("engine/*/build.json"))],
        latency=read_json(results / "latency" / "latency.json"),
        latency_layers=pd.read_csv(results / "latency" / "latency.csv"),
        benchmark=_benchmark(results / "engine" / "nano" / "benchmark.json"),
    )


def _benchmark(path: Path) -> dict[str, Any] | None:
    """What a Jetson Nano measured, its ``fps`` above all; None where the engine has not run on one."""
    return read_json(path) if path.is_file() else None


def _sensitivity(folder: Path) -> pd.DataFrame | None:
    """None where the network was not pruned to a budget; a file of an earlier run may lie there."""
    to_budget = "bound_by" in read_json(folder / "provenance.json")
    return pd.read_csv(folder / "sensitivity.csv") if to_budget else None


def _stage(results: Path, name: str) -> Stage:
    folder = results / name / "evaluation"
    return Stage(
        name,
        read_json(folder / "metrics.json"),
        pd.read_csv(folder / "pr_curve.csv"),
        _read_boxes(folder / "detections.csv"),
        _read_boxes(folder / "ground_truth.csv"),
    )


def _read_boxes(path: Path) -> pd.DataFrame:
    # A picture may be called "NA" or "007": names stay text.
    names = dict.fromkeys(("image", "source", "class", "outcome"), str)
    numbers = {name: [""] for name in ("confidence", "x1", "y1", "x2", "y2", "iou")}
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=numbers)


def _sources(data: Path, declarations: dict[str, dict[str, Any]], split: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name in sorted(declarations):
        converted = manifest.read(data / "kitti" / name / "manifest.csv")
        folds = split[split.source == name].fold.value_counts()
        rows.append(
            {
                "source": name,
                "adapter": declarations[name]["adapter"],
                "licence": declarations[name]["licence"],
                "origin": _origin(data / "raw" / name / NOTE),
                "pictures": len(converted),
                "plates": int(converted.boxes.astype(int).sum()),
                "without plates": int((converted.boxes.astype(int) == 0).sum()),
                "groups": int(split[split.source == name].group.nunique()),
                "training": int(folds.get("training", 0)),
                "validation": int(folds.get("validation", 0)),
                "excluded": int(folds.get("excluded", 0)),
            }
        )
    return pd.DataFrame(rows)


def _origin(path: Path) -> str:
    """Where the raw files came from, of the note beside them; rendered scenes name no place."""
    if not path.is_file():
        return "not noted"
    note = read_json(path)
    origin = [f"{key} {note[key]}" for key in ("folder", "archive", "git", "commit") if key in note]
    return ", ".join(origin) or "rendered here"


def _widths(folder: Path) -> np.ndarray:
    rows = manifest.read(folder / "manifest.csv")
    labelled = rows[rows.boxes.astype(int) > 0].label
    boxes = [label.box for name in labelled for label in kitti.read_labels(folder / name)]
    return np.array([x2 - x1 for x1, _, x2, _ in boxes], dtype=np.float64)


def _dropped(data: Path, names: list[str]) -> pd.DataFrame:
    frames = []
    for stage in ("kitti", "resized"):
        for name in names:
            frame = pd.read_csv(data / stage / name / "dropped.csv", dtype=str)
            frames.append(frame.assign(source=name, stage=stage))
    everything = pd.concat(frames, ignore_index=True)
    return everything.groupby(["source", "stage", "reason"], as_index=False).size()
