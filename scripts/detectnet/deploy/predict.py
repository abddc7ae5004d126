"""An exported network's outputs for every picture of a set of record shards, as ``network.predict`` gives."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from detectnet.contract import Contract
from detectnet.deploy.runtime import OnnxNetwork, to_input
from detectnet.detection.collecting import PictureResult
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.network.inputs import InputSettings, fit_picture
from detectnet.network.predict import picture_result, records_of
from detectnet.network.records import Records
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message


class OnnxPredictions:
    """Iterates over one ``PictureResult`` per picture, in the order of the records.

    Attributes:
        contract: of the exported file.
        seconds_per_image: median time in the network, without the first batch where there are more;
            None until one ran.
    """

    def __init__(self, network: OnnxNetwork, records: Records, settings: InputSettings) -> None:
        self.contract: Contract = network.contract
        self._network, self._records, self._settings = network, records, settings
        self._seconds: list[float] = []

    @property
    def seconds_per_image(self) -> float | None:
        """See the class."""
        return statistics.median(self._seconds[1:] or self._seconds) if self._seconds else None

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[PictureResult]:
        step = max(self.contract.batch, 1)
        for start in range(0, len(self), step):
            frames = self._records.frames[start : start + step]
            pictures = [fit_picture(frame, self._settings) for frame in frames]
            inputs = np.stack([to_input(picture, self.contract) for picture in pictures])
            started = time.perf_counter()
            found = self._network(inputs)
            # The last batch is filled up, and takes as long as a full one.
            self._seconds.append((time.perf_counter() - started) / step)
            for frame, cov, bbox in zip(frames, *found, strict=True):
                outputs = (np.moveaxis(cov, 0, -1), np.moveaxis(bbox, 0, -1))
                yield picture_result(frame, *outputs, self._settings, self.contract.classes)


@contextmanager
def predict_onnx(
    model: PathLike, shards: Sequence[PathLike], experiment: Message, *, threads: int = 2
) -> Iterator[OnnxPredictions]:
    """Predictions of an ONNX file for all pictures of the shards.

    Args:
        model: ``model.onnx`` with its contract, or its FP16 copy.
        shards: record files.
        experiment: the spec of the training: class mapping, ground truth.
        threads: of the network.

    Raises:
        UserError: the file was exported with another input, letterbox or other classes than the spec's.
    """
    network = OnnxNetwork(model, threads)
    wanted = contract_of(experiment)
    for name in ("width", "height", "channels", "classes", "letterbox"):
        found, expected = getattr(network.contract, name), getattr(wanted, name)
        if found != expected:
            raise UserError(
                f"{name} is {found} in the exported network",
                where=model,
                allowed=f"{expected}, as in the spec",
            )
    yield OnnxPredictions(
        network, records_of(experiment, shards), InputSettings.from_spec(experiment, threads)
    )
