"""What a device can do at most: the roofline that predicted times rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Device:
    """The physical limits of an accelerator.

    Attributes:
        name: for people.
        flop_per_second: peak of FP16 arithmetic, two operations for each multiply-add.
        bytes_per_second: peak of its memory.
    """

    name: str
    flop_per_second: float
    bytes_per_second: float

    def seconds(self, flop: np.ndarray | float, moved: np.ndarray | float) -> np.ndarray:
        """Lower bound of the time of a kernel: arithmetic and memory overlap, the slower one counts.

        Args:
            flop: operations of each kernel.
            moved: bytes that each kernel reads and writes; broadcasts against ``flop``.
        """
        return np.maximum(np.divide(flop, self.flop_per_second), np.divide(moved, self.bytes_per_second))


NANO = Device("Jetson Nano", 471.9e9, 25.6e9)
"""128 Maxwell cores x 0.9216 GHz x 2 (multiply-add) x 2 (pairs of FP16), and 64 bit of LPDDR4 at 3200 MT/s.

NVIDIA's own DetectNet_v2 ResNet-18 at 960 x 544 reaches 90 % of the bound of these numbers without pruning.
"""
