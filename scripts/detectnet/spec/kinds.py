"""The four kinds of spec file, and telling a file's kind from what is in it."""

from __future__ import annotations

import json
import re
from functools import cache

from detectnet.errors import UserError, nearest
from detectnet.spec import schema_data, schema_detection, schema_inference, schema_model, schema_training
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
        Field(
            "loss_mask_label_filter",
            schema_detection.LOSS_MASK_LABEL_FILTER,
            note="the loss is not masked; unlabelled objects are background",
        ),
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
TEXT_KINDS = ("experiment", "dataset", "inference")

_SECTION = re.compile(r"^\s*\[([A-Za-z][\w-]*)\]", re.MULTILINE)
_NVINFER = re.compile(r"property|class-attrs-(all|\d+)")
_DEEPSTREAM = re.compile(r"application|tiled-display|(source|sink)\d+|streammux|osd|primary-gie|tracker")


def root_of(kind: str) -> MessageType:
    """The table of a kind of file.

    Raises:
        UserError: there is no such kind.
    """
    if kind not in ROOTS:
        raise UserError(f"there is no kind of spec file named '{kind}'", allowed=list(ROOTS))
    return ROOTS[kind]


def kind_of(text: str, tree: Block, file: str) -> str:
    """The kind of a file, from the names at its top level.

    Raises:
        OtherKindError: it is none of the kinds; the error says what it looks like.
    """
    if text.lstrip().startswith("{"):
        return _json_kind(text, file)
    scores = {kind: sum(_score(entry.name, ROOTS[kind]) for entry in tree.entries) for kind in TEXT_KINDS}
    best = max(TEXT_KINDS, key=lambda kind: scores[kind])
    if scores[best] and not _SECTION.search(text):
        return best
    raise OtherKindError(file, _other(text))


def _score(name: str, root: MessageType) -> float:
    if name in root.by_name:
        return 1.0
    return 0.5 if nearest(name, root.by_name) else 0.0


def _json_kind(text: str, file: str) -> str:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error.msg})", where=f"{file}:{error.lineno}") from error
    if content.keys() & schema_inference.CLUSTER_PARAMS.by_name.keys() - {"stride", "image_height"}:
        return "cluster_params"
    raise OtherKindError(file, "a JSON file of another kind")


def _other(text: str) -> str:
    sections = _SECTION.findall(text)
    if any(_NVINFER.fullmatch(name) for name in sections):
        return "an nvinfer configuration (DeepStream's inference plug-in)"
    if any(_DEEPSTREAM.fullmatch(name) for name in sections):
        return "a deepstream-app configuration"
    if sections:
        return "an INI file"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "an empty file"
    if all(len(line.split()) in (15, 16) for line in lines):
        return "a KITTI label file"
    if all(re.fullmatch(r"[\w .;+-]+", line) for line in lines):
        return "a list of labels (labels.txt)"
    return "a text file of another kind"


@cache
def places_of(root: MessageType) -> dict[str, tuple[str, ...]]:
    """Field name -> paths of the messages below ``root`` in which it may stand (empty path: top level)."""
    found: dict[str, dict[str, None]] = {}
    pending = [(root, "")]
    while pending:
        message, path = pending.pop(0)
        for row in message.fields:
            found.setdefault(row.name, {})[path] = None
            if isinstance(row.type, MessageType):
                pending.append((row.type, f"{path}.{row.name}" if path else row.name))
    return {name: tuple(paths) for name, paths in found.items()}
