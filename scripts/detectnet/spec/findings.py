"""How a check says what it found: a problem or a note at a field of a message."""

from __future__ import annotations

import math
from collections.abc import Iterator

from detectnet.spec.message import Message
from detectnet.spec.problems import Note, Problem

Found = Iterator[Problem | Note]


def line_of(message: Message, field: str) -> int:
    """Line of a field, of a map's value (``name[key]``), of its key (``name[key].key``) or of a list's item
    (``name[2]``); the line where the message starts when the file does not give it."""
    return message._lines.get(field) or start_of(message)


def start_of(message: Message) -> int:
    """Line where a message starts; a whole file starts on line 1."""
    return max(message._line, 1)


def path_of(message: Message, field: str) -> str:
    """Path of a field from the top of the file; of the message itself for an empty name."""
    return message._below(field) if field else message._path


def at_most(message: Message, field: str) -> str:
    """The bound that another field sets, and where."""
    return f"at most {_bound(message, field)}"


def _bound(message: Message, field: str) -> str:
    line = message._lines.get(field)  # none where it is not given, 0 where its text is of no file
    return f"{getattr(message, field):g} ({field}{f' in line {line}' if line else ''})"


def problem(message: Message, field: str, what: str, allowed: str = "", remedy: str = "") -> Problem:
    """A mistake in a field, on the field's line."""
    return Problem(line_of(message, field), path_of(message, field), what, allowed, remedy)


def disordered(
    message: Message, low: str, high: str, usual: tuple[float, float], consequence: str = ""
) -> Problem:
    """Two bounds in the wrong order: the one that lies further from its usual value was hardly meant.

    With a ``usual`` of (1, 1) that is the lower bound, if both are above 1.
    """
    far = [
        abs(math.log(max(getattr(message, field), 1e-12) / common))
        for field, common in zip((low, high), usual, strict=True)
    ]
    field, other, word, bound = (low, high, "larger", "at most")
    if message.has(high) and far[1] > far[0]:
        field, other, word, bound = (high, low, "smaller", "at least")
    what = f"{getattr(message, field):g} is {word} than {other}{consequence}."
    return problem(message, field, what, f"{bound} {_bound(message, other)}")


def missing(message: Message, field: str, allowed: str = "", remedy: str = "") -> Problem:
    """A field that must be there and is not, on the line where its message starts."""
    what = "required, but missing."
    return Problem(start_of(message), path_of(message, field), what, allowed, remedy)


def note(message: Message, field: str, text: str) -> Note:
    """Something worth a word about a field."""
    return Note(line_of(message, field), path_of(message, field), text)


def no_effect(message: Message, field: str, why: str) -> Note:
    """A field that is accepted and not acted on."""
    text = f"no effect: {why}"
    return Note(line_of(message, field), path_of(message, field), text, no_effect=True)


def replaced(message: Message, field: str, by: str) -> Note:
    """A field that the commands act on and the rules replace."""
    text = f"replaced by {by}"
    return Note(line_of(message, field), path_of(message, field), text, replaced=True)
