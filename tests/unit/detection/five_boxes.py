"""Five boxes, x1 y1 x2 y2 in pixels, and their coverages: every clustering gives another result of them."""

import numpy as np

FIVE = np.array(
    [
        (100, 100, 200, 180),
        (104, 98, 206, 182),
        (98, 104, 196, 176),
        (400, 100, 460, 150),
        (150, 110, 250, 190),
    ],
    dtype=float,
)
FIVE_COVERAGE = np.array([0.6, 0.5, 0.3, 0.95, 0.4])
