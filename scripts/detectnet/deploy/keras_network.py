"""A Keras stage of the pipeline, called as its exported form is."""

from __future__ import annotations

import numpy as np

from detectnet.files import PathLike
from detectnet.network.model import load_model


class KerasNetwork:
    """A trained, pruned or retrained network; NCHW in and out."""

    def __init__(self, path: PathLike) -> None:
        """Open a ``.keras`` file, in float32.

        Raises:
            UserError: the file is missing or no model of this package.
        """
        self._model = load_model(path)

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From (B, channels, H, W) float32 0..1 to coverage (B, C, h, w) and boxes (B, 4C, h, w)."""
        bbox, cov = self._model.predict_on_batch(inputs.transpose(0, 2, 3, 1))
        return cov.transpose(0, 3, 1, 2), bbox.transpose(0, 3, 1, 2)
