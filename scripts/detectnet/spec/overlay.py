"""A spec with a few fields set anew: how one experiment differs from another, line by line."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable

from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike
from detectnet.spec.kinds import places_of, root_of
from detectnet.spec.load import checked, load
from detectnet.spec.message import Message
from detectnet.spec.problems import SpecError
from detectnet.spec.schema import Field, MessageType
from detectnet.spec.text import Block, Entry, Scalar, read


def overlaid(message: Message, lines: Iterable[str], where: str = "overlay") -> Message:
    """A copy of a spec in which the fields that ``lines`` name have other values.

    A line is protobuf text whose field names are paths from the top of the file, joined with points:
    ``training_config.ema_decay: 0.999``, ``augmentation_config.mixing { paste_probability: 0.3 }``. Below a
    map a path goes on with the key (``evaluation_config.evaluation_box_config.plate.minimum_width: 4``),
    below a list of messages with the ``name`` of one
    (``cost_function_config.target_classes.plate.class_weight: 2``). A field is replaced whole: a message in
    braces by that message, a list by all that one line gives of it, and of fields that exclude each other
    the one that is there by the new one. Later lines see what earlier ones did.

    Args:
        message: a checked spec of any kind that is protobuf text.
        lines: at least one field each; without any the message itself comes back.
        where: stands for the file in errors and in ``Message.where``, which name fields, not lines.

    Raises:
        UserError: a line is no protobuf text, or a path leads nowhere; the error names the nearest field.
        SpecError: the copy is no spec that can be used.
    """
    lines = list(lines)
    if not lines:
        return message
    root = root_of(message.kind)
    tree, _ = read(message.to_text())
    for line in lines:
        _Line(root, line, where).apply(tree)
    try:
        return checked(_without_lines(tree), [], root, where)
    except SpecError as error:  # what is missing is looked for on line 1
        problems = [dataclasses.replace(one, line=0) for one in error.problems]
        raise SpecError(where, problems, error.kind, error.notes) from None


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option ``--field`` of a script, whose values are the lines of ``overlaid``."""
    parser.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="LINE",
        help="a field of the spec with another value, e.g. 'training_config.num_epochs: 20'; may be repeated",
    )


def load_overlaid(path: PathLike, kind: str, args: argparse.Namespace) -> Message:
    """The spec file with the fields that ``--field`` gives; raises as ``load`` and ``overlaid``."""
    return overlaid(load(path, kind), args.field, f"{path} with --field")


class _Line:
    """One line of an overlay on the way into the tree of a file."""

    def __init__(self, root: MessageType, line: str, where: str) -> None:
        self._root, self._line, self._where = root, line, f"{where}: '{line}'"

    def apply(self, tree: Block) -> None:
        """Set the line's fields in the tree."""
        given, problems = read(self._line)
        if problems:
            raise UserError(
                f"not protobuf text ({problems[0].what.removesuffix('.')})",
                where=self._where,
                allowed="PATH: VALUE or PATH { FIELDS }, e.g. training_config.num_epochs: 20",
            )
        groups: dict[str, list[Entry]] = {}
        for entry in given.entries:
            groups.setdefault(entry.name, []).append(entry)
        if not groups:
            raise UserError("no field is set", where=self._where, remedy="Name one, or remove the line.")
        for path, entries in groups.items():
            self._set(tree, self._root, path.split("."), entries)

    def _set(self, block: Block, kind: MessageType, path: list[str], entries: list[Entry]) -> None:
        """Replace what ``path`` leads to below a message of this kind by the values of ``entries``."""
        name, *rest = path
        row = kind.by_name.get(name)
        if row is None:
            places = [one or "the top level" for one in places_of(self._root).get(name, ())]
            elsewhere = f"It belongs in {' or '.join(places[:3])}." if places else ""
            raise self._unknown(f"'{kind.name}' has no field '{name}'", name, kind.by_name, elsewhere)
        others = {one for names in kind.oneofs if name in names for one in names} - {name}
        block.entries = [one for one in block.entries if one.name not in others]
        found = [one for one in block.entries if one.name == name]
        if not rest:
            kept = [one for one in block.entries if one.name != name]
            block.entries = [*kept, *(dataclasses.replace(one, name=name) for one in entries)]
        elif row.map or row.repeated:
            self._set_item(row, found, rest, entries)
        elif isinstance(row.type, MessageType):
            if not found:
                found = [Entry(name, Block(0), 0)]
                block.entries += found
            self._set(found[0].value, row.type, rest, entries)
        else:
            raise UserError(f"'{name}' is a plain value, nothing is below it", where=self._where)

    def _set_item(self, row: Field, found: list[Entry], path: list[str], entries: list[Entry]) -> None:
        """Go on in a map's entry with the key, or in a list's message with the name, ``path[0]``."""
        label, (wanted, *rest) = "key" if row.map else "name", path
        items = {text: one.value for one in found if (text := _text(one.value, label)) is not None}
        if wanted not in items:
            raise self._unknown(f"'{row.name}' has no entry with the {label} '{wanted}'", wanted, items)
        if row.map:
            inner = MessageType(row.name, (dataclasses.replace(row, name="value", map=False),))
            self._set(items[wanted], inner, ["value", *rest], entries)
        elif rest and isinstance(row.type, MessageType):
            self._set(items[wanted], row.type, rest, entries)
        else:
            what = f"the path ends at an entry of the list '{row.name}'"
            raise UserError(what, where=self._where, remedy="Name a field of it.")

    def _unknown(self, what: str, name: str, known: Iterable[str], elsewhere: str = "") -> UserError:
        names = list(known)
        remedy = elsewhere or did_you_mean(name, names) or None
        return UserError(what, where=self._where, allowed=None if remedy else names, remedy=remedy)


def _without_lines(block: Block) -> Block:
    """A copy in which nothing has a line: its parts come from several texts."""
    entries = [dataclasses.replace(one, line=0, value=_lineless(one.value)) for one in block.entries]
    return Block(0, entries)


def _lineless(value: Scalar | Block) -> Scalar | Block:
    return _without_lines(value) if isinstance(value, Block) else dataclasses.replace(value, line=0)


def _text(value: Scalar | Block, name: str) -> str | None:
    """The text of a field of a block, None where there is none."""
    entries = value.entries if isinstance(value, Block) else []
    values = (one.value for one in entries if one.name == name)
    return next((one.text for one in values if isinstance(one, Scalar)), None)
