"""Loss masks with which a class is never learned, or that choose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from detectnet.errors import nearest
from detectnet.network.loss import OBJECTIVES
from detectnet.network.masks import MaskSettings
from detectnet.network.preflight.finding import Finding, Share, of_classes, warning
from detectnet.network.preflight.labels import Labels
from detectnet.network.records import Records

if TYPE_CHECKING:
    from detectnet.spec import Message

_WHERE = "loss_mask_label_filter"


def mask_findings(
    experiment: Message, settings: MaskSettings, labels: Labels, records: Records
) -> Iterator[Finding]:
    """Classes of which every object is masked, and names of a filter that no object has."""
    yield from _names(experiment, records)
    if settings.multiplier or settings.preserve:
        return
    for objective, name in enumerate(OBJECTIVES):
        yield from _masked(experiment, settings, labels, objective, name)


def _names(experiment: Message, records: Records) -> Iterator[Finding]:
    known = {name for frame in records.frames for name in (*frame.names, *frame.other_names)}
    for config in experiment.loss_mask_label_filter.objective_label_filter_configs:
        given = config.label_filter.source_class_label_filter
        for name in given.source_class_names:
            if name.lower() in known:
                continue
            close = nearest(name, known)
            text = f"no object of the training records has the name '{name}': the filter masks nothing by it"
            remedy = "Write the names of the records, not of the target classes." + (
                f" They have '{close}'." if close else ""
            )
            yield warning("mask-name", text, given.where("source_class_names"), remedy)


def _masked(
    experiment: Message, settings: MaskSettings, labels: Labels, objective: int, name: str
) -> list[Finding]:
    """Of one objective; that some objects of a class are masked is what filters are for."""
    shares = []
    for index, of_class in enumerate(experiment.cost_function_config.target_classes):
        chosen = _chosen(settings, labels, (index, objective))
        every = len(chosen) if chosen.all() else 0
        text = f"boxes of '{of_class.name}' are masked for '{name}': it is never learned"
        remedy = "Set mask_multiplier above 0, or preserve_ground_truth: true, or limit the filters."
        shares.append(Share("masked-class", every, len(chosen), text, experiment.where(_WHERE), remedy))
    return of_classes(shares)


def _chosen(settings: MaskSettings, labels: Labels, masked: tuple[int, int]) -> np.ndarray:
    """Which of the boxes of a class that the network sees are masked for an objective, (n,) bool."""
    own = labels.kept & (labels.classes == masked[0])
    boxes, names = labels.cut[own], [labels.names[index] for index in np.flatnonzero(own)]
    chosen = np.zeros(len(boxes), bool)
    for one in settings.filters:
        if masked in one.masked:
            chosen |= one.chosen(boxes, names)
    return chosen
