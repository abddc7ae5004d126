"""The four kinds of spec file, and telling a file's kind from what is in it."""

from __future__ import annotations

import json
from functools import cache

from detectnet.errors import UserError, nearest
from detectnet.spec import schema_data, schema_detection, schema_inference, schema_model, schema_training
from detectnet.spec.other_kinds import json_kind, may_be_spec, other_network, text_kind
from detectnet.spec.problems import OtherKindError
from detectnet.spec.schema import Field, MessageType
from detectnet.spec.text import Block

EXPERIMENT = MessageType(
    "experiment",
    (
        Field("random_seed", "uint32"),
        Field("dataset_config", schema_data.DATASET_CONFIG, required=True),
        Field("augmentation_config", schema_data.AUGMENTATION_CONFIG, required=True),
        Field("postprocessing_config", schema_detection.POSTPROCESSING_CONFIG, required=True),
        Field("model_config", schema_model.MODEL_CONFIG, required=True),
        Field("evaluation_config", schema_detection.EVALUATION_CONFIG, required=True),
        Field("cost_function_config", schema_detection.COST_FUNCTION_CONFIG, required=True),
        Field("training_config", schema_training.TRAINING_CONFIG, required=True),
        Field("bbox_rasterizer_config", schema_detection.BBOX_RASTERIZER_CONFIG, required=True),
        Field("loss_mask_label_filter", schema_detection.LOSS_MASK_LABEL_FILTER),
        Field(
            "dataset_export_config",
            schema_data.DATASET_EXPORT_CONFIG,
            repeated=True,
            note="conversion has its own spec file",
        ),
    ),
)

ROOTS: dict[str, MessageType] = {
    root.name: root
    for root in (EXPERIMENT, schema_data.DATASET, schema_inference.INFERENCE, schema_inference.CLUSTER_PARAMS)
}
TITLES = {
    "experiment": "experiment spec (train, retrain, evaluate)",
    "dataset": "dataset conversion spec",
    "inference": "inference spec",
    "cluster_params": "clustering file of TLT 1.0",
}
"""What users call the kinds."""
TEXT_KINDS = ("experiment", "dataset", "inference")
_EVERYWHERE = frozenset(
    {"input", "key", "mode", "model", "name", "notes", "project", "scale", "type", "weight"}
)
"""Words that files of every kind use: they make no spec."""


def root_of(kind: str) -> MessageType:
    """The table of a kind of file.

    Raises:
        UserError: there is no such kind.
    """
    if kind not in ROOTS:
        raise UserError(f"there is no kind of spec file named '{kind}'", allowed=list(ROOTS))
    return ROOTS[kind]


def kind_of(text: str, tree: Block, file: str, wanted: str | None = None) -> str:
    """The kind of a file, from the names at its top level; ``wanted`` where these leave a choice.

    Raises:
        OtherKindError: it is none of the kinds; the error says what it looks like.
    """
    if text.lstrip().startswith("{"):
        return _json_kind(text, file)
    names = [entry.name for entry in tree.entries]
    scores = {kind: sum(_score(name, ROOTS[kind]) for name in names) for kind in TEXT_KINDS}
    best = max(TEXT_KINDS, key=lambda kind: (scores[kind], kind == wanted))
    if not scores[best] or not (may_be_spec(text) or _only_fields(text, names, ROOTS[best])):
        raise OtherKindError(file, text_kind(text))
    if other := other_network(tree):
        raise OtherKindError(file, other)
    return best


def _only_fields(text: str, names: list[str], root: MessageType) -> bool:
    """Whether every line is a field of the top level: a spec that lacks its messages."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return len(names) >= len(lines) and all(name in root.by_name for name in names)


def _score(name: str, root: MessageType) -> float:
    if name in root.by_name:
        return 1.0
    if nearest(name, root.by_name):
        return 0.5
    return 0.25 if name in places_of(root) and name not in _EVERYWHERE else 0.0


def _json_kind(text: str, file: str) -> str:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error.msg})", where=f"{file}:{error.lineno}") from error
    if content.keys() & schema_inference.CLUSTER_PARAMS.by_name.keys() - {"stride", "image_height"}:
        return "cluster_params"
    raise OtherKindError(file, json_kind(content))


@cache
def places_of(root: MessageType) -> dict[str, tuple[str, ...]]:
    """Field name -> paths of the messages below ``root`` in which it may stand (empty path: top level)."""
    found: dict[str, dict[str, None]] = {}
    pending = [(root, "")]
    while pending:
        message, path = pending.pop(0)
        for name in message.aliases:
            found.setdefault(name, {})[path] = None
        for row in message.fields:
            found.setdefault(row.name, {})[path] = None
            if isinstance(row.type, MessageType):
                pending.append((row.type, f"{path}.{row.name}" if path else row.name))
    return {name: tuple(paths) for name, paths in found.items()}
