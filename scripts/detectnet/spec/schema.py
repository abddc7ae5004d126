"""What a table of the grammar is made of: fields, enumerations and messages.

The tables themselves are in ``schema_data``, ``schema_model``, ``schema_detection``, ``schema_training`` and
``schema_inference``; ``kinds`` lists the four kinds of file. Names and types are those of TLT 1.0 to TAO 5,
the fields marked ``ours`` are this product's extensions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}
FLOATS = ("float", "double")
_INTERVAL = re.compile(r"([\[(])(-?[\d.]+|-inf), ([\d.]+|inf)([\])])")


@dataclass(frozen=True)
class Enum:
    """Names of an enumeration; the number of a name is its position, 0 is the value when unset."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """One row of a table.

    Attributes:
        name: field name.
        type: ``int32``, ``uint32``, ``float``, ``double``, ``bool``, ``string``, an Enum or a MessageType.
        default: the value in effect when unset; None means the type's zero, for ``optional`` no value.
        allowed: interval such as ``[0, 1]`` or ``(0, inf)`` for numbers; or a tuple of the values.
        multiple: the number must be a multiple of this (0: of anything).
        required: the file cannot be used without it.
        repeated, map: a list; a mapping from strings.
        optional: when unset its value is None.
        zero_is_unset: an explicit 0 means the default, as in a format that cannot tell 0 from absent.
        lower_keys: keys of the map are read in lower case, because the records hold lower-case names.
        note: why the field is accepted but not acted on; empty when it is.
        replaced: what the workflow takes in the place of the field's value; empty when it takes the value.
        ours: an extension, unknown to TLT and TAO.
    """

    name: str
    type: str | Enum | MessageType
    default: Any = None
    allowed: str | tuple[str | int, ...] = ""
    multiple: int = 0
    required: bool = False
    repeated: bool = False
    map: bool = False
    optional: bool = False
    zero_is_unset: bool = False
    lower_keys: bool = False
    note: str = ""
    replaced: str = ""
    ours: bool = False

    @property
    def effective(self) -> Any:
        """The value of an unset scalar field."""
        if self.default is not None or self.optional:
            return self.default
        if isinstance(self.type, Enum):
            return self.type.names[0]
        return {"bool": False, "string": ""}.get(str(self.type), 0.0 if self.type in FLOATS else 0)

    @property
    def is_message(self) -> bool:
        """Whether its values are messages."""
        return isinstance(self.type, MessageType)

    def admits(self, value: Any) -> bool:
        """Whether a value of the right type lies in the allowed range or among the allowed words."""
        if isinstance(self.allowed, tuple) and self.allowed:
            return value in self.allowed
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._in_interval(value) and not (self.multiple and value % self.multiple)
        return True

    def _in_interval(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if not self.allowed:
            return True
        left, low, high, right = _interval(str(self.allowed))
        above = value > low if left == "(" else value >= low
        return above and (value < high if right == ")" else value <= high)

    def describe(self) -> str:
        """The allowed values in words, for messages."""
        if isinstance(self.type, Enum):
            return ", ".join(self.type.names)
        if isinstance(self.allowed, tuple) and self.allowed:
            return ", ".join(str(one) for one in self.allowed)
        words = {"bool": "true or false", "string": "text in quotes"}.get(str(self.type), "")
        kind = "a whole number" if self.type in INTEGERS else "a number"
        words = words or (f"{kind} in {self.allowed}" if self.allowed else kind)
        return f"{words}, a multiple of {self.multiple}" if self.multiple else words


@dataclass(frozen=True, eq=False, repr=False)
class MessageType:
    """A table: the fields of a message in the order of its canonical text.

    Attributes:
        name: for messages to the user.
        fields: the rows.
        oneofs: groups of fields of which the last one given counts.
        aliases: older spelling -> path of the field (below this message) that it stands for.
    """

    name: str
    fields: tuple[Field, ...]
    oneofs: tuple[tuple[str, ...], ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Fields by name."""
        return {one.name: one for one in self.fields}

    def __repr__(self) -> str:
        return f"<MessageType {self.name}>"


def _interval(text: str) -> tuple[str, float, float, str]:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not an interval: {text}")
    left, low, high, right = match.groups()
    return left, float(low), float(high), right
