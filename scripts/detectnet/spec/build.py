"""From the tree of a file to a typed message: names, types and ranges are settled here, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from detectnet.errors import did_you_mean, nearest
from detectnet.spec.kinds import places_of
from detectnet.spec.message import Message
from detectnet.spec.problems import Note, Problem
from detectnet.spec.schema import FLOATS, INTEGERS, Enum, Field, MessageType
from detectnet.spec.schema_inference import CLUSTER_PARAMS
from detectnet.spec.text import STRING, Block, Entry, Scalar

_TRUE, _FALSE = ("true", "True", "t", "1"), ("false", "False", "f", "0")


class Builder:
    """Makes messages of one file; mistakes go to ``problems``, what its author should know to ``notes``.

    ``explained`` holds the paths of which a problem speaks already (a refused value, the field that a
    misspelt name most likely meant), ``moved`` the paths, without list and map indices, where a misplaced
    field belongs, so that nobody calls them missing as well.
    """

    def __init__(self, root: MessageType, file: str) -> None:
        self._root = root
        self._file = file
        self.problems: list[Problem] = []
        self.notes: list[Note] = []
        self.explained: set[str] = set()
        self.moved: set[str] = set()
        self._entry_lines: dict[str, int] = {}

    def build(self, tree: Block) -> Message:
        """The root message of a tree; values with a problem are left out of it."""
        return self._message(tree.entries, self._root, "", 0)

    def _message(self, entries: list[Entry], kind: MessageType, path: str, line: int) -> Message:
        entries = [_alias(entry, kind) for entry in entries]
        given: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.name in kind.by_name:
                given.setdefault(entry.name, []).append(entry)
            else:
                self._unknown(entry, kind, path, {one.name for one in entries})
        for name in [name for name, group in given.items() if _only_by_alias(kind.by_name[name], group)]:
            del given[name]  # a required message that an older spelling alone would stand for is missing
        self._keep_last_of_oneofs(kind, given, path)
        values = {
            name: self._field(kind.by_name[name], group, _below(path, name)) for name, group in given.items()
        }
        values = {name: value for name, value in values.items() if value is not None}
        lines = {}
        for name in values:
            lines |= self._lines(kind.by_name[name], given[name], values[name], path)
        return Message(kind, self._file, path, line, values, lines)

    def _lines(self, row: Field, group: list[Entry], value: Any, path: str) -> dict[str, int]:
        """Lines of a field and of what is in it: items of a list, keys and values of a map."""
        lines = {row.name: group[0 if row.map else -1].line}
        if row.repeated:
            lines |= {f"{row.name}[{index}]": one.value.line for index, one in enumerate(group)}
        if row.map:
            names = [f"{row.name}[{key}]{part}" for key in value for part in ("", ".key")]
            lines |= {name: self._entry_lines[_below(path, name)] for name in names}
        return lines

    def _field(self, row: Field, group: list[Entry], path: str) -> Any:
        json = self._root is CLUSTER_PARAMS
        if not (row.map and not json) and any(
            one.listed != row.repeated for one in group if one.listed or json
        ):
            what = "a list is needed here." if row.repeated else "no list can stand here."
            self.explained.add(path)
            self.problems.append(Problem(group[-1].line, path, what, "" if row.map else row.describe()))
            return None
        if row.map:
            return self._map(row, group, path)
        if row.repeated:
            items = [self._value(row, one, f"{path}[{index}]") for index, one in enumerate(group)]
            return [item for item in items if item is not None]
        if isinstance(row.type, MessageType):
            return self._merged(row, group, path)
        if len(group) > 1:
            lines = ", ".join(str(one.line) for one in group)
            self.notes.append(Note(group[-1].line, path, f"given on lines {lines}; the last one counts"))
        return self._value(row, group[-1], path)

    def _merged(self, row: Field, group: list[Entry], path: str) -> Message | None:
        """A message given in several parts is one message, as protobuf merges them."""
        blocks = [self._as_block(one.value, path) for one in group]
        entries = [entry for block in blocks if block for entry in block.entries]
        if not any(block is not None for block in blocks):
            return None
        line = next((one.line for one in group if not one.alias), group[0].line)
        return self._message(entries, row.type, path, line)

    def _as_block(self, value: Scalar | Block, path: str) -> Block | None:
        if isinstance(value, Block):
            return value
        self._wrong(value, path, "a message in braces is needed here", "{ … }")
        return None

    def _value(self, row: Field, entry: Entry, path: str) -> Any:
        value = entry.value
        if isinstance(row.type, MessageType):
            block = self._as_block(value, path)
            return None if block is None else self._message(block.entries, row.type, path, entry.line)
        if isinstance(value, Block):
            self.explained.add(path)
            what = "a plain value is needed here, not a message."
            self.problems.append(Problem(entry.line, path, what, row.describe()))
            return None
        found = _convert(row.type, value)
        if found is None:
            self._wrong_type(row, value, path)
        elif not (row.zero_is_unset and not found) and not row.admits(found):
            number = value.is_number or row.type in FLOATS
            what = f"{value.shown()} is out of range" if number else f"unknown value {value.shown()}"
            self._wrong(value, path, what, row.describe(), _nearest_value(row, value))
            return None
        return found

    def _wrong_type(self, row: Field, value: Scalar, path: str) -> None:
        remedy = _nearest_value(row, value)
        if row.type == "string":
            remedy = f'Write "{value.text}" in quotes.'
        elif value.form == STRING and _convert(row.type, Scalar(value.text, "bare", value.line)) is not None:
            remedy = f"Write {value.text} without quotes."
        beyond = row.type in INTEGERS and value.form != STRING and _integer(value) is not None
        what = "out of range" if beyond else f"not {_article(row)}"
        self._wrong(value, path, f"{value.shown()} is {what}", row.describe(), remedy)

    def _map(self, row: Field, group: list[Entry], path: str) -> dict[str, Any]:
        """Later entries with the same key replace earlier ones, as in protobuf."""
        found: dict[str, Any] = {}
        exact: dict[str, bool] = {}
        for entry in group:
            block = self._as_block(entry.value, path)
            written = None if block is None else self._key(block, path)
            if block is None or written is None:
                continue
            if self._root is CLUSTER_PARAMS and written in CLUSTER_PARAMS.by_name:
                self._field_as_key(written, _line_of(block, "key"), path)
                continue
            key = written.lower() if row.lower_keys else written
            self._note_key(written, key, key in found, _line_of(block, "key"), path)
            value = self._map_value(row, block, f"{path}[{key}]")
            if value is not None and not (exact.get(key) and written != key):
                found[key], exact[key] = value, written == key
                self._entry_lines[f"{path}[{key}]"] = _line_of(block, "value")
                self._entry_lines[f"{path}[{key}].key"] = _line_of(block, "key")
        return found

    def _field_as_key(self, name: str, line: int, path: str) -> None:
        """A field that slipped into a map of JSON, where any key may stand."""
        self.moved.add(name)
        self._entry_problem(line, path, f"'{name}' is a field, not a class.", "", self._elsewhere(name))

    def _note_key(self, written: str, key: str, again: bool, line: int, path: str) -> None:
        if written != key:
            text = (
                f"'{written}' is read as '{key}': records hold lower-case names, TAO would drop these objects"
            )
            self.notes.append(Note(line, path, text))
        elif again:
            self.notes.append(Note(line, path, f"'{key}' is given more than once; the last one counts"))

    def _key(self, block: Block, path: str) -> str | None:
        keys = [entry for entry in block.entries if entry.name == "key"]
        strange = [entry for entry in block.entries if entry.name not in ("key", "value")]
        for entry in strange:
            what = f"unknown field '{entry.name}' in an entry of a map."
            remedy = self._elsewhere(entry.name) or did_you_mean(entry.name, ("key", "value"))
            self._entry_problem(entry.line, path, what, "key, value", remedy)
        if strange:
            return None
        if not keys:
            self._entry_problem(block.line, path, "an entry of the map has no key.", "key and value")
            return None
        value = keys[-1].value
        if isinstance(value, Scalar) and value.form == STRING:
            return value.text
        remedy = f'Write "{value.text}" in quotes.' if isinstance(value, Scalar) else ""
        self._entry_problem(keys[-1].line, path, "the key of a map is text in quotes.", "", remedy)
        return None

    def _entry_problem(self, line: int, path: str, what: str, allowed: str, remedy: str = "") -> None:
        self.explained.add(path)
        self.problems.append(Problem(line, path, what, allowed, remedy))

    def _map_value(self, row: Field, block: Block, path: str) -> Any:
        given = [entry for entry in block.entries if entry.name == "value"]
        if isinstance(row.type, MessageType):
            parts = [part for one in given if (part := self._as_block(one.value, path)) is not None]
            entries = [entry for part in parts for entry in part.entries]
            return self._message(entries, row.type, path, _line_of(block, "value"))
        if not given and row.admits(row.effective):
            return row.effective  # protobuf's own writer leaves a zero out
        if not given:
            self._entry_problem(block.line, path, "an entry of the map has no value.", row.describe())
            return None
        return self._value(row, given[-1], path)

    def _keep_last_of_oneofs(self, kind: MessageType, given: dict[str, list[Entry]], path: str) -> None:
        for names in kind.oneofs:
            present = sorted((name for name in names if name in given), key=lambda name: given[name][-1].line)
            for name in present[:-1]:
                last, group = present[-1], given.pop(name)
                self._field(kind.by_name[name], group, _below(path, name))  # for its mistakes
                line = group[-1].line
                text = f"replaced by {last} further down; only one of them can be set and the last one counts"
                self.notes.append(Note(line, _below(path, name), text))

    def _unknown(self, entry: Entry, kind: MessageType, path: str, present: set[str]) -> None:
        """A misspelt or misplaced field: both are told from the tables, and where it belongs is named."""
        name, names = entry.name, [*kind.by_name, *kind.aliases]
        absent = [one for one in names if one not in present]
        meant = _close_to(name, absent) or nearest(name, names)
        elsewhere = self._elsewhere(name)
        hint = _close_to(name, absent) if elsewhere else meant
        remedy = " ".join(part for part in (elsewhere, f"Did you mean '{hint}'?" if hint else "") if part)
        self.moved.update(_below(place, name) for place in places_of(self._root).get(name, ()))
        self.explained.add(_below(path, meant or name))
        what = f"unknown field '{name}' {f'in {path}' if path else 'at the top level'}."
        allowed = "" if remedy else ", ".join(names)
        found = Problem(entry.line, _below(path, name), what, allowed, remedy)
        if found not in self.problems:  # every item of a list is an entry
            self.problems.append(found)

    def _elsewhere(self, name: str) -> str:
        places = places_of(self._root).get(name, ())
        if not places:
            return ""
        named = [place or "the top level" for place in places]
        return f"It belongs in {' or '.join(named[:3])}."

    def _wrong(self, value: Scalar, path: str, what: str, allowed: str, remedy: str = "") -> None:
        self.explained.add(path)
        self.problems.append(Problem(value.line, path, f"{what}.", allowed, remedy))


def _alias(entry: Entry, kind: MessageType) -> Entry:
    """An older spelling as the field that it stands for; one given under both names counts as given twice."""
    *outer, name = kind.aliases.get(entry.name, (entry.name,))
    made = Entry(name, entry.value, entry.line, listed=entry.listed)
    for message in reversed(outer):
        made = Entry(message, Block(entry.line, [made]), entry.line, alias=True)
    return made


def _only_by_alias(row: Field, group: list[Entry]) -> bool:
    return row.required and all(entry.alias for entry in group)


def _line_of(block: Block, name: str) -> int:
    return next((entry.line for entry in reversed(block.entries) if entry.name == name), block.line)


def _close_to(name: str, options: list[str]) -> str:
    """The option that differs by a letter or two, or an empty string."""
    return next(iter(difflib.get_close_matches(name, options, n=1, cutoff=0.75)), "")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _convert(kind: str | Enum | MessageType, value: Scalar) -> Any:
    """The typed value, or None when the text is not of this type."""
    if isinstance(kind, Enum):
        return _enum(kind, value)
    if kind == "string":
        return value.text if value.form == STRING else None
    if value.form == STRING:
        return None
    if kind == "bool":
        return True if value.text in _TRUE else False if value.text in _FALSE else None
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        number = _integer(value)
        return number if number is not None and low <= number <= high else None
    if kind in FLOATS:
        return _float(value)
    raise ValueError(f"no such type: {kind}")


def _enum(kind: Enum, value: Scalar) -> str | None:
    if value.form == STRING:
        return None
    number = _integer(value)
    if number is not None:
        return kind.names[number] if 0 <= number < len(kind.names) else None
    return value.text if value.text in kind.names else None


def _integer(value: Scalar) -> int | None:
    """A whole number: decimal, 0x hexadecimal, or octal with a leading 0 as in C."""
    if not value.is_number:
        return None
    digits = value.text.removeprefix("-")
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    try:
        number = int(digits, 8) if octal else int(digits, 0)
    except ValueError:
        return None
    return -number if value.text.startswith("-") else number


def _float(value: Scalar) -> float | None:
    """A decimal number, ``inf`` or ``nan``; as in protobuf an ``f`` may follow."""
    if value.is_number:
        hexadecimal = value.text.lower().removeprefix("-").startswith("0x")
        return None if hexadecimal else float(value.text.rstrip("fF"))
    word = value.text.lower().removeprefix("-")
    return float(value.text) if word in ("inf", "infinity", "nan") else None


def _nearest_value(row: Field, value: Scalar) -> str:
    words: Iterable[str] = ()
    if isinstance(row.type, Enum):
        words = row.type.names
    elif isinstance(row.allowed, tuple) and row.type == "string":
        words = [str(one) for one in row.allowed]
    elif row.type == "bool":
        words = ("true", "false")
    return did_you_mean(value.text, words)


def _article(row: Field) -> str:
    if isinstance(row.type, Enum):
        return f"a value of {row.type.name}"
    names = {"bool": "true or false", "string": "text"}
    return names.get(str(row.type), "a whole number" if row.type in INTEGERS else "a number")
