"""Validation while training: the cost, and average precision with the spec's own clustering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.collecting import HEADLINE_CLUSTERING, HEADLINE_IOU, PictureResult, collect
from detectnet.detection.scoring import Rule, rows
from detectnet.logs import log
from detectnet.network.diagnosis import Progress, likely_causes
from detectnet.network.inputs import InputSettings, plain_batches
from detectnet.network.loss import LossSettings, weighted
from detectnet.network.predict import picture_result
from detectnet.network.records import Records
from detectnet.network.step import EvaluationStep
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

SILENT = 1e-6  # a mAP below it is 0
SAMPLE = 64  # pictures that a mAP of 0 is explained from, unless they lack a class


@dataclass(frozen=True)
class Score:
    """Attributes: loss: task cost; map: 0..1, None without ground truth; ap: per class."""

    loss: float
    map: float | None
    ap: dict[str, float | None]


class Validator:
    """Validates a network on all pictures of the validation records, each counted once.

    A mAP of 0 is explained in the log: the first time, and by ``explain`` at the end of the training.
    """

    def __init__(
        self,
        experiment: Message,
        step: EvaluationStep,
        records: Records,
        inputs: InputSettings,
        batch: int,
        noted: Sequence[str] = (),
    ) -> None:
        """``noted`` is what the preflight warned of."""
        self._epochs, self._soft_start = experiment.training_config.num_epochs, _soft_start(experiment)
        self._noted, self._first = noted, True
        self._silent: tuple[list[PictureResult], Progress] | None = None
        self._contract: Contract = contract_of(experiment)
        self._loss = LossSettings.from_spec(experiment)
        self._neutral = experiment.evaluation_config.minimum_width_neutral
        self._step, self._records, self._inputs, self._batch = step, records, inputs, batch

    def run(self, objective_weights: np.ndarray, epoch: int) -> Score:
        """Cost with these (C, 2) weights, and ``correct`` AP at IoU 0.5 with the spec's clustering."""
        cost = np.zeros_like(objective_weights)
        sample: list[PictureResult] = []
        pictures = collect(self._results(cost, sample), self._contract, (HEADLINE_CLUSTERING,))
        classes = self._contract.classes
        rule = Rule(HEADLINE_CLUSTERING, ("correct",), dict.fromkeys(classes, HEADLINE_IOU), self._neutral)
        row = rows(pictures, classes, rule, edges=())[0]
        loss = weighted(cost / len(self._records), objective_weights, self._loss)
        silent = row["mAP"] is not None and row["mAP"] < SILENT
        self._silent = (sample, Progress(epoch, self._epochs, self._soft_start)) if silent else None
        if self._first:
            self.explain()
        self._first = False
        return Score(float(loss), row["mAP"], row["AP"])

    def explain(self) -> None:
        """Say why the mAP of the last run is 0, if it is and that was not said yet."""
        if self._silent is None:
            return
        (sample, progress), self._silent = self._silent, None
        causes = likely_causes(sample, self._contract, progress, self._noted)
        listed = "".join(f"\n  {number}. {one}" for number, one in enumerate(causes, 1))
        log.warning("The validation's mAP is 0. Likely causes, most likely first:%s", listed)

    def _results(self, cost: np.ndarray, sample: list[PictureResult]) -> Iterator[PictureResult]:
        """Outputs of every picture.

        Adds every batch's costs, times its pictures, to ``cost``, and to ``sample`` the first pictures with
        ground truth, and later ones that have the first of a class.
        """
        sampled: set[str] = set()
        for pictures, targets, frames in plain_batches(self._records, self._inputs, batch=self._batch):
            made = self._step(pictures, targets)
            cost += made.costs.numpy() * len(pictures)
            for frame, cov, bbox in zip(frames, made.cov.numpy(), made.bbox.numpy(), strict=True):
                result = picture_result(frame, cov, bbox, self._inputs, self._contract.classes)
                if set(result.truth_classes) - (sampled if len(sample) >= SAMPLE else set()):
                    sample.append(result)
                    sampled.update(result.truth_classes)
                yield result


def _soft_start(experiment: Message) -> float:
    """The share of the training in which the learning rate rises, 0..1."""
    rate, training = experiment.training_config.learning_rate, experiment.training_config
    if rate.has("early_stopping_annealing_schedule"):
        return rate.early_stopping_annealing_schedule.soft_start_epochs / training.num_epochs
    return rate.soft_start_annealing_schedule.soft_start
