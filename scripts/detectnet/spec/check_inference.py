"""Checks of the inference spec and of the clustering file of TLT 1.0."""

from __future__ import annotations

import difflib

from PIL import ImageColor

from detectnet.errors import did_you_mean
from detectnet.spec import findings
from detectnet.spec.check_classes import check_listed, idle_entry
from detectnet.spec.check_detection import check_clustering
from detectnet.spec.findings import Found
from detectnet.spec.message import Message
from detectnet.spec.problems import Problem

_DEFAULT = "default"
_CLOSE = 0.75  # ratio of difflib from which on two names are one with a slip
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
    """Target classes that only the list of them has, while two parts of the file agree on another name.

    A ``default`` would stand in for them, and for every slip of the pen.
    """
    known, named = {name.lower() for name in size.target_classes}, {*map(str.lower, [*entries, *listed])}
    free = [key for key in entries if key.lower() not in {*known, _DEFAULT} and key in listed]
    alone = [index for index, name in enumerate(size.target_classes) if name.lower() not in named]
    for key in free[: len(alone)]:
        index = _most_likely(key, entries.index(key), {index: size.target_classes[index] for index in alone})
        alone.remove(index)
        what = f"'{size.target_classes[index]}' stands in no other part of the file."
        yield findings.problem(
            size, f"target_classes[{index}]", what, ", ".join(free), f"Did you mean '{key}'?"
        )


def _most_likely(key: str, at: int, names: dict[int, str]) -> int:
    """The number of the class that a key was meant for: one like it, or at its place, or the first."""
    close = difflib.get_close_matches(key, names.values(), n=1, cutoff=0.5)
    if close:
        return next(index for index, name in names.items() if name == close[0])
    return at if at in names else min(names)


def check_cluster_params(spec: Message) -> Found:
    """Every class has its numbers or a default, and the distances fit the criterion."""
    maps = {row.name: getattr(spec, row.name) for row in spec._type.fields if row.map}
    listed = [
        *spec.postproc_classes,
        *(name for field in maps for name in maps[field] if field != "dbscan_eps"),
    ]
    misspelt = list(_misspelt(spec, list(spec.dbscan_eps), listed))
    yield from misspelt
    yield from _colours(spec)
    for field in maps if not misspelt else ():
        yield from _fallback(spec, field, spec.target_classes, field in ("dbscan_eps", "min_cov_to_cluster"))
    for name, eps in spec.dbscan_eps.items():
        if spec.dbscan_criterion == "IOU" and eps > 1:
            what = f"{eps:g} is out of range for dbscan_criterion IOU."
            remedy = "With MSE it is a distance in pixels."
            yield findings.problem(spec, f"dbscan_eps[{name}]", what, "a number in [0, 1]", remedy)
    if not misspelt:
        yield from check_listed(spec, "postproc_classes", spec.target_classes, fold=True)


def _colours(spec: Message) -> Found:
    for name, colour in spec.color.items():
        try:
            ImageColor.getrgb(colour)
        except ValueError:
            what, remedy = f'unknown colour "{colour}".', did_you_mean(colour, ImageColor.colormap)
            yield findings.problem(spec, f"color[{name}]", what, "a CSS name or #rrggbb", remedy)


def _fallback(message: Message, field: str, classes: list[str], needed: bool = True) -> Found:
    """A class without an entry uses the one named ``default``; other names do nothing.

    But a name that differs by a letter from a class without an entry is a mistake, not another class, and so
    is the only such name where only one class has no entry. ``needed``: a class may not be without both.
    """
    entries = getattr(message, field)
    if not entries or not classes:
        return
    known, held = {name.lower() for name in classes}, {key.lower() for key in entries}
    free = [key for key in entries if key.lower() not in known | {_DEFAULT}]
    bare = [name for name in classes if name.lower() not in held]
    meant = {key: name for key in free for name in bare if _is_meant(name, key, entries[key])}
    shown = {name.lower() for name in message.postproc_classes}
    waiting = [name for name in bare if name.lower() in shown] or bare
    if len(free) == len(waiting) == 1:
        meant = {free[0]: waiting[0]}
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
    return _likeness(name, key) >= _CLOSE


def _likeness(name: str, other: str) -> float:
    """0..1, whatever the case."""
    return difflib.SequenceMatcher(a=name.lower(), b=other.lower()).ratio()


def _misnamed(message: Message, field: str, key: str, name: str) -> Problem:
    at, path = findings.line_of(message, f"{field}[{key}].key"), message._below(f"{field}[{key}]")
    what = f"'{key}' is no target class, and '{name}' has no entry; names must be equal."
    return Problem(at, path, what, remedy=f"Did you mean '{name}'?")
