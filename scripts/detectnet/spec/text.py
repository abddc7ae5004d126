"""Protobuf text format: from characters to a tree with line numbers, collecting every mistake.

No schema is needed here; what a name means is settled in ``build``. Understood are comments, ``:`` optional
before a message, ``{}`` and ``<>``, ``,`` and ``;`` between fields, quoted strings with escapes (adjacent
ones are joined) and lists ``[a, b]`` of values or messages. After a mistake reading goes on behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from detectnet.spec.problems import Problem

STRING, BARE = "string", "bare"
_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
      | (?P<open>["'][^\n]*)
      | (?P<mark>[{}<>\[\]:,;])
      | (?P<bare>[^\s{}<>\[\]:,;\#"']+)""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIKE_A_NAME = re.compile(r"\w[\w.-]*")  # no name, but meant as one: the tables know the nearest
_NUMBER = re.compile(r"-?(0[xX][0-9a-fA-F]+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fF]?)")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CURLY = "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
_CLOSERS = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class Scalar:
    """A value as written; ``form`` is ``string`` (quoted, unescaped here) or ``bare`` (number, word)."""

    text: str
    form: str
    line: int

    @property
    def is_number(self) -> bool:
        """Whether it is written as a number."""
        return self.form == BARE and _NUMBER.fullmatch(self.text) is not None

    def shown(self) -> str:
        """The value as it stands in the file, for messages."""
        return f'"{self.text}"' if self.form == STRING else self.text


@dataclass
class Block:
    """The fields between two braces, in their order."""

    line: int
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Entry:
    """``name: value``; a list in the file has become one entry per element.

    ``alias``: the file has an older spelling, somewhere else, for what is in it.
    ``listed``: it stood in a list.
    """

    name: str
    value: Scalar | Block
    line: int
    alias: bool = False
    listed: bool = False


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def read(text: str) -> tuple[Block, list[Problem]]:
    """The tree of a whole file, and the mistakes of notation met on the way."""
    reader = _Reader(text)
    return Block(1, reader.entries("", 1)), reader.problems


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield _Token(str(match.lastgroup), match.group(), line)
        line += match.group().count("\n")
    yield _Token("end", "", line)


class _Reader:
    """Recursive descent over the tokens; every method leaves ``self._at`` behind what it has read."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self.problems: list[Problem] = []

    def entries(self, closer: str, opened: int) -> list[Entry]:
        found: list[Entry] = []
        while True:
            token = self._peek()
            if token.kind == "end":
                if closer:
                    self._problem(opened, f"the block that opens here is never closed with '{closer}'")
                return found
            if token.text in ("}", ">") and token.kind == "mark":
                self._at += 1
                if closer:
                    if token.text != closer:
                        self._problem(token.line, f"'{token.text}' closes a block that needs '{closer}'")
                    return found
                self._problem(token.line, f"'{token.text}' closes nothing, there is one too many")
            elif token.text in (",", ";") and token.kind == "mark":
                self._at += 1
            else:
                found.extend(self._entry())

    def _entry(self) -> list[Entry]:
        name = self._next()
        if name.kind != "bare" or not (_NAME.fullmatch(name.text) or self._names_something(name)):
            self._unexpected(name)
            self._skip_line(name.line)
            return []
        colon = self._peek().text == ":" and self._peek().kind == "mark"
        self._at += colon
        token = self._peek()
        if token.kind == "mark" and token.text in _CLOSERS:
            return [Entry(name.text, self._block(), name.line)]
        if token.kind == "mark" and token.text == "[":
            return [Entry(name.text, value, name.line, listed=True) for value in self._list()]
        if not colon:
            self._problem(name.line, f"':' is missing after '{name.text}'")
        value = self._scalar(name)
        return [] if value is None else [Entry(name.text, value, name.line)]

    def _names_something(self, name: _Token) -> bool:
        """``max-learning-rate:`` is an unknown field, not a mistake of notation."""
        after = self._peek()
        follows = after.kind == "mark" and after.text in (":", *_CLOSERS)
        worded = any(letter.isalpha() for letter in name.text)
        return follows and worded and _LIKE_A_NAME.fullmatch(name.text) is not None

    def _block(self) -> Block:
        opener = self._next()
        return Block(opener.line, self.entries(_CLOSERS[opener.text], opener.line))

    def _list(self) -> list[Scalar | Block]:
        opener = self._next()
        values: list[Scalar | Block] = []
        while True:
            token = self._peek()
            if token.kind == "mark" and token.text == "]":
                self._at += 1
                return values
            unfit = token.kind == "mark" and token.text in ("}", ">", ":", ";", "[")
            if token.kind == "end" or unfit or self._starts_a_field(token, opener.line):
                self._problem(opener.line, "the list that opens here is never closed with ']'")
                return values
            if token.text == "," and token.kind == "mark":
                self._at += 1
            elif token.kind == "mark":
                values.append(self._block())
            else:
                value = self._scalar(opener)
                values.extend([] if value is None else [value])

    def _scalar(self, name: _Token) -> Scalar | None:
        token = self._peek()
        if token.kind in ("end", "mark") or self._starts_a_field(token, name.line):
            self.problems.append(Problem(name.line, name.text, "the field has no value."))
            return None
        self._at += 1
        if token.kind == "open":
            self._problem(token.line, "the string that starts here has no closing quote")
            return None
        if token.kind == "string":
            return self._string(token)
        return self._bare(name.text, token)

    def _starts_a_field(self, token: _Token, line: int) -> bool:
        """A word on a later line with ``:`` or a brace behind it is the next field, not this one's value."""
        after = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        return (
            token.line > line
            and token.kind == "bare"
            and after.kind == "mark"
            and after.text in (":", "{", "<")
        )

    def _string(self, first: _Token) -> Scalar:
        parts = [first]
        while self._peek().kind == "string":
            parts.append(self._next())
        return Scalar("".join(self._unescaped(part) for part in parts), STRING, first.line)

    def _bare(self, name: str, token: _Token) -> Scalar | None:
        text = token.text
        value = Scalar(text, BARE, token.line)
        if value.is_number or _NAME.fullmatch(text.removeprefix("-")):
            return value
        remedy = "Write straight quotes." if text[0] in _CURLY else "Text needs quotes."
        what = f"'{text}' is neither a number nor a word."
        self.problems.append(Problem(token.line, name if _NAME.fullmatch(name) else "", what, remedy=remedy))
        self._skip_line(token.line)
        return None

    def _unescaped(self, token: _Token) -> str:
        """The string's content; octal and hex escapes are bytes of UTF-8, as protobuf defines them."""
        content, parts, done = token.text[1:-1], [], 0
        for match in _ESCAPE.finditer(content):
            parts.append(content[done : match.start()].encode())
            octal, hexadecimal, short, long, plain = match.groups()
            done = match.end()
            if octal or hexadecimal:
                parts.append(bytes([int(octal, 8) & 255 if octal else int(hexadecimal, 16)]))
            elif short or long:
                parts.append(self._character(int(short or long, 16), token.line))
            else:
                if plain not in _PLAIN and plain not in "\\\"'?":
                    self._problem(
                        token.line, f"unknown escape '\\{plain}' in a string", "Write '\\\\' for '\\'."
                    )
                parts.append(_PLAIN.get(plain, plain).encode())
        parts.append(content[done:].encode())
        return self._decoded(b"".join(parts), token.line)

    def _character(self, code: int, line: int) -> bytes:
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            self._problem(line, f"the escape for character {code:#x} is no Unicode character")
            return b""
        return chr(code).encode()

    def _decoded(self, content: bytes, line: int) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError:
            self._problem(line, "the escapes of this string are not valid UTF-8")
            return content.decode(errors="replace")

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _skip_line(self, line: int) -> None:
        """Go on after the rest of the line, but stop at a brace, which other lines depend on."""
        while (token := self._peek()).line == line and token.kind != "end" and token.text not in "{}<>":
            self._at += 1

    def _unexpected(self, token: _Token) -> None:
        remedy = "Comments start with '#'." if token.text.startswith(("//", "/*", "--")) else ""
        what = f"unexpected '{token.text[:40]}', a field name should stand here"
        self._problem(token.line, what, remedy)

    def _problem(self, line: int, what: str, remedy: str = "") -> None:
        self.problems.append(Problem(line, "", what, remedy=remedy))
