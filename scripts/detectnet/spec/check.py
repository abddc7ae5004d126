"""What the grammar alone cannot say: required parts, fields without effect, numbers that must agree."""

from __future__ import annotations

from collections.abc import Callable

from detectnet.spec import findings
from detectnet.spec.check_classes import check_classes
from detectnet.spec.check_dataset import check_conversion, check_data
from detectnet.spec.check_detection import check_detection
from detectnet.spec.check_inference import check_cluster_params, check_inference
from detectnet.spec.check_model import check_model
from detectnet.spec.check_training import check_training
from detectnet.spec.findings import Found
from detectnet.spec.message import Message, parts_of
from detectnet.spec.problems import Note, Problem


def missing_and_idle(message: Message) -> tuple[list[Problem], list[Note]]:
    """Required fields that are missing, and given fields without effect, in the order of the tables."""
    return _sorted(_structure(message))


def disagreements(message: Message) -> tuple[list[Problem], list[Note]]:
    """Values that are right in themselves but not together, and what their author should know."""
    return _sorted(_CHECKS[message.kind](message))


def _sorted(found: Found) -> tuple[list[Problem], list[Note]]:
    every = list(found)
    notes = [one for one in every if isinstance(one, Note)]
    return [one for one in every if isinstance(one, Problem)], notes


def _structure(message: Message) -> Found:
    """Required fields that are missing and given fields without effect, here and below."""
    for row in message._type.fields:
        value = message._values.get(row.name)
        if row.required and (value is None or value in ([], {})):
            yield findings.missing(message, row.name, row.describe() if not row.is_message else "")
        if value is None:
            continue
        if row.note:
            yield findings.no_effect(message, row.name, row.note)
            continue
        if row.replaced:
            yield findings.replaced(message, row.name, row.replaced)
        for part in parts_of(value):
            yield from _structure(part)


def _experiment(spec: Message) -> Found:
    yield from check_classes(spec)
    yield from check_data(spec.dataset_config)
    yield from check_model(spec.model_config)
    yield from check_training(spec)
    yield from check_detection(spec)


_CHECKS: dict[str, Callable[[Message], Found]] = {
    "experiment": _experiment,
    "dataset": check_conversion,
    "inference": check_inference,
    "cluster_params": check_cluster_params,
}
