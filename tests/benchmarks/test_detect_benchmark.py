"""scripts/detect.py: the time until the first picture, and what decoding ahead of the network gains."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectnet.deploy.inference.ahead import ahead

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "deploy"))
from plain_network import bright_cells, picture  # noqa: E402


def test_from_the_start_to_the_first_picture(benchmark, tmp_path):
    """The aim is less than a second on an idle machine; imports are nearly all of it."""
    cv2.imwrite(str(tmp_path / "a.png"), picture([(5, 6)], 640, 640))
    model = bright_cells(tmp_path / "model.onnx", size=640)
    line = [sys.executable, str(ROOT / "scripts" / "detect.py"), str(tmp_path / "a.png")]
    line += ["--model", str(model), "--output", str(tmp_path / "out"), "--threads", "1"]
    benchmark.pedantic(lambda: subprocess.run(line, check=True, capture_output=True), rounds=3)
    assert (tmp_path / "out" / "labels" / "a.txt").read_text()


@pytest.mark.parametrize("threaded", [False, True], ids=["one after the other", "ahead"])
def test_decoding_beside_the_network(benchmark, threaded):
    """A JPEG of 1920x1080 is decoded while the network, which only sleeps here, takes 20 ms."""
    random = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    data, count = cv2.imencode(".jpg", cv2.GaussianBlur(random, (9, 9), 0))[1], 30

    def decoded():
        return (cv2.imdecode(data, cv2.IMREAD_COLOR) for _ in range(count))

    def work():
        for _ in ahead(decoded()) if threaded else decoded():
            time.sleep(0.02)

    benchmark.pedantic(work, rounds=3)
    benchmark.extra_info["pictures_per_second"] = count / benchmark.stats.stats.mean
