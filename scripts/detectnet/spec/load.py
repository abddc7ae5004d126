"""Reading spec files: one call from a path to a checked message, or to all its problems."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log
from detectnet.spec.build import Builder
from detectnet.spec.check import check
from detectnet.spec.json_tree import json_tree
from detectnet.spec.kinds import kind_of, root_of
from detectnet.spec.message import Message
from detectnet.spec.problems import Note, Problem, SpecError
from detectnet.spec.schema import FLOATS, Field, MessageType
from detectnet.spec.text import Block, read


def load(path: PathLike, kind: str | None = None) -> Message:
    """Read and check a spec file, and say in the log which of its fields have no effect.

    Args:
        path: a file in protobuf text format, or a JSON clustering file of TLT 1.0.
        kind: ``experiment``, ``dataset`` (conversion), ``inference`` or ``cluster_params``; None finds out.

    Raises:
        SpecError: the file has problems; the error lists them all with line, field and nearest name.
        OtherKindError: the file is no spec, or not of the kind that is asked for.
    """
    message = parse(text_at(path), kind, str(path))
    _say(message, str(path))
    return message


def load_cluster_params(path: PathLike) -> Message:
    """Read and check the JSON clustering file of TLT 1.0 (``cluster_params.json``); raises as ``load``."""
    return load(path, "cluster_params")


def parse(text: str, kind: str | None = None, name: str = "<text>") -> Message:
    """As ``load``, of a text; ``name`` stands for the file in messages. Nothing is logged."""
    tree, problems = read(text)
    found = kind_of(text, tree, name) if kind is None else kind
    if found == "cluster_params":
        tree, problems = json_tree(text, name), []
    return _checked(tree, problems, root_of(found), name)


def _checked(tree: Block, notation: list[Problem], root: MessageType, name: str) -> Message:
    builder = Builder(root, name)
    message = builder.build(tree)
    wrong, notes = check(message)
    valueless = {problem.path for problem in notation if problem.path}
    wrong = [one for one in wrong if not _explained(one.path, builder.explained, valueless)]
    problems = [*notation, *builder.problems, *wrong]
    if problems:
        raise SpecError(name, problems)
    every = sorted([*builder.notes, *notes], key=lambda note: note.line)
    return dataclasses.replace(message, _notes=tuple(every))


def _explained(path: str, explained: set[str], valueless: set[str]) -> bool:
    """Whether a complaint only repeats one: a refused value must not be called missing as well."""
    if path in explained or path.rpartition(".")[2] in valueless:
        return True
    return any(one.startswith(f"{path}[") for one in explained)


def notes_of(message: Message) -> tuple[Note, ...]:
    """What the author of a loaded file should know: fields without effect first of all, by line."""
    return message._notes


def replaced(message: Message, values: Mapping[str, Any]) -> Message:
    """A copy with other values, e.g. ``{"model_config.pretrained_model_file": "model.hdf5"}``.

    Values are plain types of the field; a list or dict stands for a whole repeated field or map, a dict
    for a message. Sub-messages on the way are made when they are not there.

    Raises:
        SpecError: a value does not fit its field, or the changed spec is wrong.
        AttributeError: a path names no field.
    """
    changed = message
    for path, value in values.items():
        changed = _with(changed, path.split("."), value)
    _checked(*read(changed.to_text()), message._type, message._file)
    return changed


def text_at(path: PathLike) -> str:
    """The text of a file, UTF-8 with or without a byte order mark.

    Raises:
        UserError: there is no such file, or it is not text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError("there is no such file", where=path) from error
    except UnicodeDecodeError as error:
        raise UserError(f"not a text file (byte {error.start} is not UTF-8)", where=path) from error


def _say(message: Message, path: str) -> None:
    notes = notes_of(message)
    for note in notes:
        if not note.no_effect:
            log.info("%s", note.sentence(path))
    idle = [note.path for note in notes if note.no_effect]
    if idle:
        log.info("%s: accepted without effect here (check_spec.py says why): %s", path, ", ".join(idle))


def _with(message: Message, path: list[str], value: Any) -> Message:
    row = message._field(path[0])
    inner = _with(getattr(message, path[0]), path[1:], value) if path[1:] else _whole(row, value)
    return dataclasses.replace(message, _values={**message._values, path[0]: inner})


def _whole(row: Field, value: Any) -> Any:
    """A plain value as the field holds it."""
    if row.map:
        return {key: _one(row, item) for key, item in value.items()}
    return [_one(row, item) for item in value] if row.repeated else _one(row, value)


def _one(row: Field, value: Any) -> Any:
    if isinstance(row.type, MessageType) and not isinstance(value, Message):
        made = Message(row.type, "")
        for name, item in value.items():
            made = _with(made, [name], item)
        return made
    return float(value) if row.type in FLOATS and isinstance(value, int) else value
