"""Twenty annotated validation pictures, chosen by rule and not by taste."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from detectnet.data import manifest, pictures
from detectnet.data.letterbox import letterbox_geometry
from detectnet.detection import draw
from detectnet.report.results import Stage

KINDS = {
    "best": "every plate found, the least certain one with the highest confidence",
    "worst": "plates found, with the smallest overlap",
    "missed": "the widest plates that were not found",
    "false": "false alarms of the highest confidence",
}


@dataclass(frozen=True)
class Shown:
    """One picture of the gallery: why it was chosen, and a JPEG as data URI."""

    kind: str
    image: str
    source: str
    caption: str
    uri: str


def choose(stage: Stage, threshold: float, count: int) -> list[tuple[str, str, str, str]]:
    """Pick pictures by rule: a quarter of ``count`` of each of best, worst, missed and false.

    Args:
        stage: the evaluated stage.
        threshold: confidence from which a detection counts.
        count: how many pictures in all.

    Returns:
        (kind, source, image, caption) with no picture twice; fewer where a kind has too few.
    """
    detections = stage.detections[stage.detections.confidence >= threshold]
    hits = detections[detections.outcome == "tp"]
    false = detections[detections.outcome == "fp"].sort_values("confidence", ascending=False)
    truth = stage.ground_truth
    key = ["source", "image"]
    found = pd.MultiIndex.from_frame(hits[key]).value_counts()
    wanted = pd.MultiIndex.from_frame(truth[truth.outcome != "neutral"][key]).value_counts()
    whole = [picture for picture, number in wanted.items() if found.get(picture, 0) == number]
    clean = hits.groupby(key).confidence.min()
    clean = clean[clean.index.isin(whole) & ~clean.index.isin(false.set_index(key).index)]
    lost = (truth.outcome == "missed") | ((truth.outcome == "found") & ~(truth.confidence >= threshold))
    missed = truth[lost].assign(width=lambda frame: frame.x2 - frame.x1)
    ranked = {
        "best": [
            (*picture, f"confidence {value:.2f}")
            for picture, value in clean.sort_values(ascending=False).items()
        ],
        "worst": [
            (row.source, row.image, f"IoU {row.iou:.2f}") for row in hits.sort_values("iou").itertuples()
        ],
        "missed": [
            (row.source, row.image, f"{row.width:.0f} px wide")
            for row in missed.sort_values("width", ascending=False).itertuples()
        ],
        "false": [(row.source, row.image, f"confidence {row.confidence:.2f}") for row in false.itertuples()],
    }
    return _without_repeats(ranked, count)


def _without_repeats(
    ranked: dict[str, list[tuple[str, str, str]]], count: int
) -> list[tuple[str, str, str, str]]:
    chosen: list[tuple[str, str, str, str]] = []
    seen: set[tuple[str, str]] = set()
    for kind, candidates in ranked.items():
        quota = count // len(ranked)
        for source, image, caption in candidates:
            if quota and (source, image) not in seen:
                seen.add((source, image))
                chosen.append((kind, source, image, caption))
                quota -= 1
    return chosen


def gallery(stage: Stage, data: Path, threshold: float, count: int) -> list[Shown]:
    """The chosen pictures with hits, misses and false alarms drawn in."""
    shown = []
    chosen = choose(stage, threshold, count)
    sizes = {source: _sizes(data, source) for source in sorted({source for _, source, _, _ in chosen})}
    for kind, source, image, caption in chosen:
        picture = _without_padding(data / "resized" / source / f"{image}.jpg", *sizes[source][image])
        picture = _annotated(picture, stage, source, image, threshold)
        shown.append(Shown(kind, image, source, caption, data_uri(picture)))
    return shown


def _annotated(picture: np.ndarray, stage: Stage, source: str, image: str, threshold: float) -> np.ndarray:
    truth = _rows(stage.ground_truth, source, image)
    lost = (truth.outcome == "missed") | ((truth.outcome == "found") & ~(truth.confidence >= threshold))
    neutral = truth[truth.outcome == "neutral"]
    found = _rows(stage.detections, source, image)
    found = found[found.confidence >= threshold]
    for rows, outcome in (
        (truth[lost], "missed"),
        (neutral, "neutral"),
        (found[found.outcome == "tp"], "hit"),
        (found[found.outcome == "fp"], "false"),
    ):
        boxes = rows[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
        labels = [f"{value:.2f}" for value in rows.confidence] if outcome in ("hit", "false") else ()
        picture = draw.annotate(picture, boxes, labels, draw.OUTCOME_COLOURS[outcome])
    return picture


def _sizes(data: Path, source: str) -> dict[str, tuple[int, int]]:
    """Width and height of every picture of a source before it was resized."""
    rows = manifest.read(data / "kitti" / source / "manifest.csv")
    return {
        str(Path(row.image).with_suffix("")): (int(row.width), int(row.height)) for row in rows.itertuples()
    }


def _without_padding(path: Path, width: int, height: int) -> np.ndarray:
    padded = pictures.load(path)
    net_height, net_width = padded.shape[:2]
    inside = letterbox_geometry(width, height, net_width, net_height)
    return padded[: inside.height, : inside.width]


def _rows(frame: pd.DataFrame, source: str, image: str) -> pd.DataFrame:
    return frame[(frame.source == source) & (frame.image == image)]


def data_uri(picture: np.ndarray) -> str:
    """An RGB picture, uint8 (H, W, 3), as a JPEG that a page can hold."""
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
