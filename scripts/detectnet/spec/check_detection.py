"""Checks of what a found box is: clustering, evaluation and the boxes that a loss mask selects."""

from __future__ import annotations

from collections.abc import Iterable

from detectnet.spec import findings
from detectnet.spec.findings import Found
from detectnet.spec.message import Message

_SIZES = (("minimum_width", "maximum_width"), ("minimum_height", "maximum_height"))
_DIMENSIONS = (("min_width", "max_width"), ("min_height", "max_height"))
_USUAL = (20, 9999)  # px
_CROP = (("crop_left", "crop_right"), ("crop_top", "crop_bottom"))


def check_detection(spec: Message) -> Found:
    """postprocessing_config, evaluation_config and loss_mask_label_filter of an experiment spec."""
    for name, entry in spec.postprocessing_config.target_class_config.items():
        yield from check_clustering(entry.clustering_config, name)
        if entry.clustering_config.clustering_algorithm == "HYBRID":
            text = "DBSCAN and then NMS; TAO refuses it in a training spec"
            yield findings.note(entry.clustering_config, "clustering_algorithm", text)
    for limits in spec.evaluation_config.evaluation_box_config.values():
        yield from _ordered(limits, _SIZES, _USUAL)
    for config in spec.loss_mask_label_filter.objective_label_filter_configs:
        yield from _label_filter(config.label_filter)


def check_clustering(config: Message, name: str) -> Found:
    """Clustering of one class, in whichever kind of file."""
    samples = config.dbscan_min_samples
    if samples != int(samples) and not config.has("dbscan_min_coverage"):
        text = (
            f"'{name}': {samples:g} counts as {max(int(samples), 1)}, as in TAO; "
            "dbscan_min_coverage takes a fraction of a cell"
        )
        yield findings.note(config, "dbscan_min_samples", text)
    if config._values and config.clustering_algorithm != "NMS" and not config.has("dbscan_eps"):
        yield findings.missing(config, "dbscan_eps", "a number in [0, 1]", "DBSCAN needs it.")


def _label_filter(chosen: Message) -> Found:
    yield from _ordered(chosen.bbox_dimensions_label_filter, _DIMENSIONS)
    yield from _ordered(chosen.bbox_crop_label_filter, _CROP)
    if not chosen._values:
        yield findings.note(chosen, "", "no filter is given, so nothing is masked")


def _ordered(limits: Message, pairs: Iterable[tuple[str, str]], usual: tuple[float, float] = (1, 1)) -> Found:
    for low, high in pairs:
        least, most = getattr(limits, low), getattr(limits, high)
        if limits.has(low) and limits.has(high) and least > most:
            yield findings.disordered(limits, low, high, usual, ": no box fits")
