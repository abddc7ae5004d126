"""Decoding and clustering of one 640x640 frame; the aim is less than a millisecond with 200 candidates."""

from __future__ import annotations

import time

import numpy as np
import pytest

from detectnet.contract import Contract
from detectnet.detection.cluster import (
    DEEPSTREAM_MODES,
    MODES,
    DeepStreamSettings,
    detect,
    detect_deepstream,
)

pytestmark = pytest.mark.slow

CLUSTERING = {
    "coverage_threshold": 0.005,
    "minimum_bounding_box_height": 4,
    "dbscan_eps": 0.2,
    "dbscan_min_coverage": 0.05,
    "dbscan_confidence_threshold": 0.1,
}
CONTRACT = Contract(640, 640, ("plate",), {"plate": CLUSTERING})
ATTRIBUTES = {
    "plate": DeepStreamSettings(pre_cluster_threshold=0.005, eps=0.2, min_boxes=1, group_threshold=1)
}


def frame(plates, candidates):
    """Outputs for plates of 6x3 cells in a grid, and stray cells up to the number of candidates."""
    draw = np.random.default_rng(plates)
    cov, bbox = np.zeros((1, 40, 40), np.float32), np.zeros((4, 40, 40), np.float32)
    for plate in range(plates):
        column, row = 2 + 12 * (plate % 3), 3 + 10 * (plate // 3)
        for j in range(3):
            for i in range(6):
                edges = np.array([16 * i, 16 * j, 96 - 16 * i, 48 - 16 * j]) / 35
                bbox[:, row + j, column + i] = edges + draw.normal(0, 0.03, 4)
                cov[0, row + j, column + i] = draw.uniform(0.3, 0.99)
    stray = draw.choice(np.flatnonzero(cov.ravel() == 0), candidates - 18 * plates, replace=False)
    cov.reshape(-1)[stray] = draw.uniform(0.006, 0.1, len(stray))
    bbox.reshape(4, -1)[:, stray] = draw.uniform(0.1, 1.0, (4, len(stray)))
    return cov, bbox


def made_by(mode, cov, bbox):
    if mode in DEEPSTREAM_MODES:
        return lambda: detect_deepstream(cov, bbox, CONTRACT, ATTRIBUTES, mode)["plate"]
    return lambda: detect(cov, bbox, CONTRACT, mode)["plate"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("plates", "candidates"), [(1, 18), (4, 126), (8, 200)])
def test_decode_and_cluster_one_frame(benchmark, plates, candidates, mode):
    cov, bbox = frame(plates, candidates)
    assert int((cov > 0.005).sum()) == candidates
    found = benchmark(made_by(mode, cov, bbox))
    assert len(found) >= plates


@pytest.mark.parametrize("mode", MODES)
def test_two_hundred_candidates_take_less_than_a_millisecond_of_one_core(mode):
    once = made_by(mode, *frame(8, 200))
    # Time of this process and the best of many: a busy machine must not decide.
    assert min(timed(once) for _ in range(200)) < 1e-3


def timed(once):
    started = time.process_time()
    once()
    return time.process_time() - started
