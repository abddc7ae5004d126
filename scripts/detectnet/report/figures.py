"""Figures of the page, as SVG text that is the same for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from detectnet.detection.scoring import WIDTH_EDGES, width_bins, width_labels
from detectnet.report.results import STAGES, Stage

COLOURS = dict(zip(STAGES, ("#3b6ea5", "#b0b0b0", "#2a9d63", "#d98b1f"), strict=True))
STYLE = {
    "svg.hashsalt": "detectnet-nano",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def figure(draw: Callable[[Axes], None], width: float = 5.2, height: float = 3.2) -> str:
    """Draw on fresh axes of ``width`` x ``height`` inches and return the ``<svg>`` element."""
    with plt.rc_context(STYLE):
        drawn, axes = plt.subplots(figsize=(width, height), layout="constrained")
        draw(axes)
        buffer = io.StringIO()
        drawn.savefig(
            buffer,
            format="svg",
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
            transparent=True,
        )
        plt.close(drawn)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def pr_curves(stages: list[Stage]) -> str:
    """Precision over recall, one line a stage and class."""

    def draw(axes: Axes) -> None:
        for stage in stages:
            for name, curve in stage.pr_curve.groupby("class"):
                label = f"{stage.name} {name}, AP {_value(stage.row().get('AP', {}).get(name))}"
                style = "--" if stage.name == "onnx" else "-"
                axes.plot(curve.recall, curve.precision, style, color=COLOURS[stage.name], label=label)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
        axes.legend(loc="lower left")

    return figure(draw)


def ap_by_width(stages: list[Stage]) -> str:
    """Bars of AP per bin of plate width at the network's input, one colour a stage."""

    def draw(axes: Axes) -> None:
        bins = sorted(stages[0].row().get("AP_by_width", {}), key=_lower_edge)
        for place, stage in enumerate(stages):
            heights = [stage.row().get("AP_by_width", {}).get(one) or 0.0 for one in bins]
            axes.bar(
                np.arange(len(bins)) + 0.2 * place, heights, 0.19, color=COLOURS[stage.name], label=stage.name
            )
        axes.set_xticks(np.arange(len(bins)) + 0.3, bins, rotation=30)
        axes.set(xlabel="plate width at network input, px", ylabel="AP at IoU 0.5", ylim=(0, 1))
        axes.legend(ncols=4, loc="upper left", fontsize=7)

    return figure(draw)


def training_curve(history: pd.DataFrame, stage: str) -> str:
    """Loss, on a logarithmic axis, and validation mAP over the epochs."""

    def draw(axes: Axes) -> None:
        axes.plot(history.epoch, history.loss, color=COLOURS[stage], label="loss")
        axes.set(xlabel="epoch", ylabel="loss", yscale="log")
        measured = history.dropna(subset=["mAP"])
        right = axes.twinx()
        right.plot(
            measured.epoch, measured["mAP"], "o-", color="#c0392b", markersize=3, label="validation mAP"
        )
        right.set(ylabel="validation mAP", ylim=(0, 1))
        right.grid(visible=False)
        axes.legend(handles=[*axes.get_lines(), *right.get_lines()], loc="center right")

    return figure(draw)


def sensitivity_curves(sensitivity: pd.DataFrame) -> str:
    """Task cost over channels, one line a group of layers, of the last round in which it was measured."""

    def draw(axes: Axes) -> None:
        last = sensitivity[sensitivity["round"] == sensitivity["round"].max()]
        groups = last.groupby("group", sort=False)
        colours = plt.get_cmap("turbo")(np.linspace(0, 1, len(groups)))
        for (name, curve), colour in zip(groups, colours, strict=True):
            axes.plot(curve.channels, curve.loss, ".-", color=colour, label=name)
        axes.set(xlabel="channels of this group", ylabel="task cost", xscale="log")
        axes.set_xticks(ticks := [8, 16, 32, 64, 128, 256, 512], map(str, ticks), minor=False)
        axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1, 1))

    return figure(draw, width=7.2, height=3.6)


def plate_widths(widths: dict[str, np.ndarray]) -> str:
    """How wide the plates of each source are at the network's input, stacked."""

    def draw(axes: Axes) -> None:
        labels = width_labels(WIDTH_EDGES)
        below = np.zeros(len(labels))
        for name, values in widths.items():
            counts = [((values >= low) & (values < high)).sum() for low, high in width_bins(WIDTH_EDGES)]
            axes.bar(labels, counts, bottom=below, label=name)
            below += counts
        axes.tick_params(axis="x", rotation=30)
        axes.set(xlabel="plate width at network input, px", ylabel="plates")
        axes.legend(fontsize=7)

    return figure(draw)


def _lower_edge(label: str) -> float:
    return float(label.rstrip("+").split("-")[0])


def _value(number: float | None) -> str:
    return "n/a" if number is None else f"{number:.3f}"
