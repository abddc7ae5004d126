"""Record what OpenCV's groupRectangles makes of random rectangles, in group_rectangles.json beside this file.

Run once in an environment of its own, for OpenCV 5 no longer has the function:
    python -m venv /tmp/opencv4 && /tmp/opencv4/bin/pip install "opencv-python-headless<5" numpy
    /tmp/opencv4/bin/python tests/unit/detection/record_group_rectangles.py
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

CASES = 60


def rectangles(draw):
    """Noisy copies of some rectangles, smaller ones inside them, and stray ones: x, y, width, height."""
    made = [np.zeros((0, 4))]
    for _ in range(draw.integers(0, 5)):
        box = np.concatenate([draw.uniform(0, 400, 2), draw.uniform(10, 150, 2)])
        made.append(box + draw.normal(0, draw.choice([1, 4, 10]), (draw.integers(1, 9), 4)))
        if draw.random() < 0.6:
            inner = np.concatenate([box[:2] + box[2:] * 0.3, box[2:] * 0.4])
            made.append(inner + draw.normal(0, 1, (draw.integers(1, 7), 4)))
    stray = draw.integers(0, 4)
    made.append(np.hstack([draw.uniform(0, 500, (stray, 2)), draw.uniform(0, 80, (stray, 2))]))
    every = np.concatenate(made)
    return np.maximum(draw.permutation(every), 0).astype(int)


def main():
    cases = []
    for seed in range(CASES):
        draw = np.random.default_rng(seed)
        given = rectangles(draw)
        threshold = int(draw.integers(0, 4))
        eps = float(draw.choice([0.0, 0.1, 0.2, 0.35, 0.7, 1.5]))
        found, weights = cv2.groupRectangles(given.tolist(), threshold, eps)
        cases.append(
            {
                "rectangles": given.tolist(),
                "threshold": threshold,
                "eps": eps,
                "found": np.reshape(found, (-1, 4)).tolist(),
                "weights": np.ravel(weights).tolist(),
            }
        )
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = f'{{"opencv": "{cv2.__version__}", "cases": [\n{lines}\n]}}\n'
    Path(__file__).with_name("group_rectangles.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
