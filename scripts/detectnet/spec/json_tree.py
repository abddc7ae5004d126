"""The JSON clustering file of TLT 1.0 as a tree, so that the same tables check it."""

from __future__ import annotations

import json
import re
from typing import Any

from detectnet.errors import UserError
from detectnet.spec.text import BARE, STRING, Block, Entry, Scalar


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
    block = Block(1)
    for name, value in content.items():
        line = _line_of(name, text)
        if isinstance(value, dict):
            pairs = (
                (key, item.get("kind") if isinstance(item, dict) else item) for key, item in value.items()
            )
            values: list[Any] = [_pair(key, item, line) for key, item in pairs]
        else:
            values = [_scalar(item, line) for item in (value if isinstance(value, list) else [value])]
        block.entries += [Entry(name, one, line) for one in values if one is not None]
    return block


def _pair(key: str, value: Any, line: int) -> Block:
    held = _scalar(value, line)
    entries = [Entry("key", Scalar(key, STRING, line), line)]
    return Block(line, entries + ([] if held is None else [Entry("value", held, line)]))


def _scalar(value: Any, line: int) -> Scalar | None:
    if value is None:
        return None
    return Scalar(value, STRING, line) if isinstance(value, str) else Scalar(json.dumps(value), BARE, line)


def _line_of(name: str, text: str) -> int:
    """JSON readers keep no lines: the first line where the name stands as a key is near enough."""
    match = re.search(rf"{re.escape(json.dumps(name))}\s*:", text)
    return text.count("\n", 0, match.start()) + 1 if match else 1
