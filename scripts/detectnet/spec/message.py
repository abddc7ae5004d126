"""A spec file in memory: values with their defaults, and where each was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detectnet.errors import did_you_mean
from detectnet.spec.problems import Note, place
from detectnet.spec.schema import Enum, Field, MessageType


@dataclass(frozen=True, eq=False)
class Message:
    """One message. ``message.field`` is the value in effect.

    A scalar that is unset reads as its default, a repeated field as a list, a map as a dict in the file's
    order, a sub-message is always there (empty when unset), an enumeration reads as its name. A message
    is not changed after reading.
    """

    _type: MessageType
    _file: str
    _path: str = ""
    _line: int = 0
    _values: Mapping[str, Any] = field(default_factory=dict)
    _lines: Mapping[str, int] = field(default_factory=dict)
    _notes: tuple[Note, ...] = ()

    @property
    def kind(self) -> str:
        """``experiment``, ``dataset``, ``inference`` or ``cluster_params``; for a sub-message its type."""
        return self._type.name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._field(name)
        if name in self._values:
            value = self._values[name]
            return found.effective if found.zero_is_unset and not value else value
        if found.repeated:
            return []
        if found.map:
            return {}
        if isinstance(found.type, MessageType):
            return Message(found.type, self._file, self._below(name))
        return found.effective

    def has(self, name: str) -> bool:
        """Whether the file gives the field; an explicit 0 or ``false`` counts, an empty list does not."""
        self._field(name)
        return name in self._values

    def where(self, name: str = "") -> str:
        """``file:line path`` of a field, of a map's entry (``name[key]``) or of this message.

        Without the line when it is not in the file.
        """
        if not name:
            return place(self._file, self._line, self._path)
        self._field(name.partition("[")[0])
        return place(self._file, self._lines.get(name, 0), self._below(name))

    def to_text(self) -> str:
        """Canonical protobuf text of what the file gives: the table's order, map keys sorted, no comments."""
        return _text(self)

    def to_dict(self) -> dict[str, Any]:
        """The values in effect of all fields as plain types, ready for JSON."""
        return {name: _plain(getattr(self, name)) for name in self._type.by_name}

    def __eq__(self, other: object) -> bool:
        """Equal when type and given values are equal; lines and file names do not count."""
        if not isinstance(other, Message):
            return NotImplemented
        return self.kind == other.kind and self._values == other._values

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._type.by_name]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.where()}>"

    def _below(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _field(self, name: str) -> Field:
        if name not in self._type.by_name:
            hint = did_you_mean(name, self._type.by_name)
            raise AttributeError(f"'{self.kind}' has no field '{name}'. {hint}".rstrip())
        return self._type.by_name[name]


def text_of(message: Message, paths: Iterable[str]) -> str:
    """Canonical text of only the named fields, e.g. ``["model_config", "training_config.num_epochs"]``.

    A path goes through lists and maps into every element. The text changes when, and only when, one of
    these fields is given differently: a rule that reads only them is not run again for anything else.

    Raises:
        AttributeError: a path names no field; the message carries the nearest name.
    """
    return _text(_pruned(message, [path.split(".") for path in paths]))


def parts_of(value: object) -> list[Message]:
    """The messages that a field's value is made of: those of a list, of a map, or itself."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, Message)]


def _pruned(message: Message, paths: list[list[str]]) -> Message:
    values = {}
    for name in dict.fromkeys(path[0] for path in paths):
        found = message._field(name)
        deeper = [path[1:] for path in paths if path[0] == name]
        if [] not in deeper and isinstance(found.type, MessageType):
            _check_paths(found.type, deeper)
        if name in message._values:
            value = message._values[name]
            values[name] = value if [] in deeper else _each(value, deeper)
    return Message(message._type, message._file, _values=values)


def _each(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, Message):
        return _pruned(value, paths)
    if isinstance(value, dict):
        return {key: _each(item, paths) for key, item in value.items()}
    if isinstance(value, list):
        return [_each(item, paths) for item in value]
    raise AttributeError(f"'{'.'.join(paths[0])}' is asked of a plain value")


def _check_paths(kind: MessageType, paths: list[list[str]]) -> None:
    for path in paths:
        found = Message(kind, "")._field(path[0])
        if path[1:] and isinstance(found.type, MessageType):
            _check_paths(found.type, [path[1:]])


def _text(message: Message, indent: str = "") -> str:
    lines = []
    for row in message._type.fields:
        if row.name in message._values:
            value = message._values[row.name]
            if row.map:
                lines += [_entry_text(row, key, value[key], indent) for key in sorted(value)]
            else:
                items = value if row.repeated else [value]
                lines += [_field_text(row.name, row, item, indent) for item in items]
    return "".join(lines)


def _field_text(name: str, row: Field, value: Any, indent: str) -> str:
    if isinstance(value, Message):
        return f"{indent}{name} {{\n{_text(value, indent + '  ')}{indent}}}\n"
    return f"{indent}{name}: {_scalar_text(row, value)}\n"


def _entry_text(row: Field, key: str, value: Any, indent: str) -> str:
    inner = indent + "  "
    head = f"{inner}key: {_quoted(key)}\n"
    return f"{indent}{row.name} {{\n{head}{_field_text('value', row, value, inner)}{indent}}}\n"


def _scalar_text(row: Field, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return value if isinstance(row.type, Enum) else _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    return '"' + "".join(named.get(one) or (one if one.isprintable() else _octal(one)) for one in text) + '"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
