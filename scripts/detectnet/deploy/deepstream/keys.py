"""Whether DeepStream 6.0.1 reads a key, and with this value: the table ``keys.yaml``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from detectnet.errors import UserError, did_you_mean

TABLE = Path(__file__).parent / "keys.yaml"
SEPARATOR = ";"
_NUMBERED = "<N>"
_LIMITS = {
    "enum": "one of {}",
    "minimum": "{} and above",
    "exclusiveMinimum": "above {}",
    "maximum": "{} and below",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def check(program: str, group: str, keys: Mapping[str, Any]) -> None:
    """Raise UserError where a program does not read a group or key, or not with this value.

    Args:
        program: ``nvinfer`` or ``deepstream-app``.
        group: name without brackets.
        keys: key to value; each is looked at as the text that is written.
    """
    known = _known(program, group, _table()[program])
    for key, value in keys.items():
        schema = _known(f"[{group}]", key, known)
        text = str(value)
        if not Draft202012Validator(schema).is_valid(_typed(text, schema)):
            raise UserError(
                f"{program} does not read {text!r}", where=f"[{group}] {key}", allowed=_allowed(schema)
            )


@cache
def _table() -> dict[str, Any]:
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def _known(where: str, name: str, entries: Mapping[str, Any]) -> Any:
    """The entry of a name, or of all names that differ in the number at the end."""
    for option in (name, re.sub(r"\d+\Z", _NUMBERED, name)):
        if option in entries:
            return entries[option]
    raise UserError(
        f"DeepStream 6.0.1 knows no '{name}' here", where=where, remedy=did_you_mean(name, entries)
    )


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """The value that a text stands for; the text itself where it stands for none."""
    if schema["type"] == "array":
        return [_typed(one, schema["items"]) for one in text.removesuffix(SEPARATOR).split(SEPARATOR)]
    if schema["type"] == "integer" and re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    if schema["type"] == "number":
        return _number(text)
    return text


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _allowed(schema: Mapping[str, Any]) -> str:
    """The schema in words."""
    return ", ".join(_words(schema))


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    yield {"array": f"a list with '{SEPARATOR}' between", "string": "a text in one line"}.get(
        schema["type"], f"of type {schema['type']}"
    )
    for name, sentence in _LIMITS.items():
        if name in schema:
            yield sentence.format(schema[name])
    if "items" in schema:
        yield f"each {_allowed(schema['items'])}"
