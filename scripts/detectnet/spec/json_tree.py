"""The JSON clustering file of TLT 1.0 as a tree with line numbers, so that the same tables check it."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring
from typing import Any

from detectnet.errors import UserError
from detectnet.spec.text import BARE, STRING, Block, Entry, Scalar

_BLANK = re.compile(r"\s*")


def json_tree(text: str, file: str) -> Block:
    """The tree of a JSON object; objects below it are maps, ``null`` counts as absent.

    Raises:
        UserError: it is not a JSON object.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error.msg})", where=f"{file}:{error.lineno}") from error
    if not isinstance(content, dict):
        raise UserError("a JSON object is needed", where=file)
    return Block(
        1, [entry for name, value, at in _members(text, 0) for entry in _entries(name, value, at, text)]
    )


def _entries(name: str, value: Any, at: int, text: str) -> list[Entry]:
    line = _line(text, at)
    if isinstance(value, dict):
        values: list[Any] = [_pair(*member, text) for member in _members(text, text.index("{", at))]
    else:
        values = [_scalar(value, line)] if not isinstance(value, list) else _items(text, at)
    return [Entry(name, one, line, listed=isinstance(value, list)) for one in values if one is not None]


def _items(text: str, at: int) -> list[Scalar | None]:
    """The items of the list behind the name at ``at``, each with its own line."""
    decoder, found = json.JSONDecoder(), []
    at = _next(text, text.index("[", scanstring(text, at + 1, True)[1]) + 1)
    while text[at] != "]":
        item, end = decoder.raw_decode(text, at)
        found.append(_scalar(item, _line(text, at)))
        at = _next(text, end)
        at = _next(text, at + 1) if text[at] == "," else at
    return found


def _members(text: str, start: int) -> list[tuple[str, Any, int]]:
    """Name, value and offset of the name for every member of the object that opens at or after ``start``."""
    decoder, found = json.JSONDecoder(), []
    at = _next(text, text.index("{", start) + 1)
    while text[at] != "}":
        name, end = scanstring(text, at + 1, True)
        value, end = decoder.raw_decode(text, _next(text, text.index(":", end) + 1))
        found.append((name, value, at))
        at = _next(text, end)
        at = _next(text, at + 1) if text[at] == "," else at
    return found


def _next(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _pair(key: str, value: Any, at: int, text: str) -> Block:
    line = _line(text, at)
    held = _scalar(value.get("kind") if isinstance(value, dict) else value, line)
    entries = [Entry("key", Scalar(key, STRING, line), line)]
    return Block(line, entries + ([] if held is None else [Entry("value", held, line)]))


def _scalar(value: Any, line: int) -> Scalar | None:
    if value is None:
        return None
    return Scalar(value, STRING, line) if isinstance(value, str) else Scalar(json.dumps(value), BARE, line)
