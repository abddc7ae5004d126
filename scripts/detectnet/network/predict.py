"""The network's outputs for every picture of a set of record shards."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import keras
import numpy as np

from detectnet.detection.collecting import PictureResult
from detectnet.files import PathLike
from detectnet.network.inputs import InputSettings, plain_batches, plain_labels
from detectnet.network.loss import LossSettings, weighted
from detectnet.network.model import load_model
from detectnet.network.picture_files import PictureFiles
from detectnet.network.preflight import warn_of_losses
from detectnet.network.records import Frame, Records, index_records
from detectnet.network.step import EvaluationStep
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

BATCH = 8


class Predictions:
    """Iterates over one ``PictureResult`` per picture, in the order of the records.

    Attributes:
        contract: of the network.
        seconds_per_image: median of the batches' time in the network, without the first where there are more;
            None until one ran.
        cost: the validation cost, with the spec's initial weights of the objectives; None until all ran.
    """

    def __init__(
        self, model: keras.Model, records: Records, settings: InputSettings, experiment: Message
    ) -> None:
        self.contract = contract_of(experiment)
        self.cost: float | None = None
        self._records, self._settings = records, settings
        self._loss = LossSettings.from_spec(experiment)
        self._step = EvaluationStep(model, self._loss)
        self._seconds: list[float] = []

    @property
    def seconds_per_image(self) -> float | None:
        """See the class."""
        return statistics.median(self._seconds[1:] or self._seconds) if self._seconds else None

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[PictureResult]:
        done = 0
        costs = np.zeros((len(self.contract.classes), 2))
        for pictures, targets, frames in plain_batches(self._records, self._settings, batch=BATCH):
            started = time.perf_counter()
            made = self._step(pictures, targets)
            bbox, cov = made.bbox.numpy(), made.cov.numpy()
            costs += made.costs.numpy() * len(cov)
            self._seconds.append((time.perf_counter() - started) / len(cov))
            for frame, frame_cov, frame_bbox in zip(frames, cov, bbox, strict=True):
                yield picture_result(frame, frame_cov, frame_bbox, self._settings, self.contract.classes)
            done += len(cov)
        cost = weighted(costs / done, np.array(self._loss.initial_weight), self._loss)
        self.cost = float(cost)


def picture_result(
    frame: Frame, cov: np.ndarray, bbox: np.ndarray, settings: InputSettings, classes: Sequence[str]
) -> PictureResult:
    """Outputs (h, w, C) and (h, w, 4C) of one picture, channels first, with the picture's ground truth."""
    boxes, indices = plain_labels(frame, settings)
    return PictureResult(
        frame_id=frame.frame_id,
        source=frame.source,
        truth_boxes=boxes,
        truth_classes=[classes[index] for index in indices],
        cov=np.moveaxis(cov, -1, 0),
        bbox=np.moveaxis(bbox, -1, 0),
    )


@contextmanager
def predict_keras(
    model: PathLike, shards: Sequence[PathLike], experiment: Message, *, threads: int = 2
) -> Iterator[Predictions]:
    """Predictions of a model file for all pictures of the shards.

    Args:
        model: ``model.keras``.
        shards: record files.
        experiment: the spec of the training: sizes, classes, class mapping.
        threads: pictures prepared at the same time.
    """
    yield Predictions(
        load_model(model),
        records_of(experiment, shards),
        InputSettings.from_spec(experiment, threads),
        experiment,
    )


def records_of(experiment: Message, shards: Sequence[PathLike]) -> Records:
    """As ``index_of``, but there need be no object of a target class; says what will not fit the network."""
    records = index_of(experiment, shards, needed=False)
    warn_of_losses(records, InputSettings.from_spec(experiment))
    return records


def index_of(experiment: Message, shards: Sequence[PathLike], *, needed: bool = True) -> Records:
    """The index of some shards under the spec's class mapping, see ``index_records``."""
    dataset = experiment.dataset_config
    return index_records(
        shards,
        contract_of(experiment).classes,
        dataset.target_class_mapping,
        picture_files=PictureFiles(dataset),
        patterns=[one.tfrecords_path for one in dataset.data_sources],
        needed=needed,
    )
