"""How long a network will take on a device that is not here, and how far off that may be.

The time of a kernel is modelled as the slower of its arithmetic and its memory traffic at one share of the
device's peaks, and a fixed overhead. Both parameters are fitted on published measurements of networks whose
graph is known; each of these is also predicted from the others alone, and the largest errors of that make
the range of every prediction. It is no bound: a network unlike all of them may lie outside.

Five measurements carry no more than two parameters: with a share for arithmetic and one for memory, or
squared errors, the networks left out are predicted worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.optimize import differential_evolution

from detectnet.deploy.kernels import BYTES, COLUMNS, kernels
from detectnet.devices import NANO, Device
from detectnet.files import PathLike, sha256, write_csv, write_json
from detectnet.logs import log

DEVICES = {"nano": NANO}
MEASUREMENTS = Path(__file__).parent / "latency_measurements.yaml"
SEED_FPS = 28.0
"""What the recipe that this one re-creates reported on a Jetson Nano; never fitted."""
# Winograd's F(2x2, 3x3) needs 2.25 times fewer multiplications than the direct convolution that is counted.
_BOUNDS = {"efficiency": (0.05, 2.25), "overhead": (0.0, 1e-3)}


@dataclass(frozen=True)
class Model:
    """What of a device's peaks an engine reaches.

    Attributes:
        efficiency: share of the peaks, 0.05..2.25 where fitted; above 1 convolutions save operations.
        overhead: seconds for each kernel, 0..0.001 where fitted: its launch, and that few threads fill the
            device badly.
    """

    efficiency: float
    overhead: float

    def seconds(self, table: pd.DataFrame, device: Device) -> np.ndarray:
        """Time of each kernel of a table of ``kernels``, (K,) float64."""
        return device.seconds(table["flop"], table["moved"]) / self.efficiency + self.overhead


@dataclass(frozen=True)
class Measured:
    """A published measurement: the network's name, a note on it, pictures per second, source and kernels."""

    name: str
    note: str
    fps: float
    source: str
    kernels: pd.DataFrame


def measurements(kind: str) -> list[Measured]:
    """The published figures of a Jetson Nano: ``measured`` to fit on, or ``checks``."""
    content = yaml.safe_load(MEASUREMENTS.read_text(encoding="utf-8"))[kind]
    return [Measured(**{**entry, "kernels": _table(entry["kernels"])}) for entry in content]


def fit(measured: Sequence[Measured], device: Device) -> Model:
    """The parameters with the least absolute error of the logarithm of the time; deterministic."""
    seconds = np.array([1 / one.fps for one in measured])
    bounds = np.array([device.seconds(one.kernels["flop"], one.kernels["moved"]).sum() for one in measured])
    counts = np.array([len(one.kernels) for one in measured])

    def loss(parameters: np.ndarray) -> float:
        efficiency, overhead = parameters
        return float(np.abs(np.log((bounds / efficiency + counts * overhead) / seconds)).sum())

    found = differential_evolution(loss, list(_BOUNDS.values()), rng=0, tol=1e-8, maxiter=300)
    return Model(*map(float, found.x))


def leave_one_out(measured: Sequence[Measured], device: Device) -> pd.DataFrame:
    """Each measurement beside what the fit on all the others predicts for it.

    Returns:
        ``network``, ``source``, ``measured_ms``, ``predicted_ms``, ``error`` (predicted / measured - 1).
    """
    rows = []
    for index, one in enumerate(measured):
        others = [*measured[:index], *measured[index + 1 :]]
        rows.append(_compared(one, fit(others, device), device))
    return pd.DataFrame(rows)


def spread(compared: pd.DataFrame) -> tuple[float, float]:
    """Smallest and largest ratio of measured to predicted time, at most and at least 1."""
    ratios = compared["measured_ms"] / compared["predicted_ms"]
    return min(1.0, float(ratios.min())), max(1.0, float(ratios.max()))


