"""A Keras stage of the pipeline, called as its exported form is."""

from __future__ import annotations

import numpy as np

from detectnet.contract import Contract
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.network.model import load_model


class KerasNetwork:
    """A trained, pruned or retrained network; NCHW in and out."""

    def __init__(self, path: PathLike) -> None:
        """Open a ``.keras`` file, in float32.

        Raises:
            UserError: the file is missing or no model of this package.
        """
        self._path, self._model = path, load_model(path)

    def contract(self, classes: tuple[str, ...]) -> Contract:
        """How the network is fed and read, for these classes in the order of its channels.

        Raises:
            UserError: the network finds another number of classes.
        """
        height, width, channels = self._model.input_shape[1:]
        found = self._model.output_shape[1][-1]
        if found != len(classes):
            raise UserError(
                f"{len(classes)} classes are named: {', '.join(classes)}",
                where=self._path,
                allowed=f"{found}, which the network finds",
            )
        order = "RGB" if channels == 3 else "GRAY"
        return Contract(
            width, height, classes, channels=channels, channel_order=order, offsets=(0.0,) * channels
        )

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From (B, channels, H, W) float32 0..1 to coverage (B, C, h, w) and boxes (B, 4C, h, w)."""
        bbox, cov = self._model.predict_on_batch(inputs.transpose(0, 2, 3, 1))
        return cov.transpose(0, 3, 1, 2), bbox.transpose(0, 3, 1, 2)
