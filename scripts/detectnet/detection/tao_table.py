"""The result of an evaluation as TAO prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from detectnet.detection.collecting import HEADLINE_CLUSTERING
from detectnet.errors import UserError

ROWS = {"SAMPLE": "tao-sample", "INTEGRATE": "tao-integrate"}
HEADERS = ("class name", "average precision (in %)")


def tao_table(
    metrics: Mapping[str, Any], mode: str, *, cost: float | None = None, seconds: float | None = None
) -> str:
    """TAO's text: validation cost, mean average precision, a grid with the classes, inference time.

    Args:
        metrics: content of metrics.json.
        mode: ``SAMPLE`` or ``INTEGRATE``, the spec's ``average_precision_mode``.
        cost: validation cost; where it is None its line is left out.
        seconds: inference time for a picture (TAO takes the median of the batches); where it is None its line
            is left out.

    Raises:
        UserError: the mode is unknown.
    """
    if mode not in ROWS:
        raise UserError(f"unknown mode '{mode}'", where="average_precision_mode", allowed=ROWS)
    wanted = (HEADLINE_CLUSTERING, ROWS[mode])
    row = next(one for one in metrics["results"] if (one["clustering"], one["ap"]) == wanted)
    grid = tabulate(
        [(name, 100 * value) for name, value in sorted(row["AP"].items())], HEADERS, tablefmt="pretty"
    )
    return "\n".join(
        [
            "",
            *([f"Validation cost: {cost:f}"] if cost is not None else []),
            f"Mean average_precision (in %): {100 * row['mAP']:.4f}",
            "",
            grid,
            "",
            *([f"Median Inference Time: {seconds:f}"] if seconds is not None else []),
        ]
    )
