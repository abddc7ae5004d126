"""Reading spec files: one call from a path to a checked message, or to all its problems."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log
from detectnet.spec.build import Builder
from detectnet.spec.check import disagreements, missing_and_idle
from detectnet.spec.check_classes import with_classes_of
from detectnet.spec.json_tree import json_tree
from detectnet.spec.kinds import TITLES, kind_of, root_of
from detectnet.spec.message import Message
from detectnet.spec.other_kinds import ENCRYPTED, binary_kind
from detectnet.spec.problems import Note, OtherKindError, Problem, SpecError
from detectnet.spec.schema import MessageType
from detectnet.spec.text import Block, read

_DECIDING = (
    "",
    "cost_function_config",
    "inferencer_config",
    "target_classes",
    "kitti_config",
    "coco_config",
)
_INDEX = re.compile(r"\[[^\]]*\]")


def load(path: PathLike, kind: str | None = None, *, for_rules: bool = True) -> Message:
    """Read and check a spec file, and say in the log which of its fields have no effect.

    Args:
        path: a file in protobuf text format, or a JSON clustering file of TLT 1.0.
        kind: ``experiment``, ``dataset`` (conversion), ``inference`` or ``cluster_params``; None finds out.
        for_rules: False for a command that acts on the fields for which the rules take something else.

    Raises:
        SpecError: the file has problems; the error lists them all with line, field and nearest name.
        OtherKindError: the file is no spec, or not of the kind that is asked for.
    """
    message = parse(text_at(path), kind, str(path))
    _say(message, str(path), for_rules)
    return message


def parse(text: str, kind: str | None = None, name: str = "<text>") -> Message:
    """As ``load``, of a text; ``name`` stands for the file in messages. Nothing is logged."""
    tree, problems = read(text)
    found = kind_of(text, tree, name, kind)
    if kind and found != root_of(kind).name:
        raise OtherKindError(name, _with_article(TITLES[found]), _with_article(TITLES[kind]))
    if found == "cluster_params":
        tree, problems = json_tree(text, name), []
    return checked(tree, problems, root_of(found), name)


def _with_article(title: str) -> str:
    return f"{'an' if title[0] in 'aei' else 'a'} {title}"


def checked(tree: Block, notation: list[Problem], root: MessageType, name: str) -> Message:
    """The message of a tree, whose reading found the problems ``notation``; raises as ``load``."""
    builder = Builder(root, name)
    message, folded = with_classes_of(builder.build(tree))
    absent, idle = missing_and_idle(message)
    absent = [one for one in absent if not _explained(one.path, builder, notation)]
    wrong, notes = disagreements(message)
    places = [*builder.explained, *builder.moved, *(one.path for one in (*notation, *absent))]
    first = [*notation, *builder.problems, *absent]
    problems = [*first, *(one for one in wrong if not (first and _may_follow(one.path, places)))]
    every = sorted([*builder.notes, *folded, *idle, *notes], key=lambda note: note.line)
    if problems:
        raise SpecError(name, problems, root.name, every)
    return dataclasses.replace(message, _notes=tuple(every))


def _explained(path: str, builder: Builder, notation: list[Problem]) -> bool:
    """Whether a complaint only repeats one: a refused value must not be called missing as well."""
    valueless = {problem.path for problem in notation if problem.path}
    if path.rpartition(".")[2] in valueless or _INDEX.sub("", path) in builder.moved:
        return True
    above = (one for one in builder.explained if path == one or path.startswith((f"{one}.", f"{one}[")))
    return any(above) or any(one.startswith(f"{path}[") for one in builder.explained)


def _may_follow(path: str, places: list[str]) -> bool:
    """Whether a disagreement may come from a mistake at one of the places: in the same part of the file, or
    where the classes or the format are named, or where the notation is wrong and the part is not known."""
    parts = {_top(place) for place in places}
    return _top(path) in parts or not parts.isdisjoint(_DECIDING)


def _top(path: str) -> str:
    return _INDEX.sub("", path).partition(".")[0]


def notes_of(message: Message) -> tuple[Note, ...]:
    """What the author of a loaded file should know: fields without effect first of all, by line."""
    return message._notes


def text_at(path: PathLike) -> str:
    """The text of a file, UTF-8 with or without a byte order mark.

    Raises:
        UserError: there is no such file, or it cannot be read.
        OtherKindError: it is a folder or not text; the error says what it looks like.
    """
    try:
        content = Path(path).read_bytes()
    except IsADirectoryError as error:
        raise OtherKindError(str(path), "a folder") from error
    except FileNotFoundError as error:
        raise UserError("there is no such file", where=path) from error
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from error
    suffix = Path(path).suffix.lower()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OtherKindError(str(path), binary_kind(content, suffix)) from error
    if "\0" in text or suffix in ENCRYPTED:
        raise OtherKindError(str(path), binary_kind(content, suffix))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _say(message: Message, path: str, for_rules: bool) -> None:
    notes = notes_of(message)
    for note in notes:
        if not note.no_effect and not note.replaced:
            log.info("%s", note.sentence(path))
    idle = [note.path for note in notes if note.no_effect]
    if idle:
        log.info("%s: accepted without effect here (check_spec.py says why): %s", path, ", ".join(idle))
    paths = [note.path for note in notes if note.replaced and for_rules]
    if paths:
        log.info("%s: replaced in the rules (check_spec.py says by what): %s", path, ", ".join(paths))
