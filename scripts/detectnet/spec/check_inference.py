"""Checks of the inference spec and of the clustering file of TLT 1.0."""

from __future__ import annotations

import difflib

from detectnet.errors import did_you_mean
from detectnet.spec import findings
from detectnet.spec.check_classes import check_listed, idle_entry
from detectnet.spec.check_detection import check_clustering
from detectnet.spec.findings import Found
from detectnet.spec.message import Message
from detectnet.spec.problems import Problem

_DEFAULT = "default"
_CLOSE = 0.75
_RUNTIMES = ("tlt_config", "tensorrt_config")


def check_inference(spec: Message) -> Found:
    """Every class has an entry or a default."""
    handler, size = spec.bbox_handler_config, spec.inferencer_config
    entries = handler.classwise_bbox_handler_config
    if spec.has("inferencer_config") and not any(map(size.has, _RUNTIMES)):
        yield findings.missing(size, _RUNTIMES[0], " or ".join(_RUNTIMES))
    listed = [*handler.postproc_classes, *(entry.output_map for entry in entries.values())]
    misspelt = list(_misspelt(size, list(entries), listed))
    yield from misspelt
    if not misspelt:
        yield from _fallback(handler, "classwise_bbox_handler_config", size.target_classes)
        yield from check_listed(handler, "postproc_classes", size.target_classes, fold=True)
    for name, entry in entries.items():
        yield from check_clustering(entry.clustering_config, name)
    for field in ("image_width", "image_height"):
        if getattr(size, field) % 16:
            text = f"{getattr(size, field)} is no multiple of 16, so that the network has another size"
            yield findings.note(size, field, text)


def _misspelt(size: Message, entries: list[str], listed: list[str]) -> Found:
    """Target classes that only the list of them has, while the rest of the file names one almost alike."""
    known, named = {name.lower() for name in size.target_classes}, {*map(str.lower, [*entries, *listed])}
    free = [key for key in entries if key.lower() not in known and key in listed]
    for index, name in enumerate(size.target_classes):
        close = difflib.get_close_matches(name, free, n=1, cutoff=_CLOSE)
        if close and name.lower() not in named:
            what = f"'{name}' stands in no other part of the file."
            yield findings.problem(
                size, f"target_classes[{index}]", what, ", ".join(free), f"Did you mean '{close[0]}'?"
            )


def check_cluster_params(spec: Message) -> Found:
    """Every class has its numbers or a default, and the distances fit the criterion."""
    maps = {row.name: getattr(spec, row.name) for row in spec._type.fields if row.map}
    listed = [
        *spec.postproc_classes,
        *(name for field in maps for name in maps[field] if field != "dbscan_eps"),
    ]
    misspelt = list(_misspelt(spec, list(spec.dbscan_eps), listed))
    yield from misspelt
    for field in maps if not misspelt else ():
        yield from _fallback(spec, field, spec.target_classes, field in ("dbscan_eps", "min_cov_to_cluster"))
    for name, eps in spec.dbscan_eps.items():
        if spec.dbscan_criterion == "IOU" and eps > 1:
            what = f"{eps:g} is out of range for dbscan_criterion IOU."
            remedy = "With MSE it is a distance in pixels."
            yield findings.problem(spec, f"dbscan_eps[{name}]", what, "a number in [0, 1]", remedy)
    if not misspelt:
        yield from check_listed(spec, "postproc_classes", spec.target_classes, fold=True)


def _fallback(message: Message, field: str, classes: list[str], needed: bool = True) -> Found:
    """A class without an entry uses the one named ``default``; other names do nothing.

    But a name that differs by a letter from a class without an entry is a mistake, not another class.
    ``needed``: a class may not be without both.
    """
    entries = getattr(message, field)
    if not entries or not classes:
        return
    known, held = {name.lower() for name in classes}, {key.lower() for key in entries}
    free = [key for key in entries if key.lower() not in known | {_DEFAULT}]
    bare = [name for name in classes if name.lower() not in held]
    meant = {key: name for key in free for name in bare if _is_meant(name, key, entries[key])}
    for key in free:
        if key in meant:
            yield _misnamed(message, field, key, meant[key])
        else:
            yield idle_entry(message, field, key, "")
    for name in bare:
        if needed and _DEFAULT not in entries and name not in meant.values():
            what = f"class '{name}' has no entry, and there is none named 'default'."
            yield findings.problem(message, f"{field}[{name}]", what, remedy=did_you_mean(name, free))


def _is_meant(name: str, key: str, entry: Message | float) -> bool:
    if isinstance(entry, Message) and entry.output_map.lower() == name.lower():
        return True
    return difflib.SequenceMatcher(a=name.lower(), b=key.lower()).ratio() >= _CLOSE


def _misnamed(message: Message, field: str, key: str, name: str) -> Problem:
    at, path = findings.line_of(message, f"{field}[{key}].key"), message._below(f"{field}[{key}]")
    what = f"'{key}' is no target class, and '{name}' has no entry; names must be equal."
    return Problem(at, path, what, remedy=f"Did you mean '{name}'?")
