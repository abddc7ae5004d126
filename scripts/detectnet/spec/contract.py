"""From a spec to the contract that training, decoding, export and the device share."""

from __future__ import annotations

from typing import Any

from detectnet.contract import STRETCH, TOP_LEFT, Contract
from detectnet.errors import UserError
from detectnet.spec.message import Message
from detectnet.spec.schema_detection import CLUSTERING_CONFIG

# Field of ClusteringConfig <- key of TLT 1.0's clustering file.
_CLUSTER_PARAMS = {
    "coverage_threshold": "min_cov_to_cluster",
    "minimum_bounding_box_height": "min_obj_height",
    "dbscan_eps": "dbscan_eps",
    "dbscan_min_samples": "dbscan_min_samples",
    "dbscan_confidence_threshold": "confidence_th",
    "dbscan_min_coverage": "dbscan_min_coverage",
}


def contract_of(experiment: Message) -> Contract:
    """The contract of an experiment spec: input size and channels, classes in channel order, clustering."""
    size = experiment.augmentation_config.preprocessing
    bbox = experiment.model_config.objective_set.bbox
    return Contract(
        width=size.output_image_width,
        height=size.output_image_height,
        channels=size.output_image_channel,
        channel_order="RGB" if size.output_image_channel == 3 else "GRAY",
        offsets=(0.0,) * size.output_image_channel,
        letterbox=STRETCH if size.enable_auto_resize else TOP_LEFT,
        bbox_scale=bbox.scale,
        bbox_offset=bbox.offset,
        classes=tuple(one.name for one in experiment.cost_function_config.target_classes),
        clustering=clustering_of(experiment),
    )


def clustering_of(spec: Message) -> dict[str, dict[str, Any]]:
    """Class -> the fields of its clustering_config as in effect, from any kind of file that holds them.

    A class without an entry of its own takes the entry named ``default`` of an inference spec or a
    clustering file. ``dbscan_min_coverage`` is None when it is not set.

    Raises:
        UserError: the spec is a dataset conversion spec.
    """
    if spec.kind == "experiment":
        names = [one.name for one in spec.cost_function_config.target_classes]
        entries = spec.postprocessing_config.target_class_config
        return {name: entries[name].clustering_config.to_dict() for name in names}
    if spec.kind == "inference":
        entries = spec.bbox_handler_config.classwise_bbox_handler_config
        names = spec.inferencer_config.target_classes
        return {name: _entry(entries, name).clustering_config.to_dict() for name in names}
    if spec.kind == "cluster_params":
        return {name: _from_params(spec, name) for name in spec.target_classes}
    raise UserError(f"a {spec.kind} spec holds no clustering", where=spec.where())


def _from_params(spec: Message, name: str) -> dict[str, Any]:
    values = {field: _entry(getattr(spec, key), name) for field, key in _CLUSTER_PARAMS.items()}
    given = {field: value for field, value in values.items() if value is not None}
    return {**_defaults(), **given}


def _entry(entries: dict[str, Any], name: str) -> Any:
    """A class's own entry, that of its name in another case, or the one for all other classes."""
    by_lower = {key.lower(): value for key, value in entries.items()}
    return entries.get(name, by_lower.get(name.lower(), entries.get("default")))


def _defaults() -> dict[str, Any]:
    return Message(CLUSTERING_CONFIG, "").to_dict()
