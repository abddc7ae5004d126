"""Reading spec files: one call from a path to a checked message, or to all its problems."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log
from detectnet.spec.build import Builder
from detectnet.spec.check import check
from detectnet.spec.json_tree import json_tree
from detectnet.spec.kinds import kind_of, root_of
from detectnet.spec.message import Message
from detectnet.spec.problems import Note, Problem, SpecError
from detectnet.spec.schema import MessageType
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
        if not note.no_effect and not note.replaced:
            log.info("%s", note.sentence(path))
    idle = [note.path for note in notes if note.no_effect]
    if idle:
        log.info("%s: accepted without effect here (check_spec.py says why): %s", path, ", ".join(idle))
    paths = [note.path for note in notes if note.replaced]
    if paths:
        log.info("%s: replaced in the workflow (check_spec.py says by what): %s", path, ", ".join(paths))
