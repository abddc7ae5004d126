"""The figures of an evaluation as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from detectnet.detection.metrics import best_f1, pr_curve
from detectnet.detection.scoring import Scored
from detectnet.files import PathLike, atomic_path

FIGURES = ("pr_curve.png", "ap_by_width.png", "confidence.png")
HIT_COLOUR, FALSE_COLOUR = "#0072b2", "#d55e00"


def write(
    out_dir: PathLike,
    scored: Mapping[str, Scored],
    ap_by_width: Mapping[str, float | None],
    objects_by_width: Mapping[str, int],
) -> None:
    """Write ``FIGURES``: precision over recall, average precision by width, hits and false by confidence.

    Args:
        scored: class -> its scored detections.
        ap_by_width: bin -> 0..1, None without ground truth.
        objects_by_width: bin -> number of ground truths.
    """
    for name, draw in zip(
        FIGURES,
        (
            lambda axes: _curves(axes, scored),
            lambda axes: _by_width(axes, ap_by_width, objects_by_width),
            lambda axes: _confidences(axes, scored),
        ),
        strict=True,
    ):
        figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        with atomic_path(Path(out_dir) / name) as temporary:
            FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})


def _curves(axes: Axes, scored: Mapping[str, Scored]) -> None:
    for name, one in scored.items():
        curve = pr_curve(one.confidence, one.hit, one.total)
        point = best_f1(one.confidence, one.hit, one.total)
        if point is None:
            continue
        label = f"{name}: best F1 {point.f1:.2f} at {point.threshold:.2f}"
        (line,) = axes.plot(curve.recall, curve.precision, label=label)
        axes.plot(point.recall, point.precision, "o", color=line.get_color())
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower left", frameon=False)


def _by_width(axes: Axes, ap: Mapping[str, float | None], objects: Mapping[str, int]) -> None:
    heights = [value or 0.0 for value in ap.values()]
    bars = axes.bar(list(ap), heights, color=HIT_COLOUR)
    labels = ["" if ap[name] is None else f"{ap[name]:.2f}\nn={objects[name]}" for name in ap]
    axes.bar_label(bars, labels=labels, fontsize=8)
    axes.set(xlabel="width of the object, pixels of the network's input", ylabel="average precision")
    axes.set_ylim(0, 1.15)
    axes.tick_params(axis="x", labelsize=8)


def _confidences(axes: Axes, scored: Mapping[str, Scored]) -> None:
    confidence = np.concatenate([one.confidence for one in scored.values()])
    hit = np.concatenate([one.hit for one in scored.values()])
    top = float(confidence.max(initial=1.0))
    axes.hist(
        [confidence[hit], confidence[~hit]],
        bins=np.linspace(0, top, 41),
        stacked=True,
        color=[HIT_COLOUR, FALSE_COLOUR],
        label=[f"hits ({int(hit.sum())})", f"false ({int((~hit).sum())})"],
    )
    axes.set(xlabel="confidence", ylabel="detections")
    axes.legend(frameon=False)
