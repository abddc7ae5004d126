"""Validation while training: the cost, and average precision with the spec's own clustering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.collecting import HEADLINE_CLUSTERING, HEADLINE_IOU, PictureResult, collect
from detectnet.detection.scoring import Rule, rows
from detectnet.network.inputs import InputSettings, plain_feed
from detectnet.network.loss import LossSettings, weighted
from detectnet.network.predict import picture_result
from detectnet.network.records import Records
from detectnet.network.step import EvaluationStep
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class Score:
    """Attributes: loss: task cost; map: 0..1, None without ground truth; ap: per class."""

    loss: float
    map: float | None
    ap: dict[str, float | None]


class Validator:
    """Validates a network on all pictures of the validation records, each counted once."""

    def __init__(
        self, experiment: Message, step: EvaluationStep, records: Records, inputs: InputSettings, batch: int
    ) -> None:
        self._contract: Contract = contract_of(experiment)
        self._loss = LossSettings.from_spec(experiment)
        self._neutral = experiment.evaluation_config.minimum_width_neutral
        self._step, self._records, self._inputs, self._batch = step, records, inputs, batch

    def run(self, objective_weights: np.ndarray) -> Score:
        """Cost with these (C, 2) weights, and ``correct`` AP at IoU 0.5 with the spec's clustering."""
        cost = np.zeros_like(objective_weights)
        pictures = collect(self._results(cost), self._contract)
        classes = self._contract.classes
        rule = Rule(HEADLINE_CLUSTERING, ("correct",), dict.fromkeys(classes, HEADLINE_IOU), self._neutral)
        row = rows(pictures, classes, rule, edges=())[0]
        loss = weighted(cost / len(self._records), objective_weights, self._loss)
        return Score(float(loss), row["mAP"], row["AP"])

    def _results(self, cost: np.ndarray) -> Iterator[PictureResult]:
        """Outputs of every picture; adds every batch's costs, times its pictures, to ``cost``."""
        done = 0
        for pictures, targets in plain_feed(self._records, self._inputs, batch=self._batch):
            made = self._step(pictures, targets)
            cost += made.costs.numpy() * len(pictures)
            for frame, cov, bbox in zip(
                self._records.frames[done:], made.cov.numpy(), made.bbox.numpy(), strict=False
            ):
                yield picture_result(frame, cov, bbox, self._inputs, self._contract.classes)
            done += len(pictures)