def layer_table(table: pd.DataFrame, model: Model, device: Device) -> pd.DataFrame:
    """The prediction for every kernel.

    Returns:
        ``layer``, ``gflop``, ``megabytes`` (10^6 bytes), ``bound_ms`` (at the device's peaks),
        ``predicted_ms``, ``bound_by``: compute, memory or launch, whichever part is the largest.
    """
    compute = table["flop"] / device.flop_per_second
    memory = table["moved"] / device.bytes_per_second
    parts = np.stack([compute, memory, np.full(len(table), model.overhead * model.efficiency)])
    return pd.DataFrame(
        {
            "layer": table["layer"],
            "gflop": table["flop"] / 1e9,
            "megabytes": table["moved"] / 1e6,
            "bound_ms": 1e3 * device.seconds(table["flop"], table["moved"]),
            "predicted_ms": 1e3 * model.seconds(table, device),
            "bound_by": np.array(["compute", "memory", "launch"])[parts.argmax(axis=0)],
        }
    )


def predict(path: PathLike, device_name: str = "nano") -> tuple[pd.DataFrame, dict[str, Any]]:
    """Predict the latency of an ONNX file at batch 1.

    Args:
        path: the network.
        device_name: a key of ``DEVICES``.

    Returns:
        The ``layer_table``, and a summary for JSON: ``device``, ``model_sha256``, ``gflop``, ``megabytes``,
        ``kernels`` (count), ``bound_ms``, ``predicted_ms`` and ``predicted_ms_range``, ``predicted_fps`` and
        ``predicted_fps_range``, ``seed_fps``, ``fit``, ``leave_one_out`` and ``checks``.

    Raises:
        UserError: as ``kernels``.
    """
    device, known = DEVICES[device_name], measurements("measured")
    model, compared = fit(known, device), leave_one_out(known, device)
    table = layer_table(kernels(path), model, device)
    total, (low, high) = table.sum(numeric_only=True).to_dict(), spread(compared)
    milliseconds = total["predicted_ms"]
    return table, {
        "device": device.name,
        "model_sha256": sha256(path),
        "kernels": len(table),
        **total,
        "predicted_ms_range": [milliseconds * low, milliseconds * high],
        "predicted_fps": 1e3 / milliseconds,
        "predicted_fps_range": [1e3 / (milliseconds * high), 1e3 / (milliseconds * low)],
        "seed_fps": SEED_FPS,
        "fit": asdict(model),
        "leave_one_out": compared.to_dict("records"),
        "checks": [_compared(one, model, device) for one in measurements("checks")],
    }


def write_latency(path: PathLike, out_dir: PathLike, device_name: str = "nano") -> None:
    """Write ``latency.csv`` (the ``layer_table``) and ``latency.json`` (the summary), and say the total."""
    table, summary = predict(path, device_name)
    write_csv(Path(out_dir) / "latency.csv", table)
    write_json(Path(out_dir) / "latency.json", summary)
    show(table, summary)


def show(table: pd.DataFrame, summary: dict[str, Any]) -> None:
    """Log the layers, the errors of the model and the total."""
    log.info("%s", table.round(3).to_string(index=False))
    for row in summary["leave_one_out"]:
        log.info("Left out: %(network)s: measured %(measured_ms).1f ms, predicted %(predicted_ms).1f ms", row)
    for row in summary["checks"]:
        log.info("Check: %(network)s: measured %(measured_ms).1f ms, predicted %(predicted_ms).1f ms", row)
    log.info(
        "%s, FP16, batch 1: %.1f ms predicted (%.1f to %.1f), %.0f FPS (%.0f to %.0f); at its peaks %.1f ms.",
        summary["device"],
        summary["predicted_ms"],
        *summary["predicted_ms_range"],
        summary["predicted_fps"],
        *summary["predicted_fps_range"],
        summary["bound_ms"],
    )


def _compared(one: Measured, model: Model, device: Device) -> dict[str, Any]:
    milliseconds = 1e3 / one.fps
    predicted = 1e3 * float(model.seconds(one.kernels, device).sum())
    return {
        "network": f"{one.name}, {one.note}",
        "source": one.source,
        "measured_ms": milliseconds,
        "predicted_ms": predicted,
        "error": predicted / milliseconds - 1,
    }


def _table(rows: list[list[Any]]) -> pd.DataFrame:
    """The table of ``kernels`` of the rows of the file of measurements."""
    found = []
    for times, layer, kind, channels, filters, size, stride, height, width, added in rows:
        weights = size**2 * channels * filters if kind == "conv" else 0
        flop = 2 * weights * height * width
        pixels = min(height * width * stride**2, height * width * size**2)
        moved = BYTES * (pixels * channels + (1 + added) * height * width * filters + weights)
        found += times * [(layer, int(flop), int(moved))]
    return pd.DataFrame(found, columns=COLUMNS)
