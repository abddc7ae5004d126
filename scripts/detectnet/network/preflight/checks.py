"""All checks together, cheap enough to run before every training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras

from detectnet.network.inputs import InputSettings
from detectnet.network.preflight.finding import ERROR, Finding
from detectnet.network.preflight.graph import graph_findings
from detectnet.network.preflight.labels import (
    Labels,
    class_findings,
    filter_findings,
    loss_findings,
    mapping_findings,
    slip_findings,
)
from detectnet.network.preflight.masks import mask_findings
from detectnet.network.preflight.reach import reach_findings
from detectnet.network.preflight.sets import fold_findings, picture_findings
from detectnet.network.preflight.settings import settings_findings
from detectnet.network.records import Records

if TYPE_CHECKING:
    from detectnet.spec import Message


def preflight(
    experiment: Message,
    training: Records,
    validation: Records | None,
    *,
    loaded: tuple[keras.Model, str] | None = None,
) -> list[Finding]:
    """Look for every known cause of a mAP of zero. Nothing is trained and hardly a picture is decoded.

    Args:
        experiment: a loaded experiment spec.
        training, validation: the indexed records; None where there is nothing to validate on.
        loaded: with ``load_graph`` the network, and the file it is from.

    Returns:
        what was found, errors first; ``settle`` says it, and stops where there are errors.
    """
    inputs = InputSettings.from_spec(experiment)
    found = list(_all(experiment, inputs, training, validation))
    if loaded:
        found += graph_findings(experiment, *loaded)
    return sorted(found, key=lambda one: one.severity != ERROR)


def _all(
    experiment: Message, inputs: InputSettings, training: Records, validation: Records | None
) -> Iterator[Finding]:
    yield from mapping_findings(experiment, training, validation)
    yield from fold_findings(training, validation)
    for records, what in ((training, "training"), (validation, "validation")):
        if records is None:
            continue
        labels, where = Labels.of(records, inputs), f"{what} records"
        yield from class_findings(experiment, labels, what)
        yield from loss_findings(labels, inputs, where)
        yield from slip_findings(labels, where)
        yield from picture_findings(records, what)
        if what == "training":
            yield from reach_findings(experiment, labels)
            yield from mask_findings(experiment, inputs.masks, labels, records)
        if what == "validation" or validation is None:
            yield from filter_findings(experiment, labels)
    yield from settings_findings(experiment, len(training))
