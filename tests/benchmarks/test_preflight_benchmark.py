"""How long the look at spec and labels before a training takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectnet import spec
from detectnet.network.preflight import preflight
from detectnet.network.records import Frame, Records

pytestmark = pytest.mark.slow

SPEC = Path(__file__).resolve().parents[2] / "config" / "specs" / "plates" / "experiment_config.cfg"
SIZE, BOXES = 640, 4


def records(count: int, seed: int) -> Records:
    rng = np.random.default_rng(seed)
    near = rng.uniform(0, 400, (count, BOXES, 2))
    boxes = np.concatenate([near, near + rng.uniform(20, 200, (count, BOXES, 2))], axis=2).astype(np.float32)
    frames = (
        Frame(
            frame_id=f"images/{seed}_{number}",
            source="cars",
            size=(SIZE, SIZE),
            file=None,
            offset=0,
            length=-1,
            boxes=boxes[number],
            classes=np.zeros(BOXES, np.int32),
            names=("plate",) * BOXES,
            other_boxes=np.zeros((0, 4), np.float32),
            other_names=(),
            picture_sha256=f"{seed}-{number}",
        )
        for number in range(count)
    )
    return Records(tuple(frames), {}, "")


def test_preflight_of_a_hundred_thousand_boxes(benchmark, monkeypatch):
    monkeypatch.setattr(Frame, "picture", lambda self, channels=3: np.zeros((SIZE, SIZE, channels), np.uint8))
    sets = records(20_000, 1), records(5_000, 2)
    experiment = spec.load(SPEC, "experiment")
    found = benchmark.pedantic(preflight, (experiment, *sets), rounds=3, warmup_rounds=1)
    assert not [one for one in found if one.severity == "error"]
    benchmark.extra_info["boxes_per_second"] = round(25_000 * BOXES / benchmark.stats.stats.min)
