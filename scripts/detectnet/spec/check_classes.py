"""The names of classes: every part of an experiment spec must speak of the same ones.

A name that differs by a letter trains a network that finds nothing, so that each is compared with the
``target_classes`` of ``cost_function_config``, whose order is that of the network's channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from detectnet.errors import did_you_mean, nearest
from detectnet.spec import findings
from detectnet.spec.findings import Found
from detectnet.spec.message import Message
from detectnet.spec.problems import Note, Problem

_MAPPING = "target_class_mapping"


def with_classes_of(spec: Message) -> tuple[Message, list[Note]]:
    """The spec with mapping values in the case of its target classes, and a note for each one changed.

    Files in use map to ``Car`` and train ``car``; the records' names have lost their case anyway.
    """
    if spec.kind != "experiment":
        return spec, []
    names = _names(spec)
    by_lower = {name.lower(): name for name in names}
    data, notes = spec.dataset_config, []
    mapping = dict(data.target_class_mapping)
    for key, value in mapping.items():
        meant = by_lower.get(value.lower(), value)
        if value not in names and meant != value:
            mapping[key] = meant
            text = f"'{value}' is read as '{meant}', the name in cost_function_config"
            notes.append(findings.note(data, f"{_MAPPING}[{key}]", text))
    if not notes:
        return spec, []
    data = dataclasses.replace(data, _values={**data._values, _MAPPING: mapping})
    return dataclasses.replace(spec, _values={**spec._values, "dataset_config": data}), notes


def check_classes(spec: Message) -> Found:
    """Every target class needs an entry in each map; entries for other names do nothing."""
    names, strange = _names(spec), dict(_strange(spec))
    yield from _repeated(spec)
    yield from strange.values()
    if not names:
        return
    # A class that is misspelt where it is defined would otherwise be missing in every other part.
    known = [name for name in names if name not in strange]
    for message, field in _maps(spec):
        if message.has(field):
            yield from _entries(message, field, known, bool(strange))
    yield from _mapping(spec, known, bool(strange))
    for config in spec.loss_mask_label_filter.objective_label_filter_configs:
        yield from check_listed(config, "target_class_names", names if not strange else [])


def _names(spec: Message) -> list[str]:
    return [one.name for one in spec.cost_function_config.target_classes if one.name]


def _maps(spec: Message) -> list[tuple[Message, str]]:
    return [
        (spec.evaluation_config, "minimum_detection_ground_truth_overlap"),
        (spec.evaluation_config, "evaluation_box_config"),
        (spec.postprocessing_config, "target_class_config"),
        (spec.bbox_rasterizer_config, "target_class_config"),
    ]


def _repeated(spec: Message) -> Found:
    seen: dict[str, None] = {}
    for entry in spec.cost_function_config.target_classes:
        if entry.has("name") and not entry.name:
            yield findings.problem(entry, "name", "the name of a class is empty.")
        elif entry.name in seen:
            yield findings.problem(entry, "name", f"target class '{entry.name}' is given twice.")
        seen[entry.name] = None


def _strange(spec: Message) -> Iterator[tuple[str, Problem]]:
    """Target classes that no other part of the file knows."""
    data = spec.dataset_config
    parts = [set(getattr(message, field)) for message, field in _maps(spec) if message.has(field)]
    keys = set().union(*parts)
    parts += [set(data.target_class_mapping.values())] if data.has(_MAPPING) else []
    named, names = set().union(*parts), _names(spec)
    for entry in spec.cost_function_config.target_classes:
        # with_classes_of has given mapping values this case, so that they say nothing for it
        other_case = entry.name not in keys and entry.name.lower() in map(str.lower, keys)
        if len(parts) > 1 and entry.name and (entry.name not in named or other_case):
            free = sorted(named - set(names))
            what = f"target class '{entry.name}' stands in no other part of the file."
            remedy = did_you_mean(entry.name, free) or "Add it to the mapping and to the entries by class."
            yield entry.name, findings.problem(entry, "name", what, ", ".join(free), remedy)


def _entries(message: Message, field: str, names: list[str], some_strange: bool) -> Found:
    entries = getattr(message, field)
    free = [key for key in entries if key not in names]
    absent = [name for name in names if name not in entries]
    for name in absent:
        only = free[0] if len(free) == len(absent) == 1 else None
        yield _without_entry(message, field, name, nearest(name, free) or only)
    if some_strange:
        return
    for key in free:
        yield idle_entry(message, field, key, did_you_mean(key, absent))


def idle_entry(message: Message, field: str, key: str, hint: str) -> Note:
    """A map's entry for a name that is no class: accepted, and without effect."""
    text = f"no effect: '{key}' is no target class. {hint}".rstrip()
    at = findings.line_of(message, f"{field}[{key}].key")
    return Note(at, message._below(field), text, no_effect=True)


def _without_entry(message: Message, field: str, name: str, close: str | None) -> Problem:
    """On the line of the key that was most likely meant, else where the message starts."""
    at = findings.line_of(message, f"{field}[{close}].key") if close else findings.start_of(message)
    remedy = f"The file has '{close}'; names must be equal." if close else "Add an entry with this key."
    what = f"target class '{name}' has no entry."
    return Problem(at, message._below(f"{field}[{name}]"), what, remedy=remedy)


def _mapping(spec: Message, names: list[str], some_strange: bool) -> Found:
    data = spec.dataset_config
    mapping = data.target_class_mapping
    if not mapping:
        return
    wrong = {key: value for key, value in mapping.items() if value not in names}
    for key, value in wrong.items():
        if not some_strange:
            what = f"'{key}' is mapped to '{value}', which is no target class of cost_function_config."
            allowed, remedy = ", ".join(names), did_you_mean(value, names)
            yield findings.problem(data, f"{_MAPPING}[{key}]", what, allowed, remedy)
    for name in names:
        if not wrong and name not in mapping.values():
            what = f"nothing is mapped to target class '{name}'."
            remedy = "Map the class name of the labels to it, or remove it from cost_function_config."
            yield findings.problem(data, _MAPPING, what, remedy=remedy)


def check_listed(message: Message, field: str, names: list[str], fold: bool = False) -> Found:
    """Every name of a list must be one of the classes, if these are known; ``fold``: in any case."""
    if not names:
        return
    known = {name.lower() for name in names} if fold else set(names)
    for index, name in enumerate(getattr(message, field)):
        if (name.lower() if fold else name) not in known:
            what = f"'{name}' is no target class."
            allowed, remedy = ", ".join(names), did_you_mean(name, names)
            yield findings.problem(message, f"{field}[{index}]", what, allowed, remedy)
