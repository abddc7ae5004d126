"""docs/extensions.md lists the fields that are ours: all of them, with their types, ranges and defaults."""

import re
from pathlib import Path

import pytest

from detectnet.spec.kinds import ROOTS
from detectnet.spec.schema import Enum

PAGE = Path(__file__).resolve().parents[3] / "docs" / "extensions.md"
TITLES = {"experiment": "Experiment spec", "inference": "Inference spec", "cluster_params": "Clustering file"}


def own_fields(kind, path="", inside=False):
    """Path and field of every extension below a message, and of all that is in a message of our own."""
    for field in kind.fields:
        place = f"{path}{field.name}"
        if field.ours or inside:
            yield place, field
        if field.is_message:
            yield from own_fields(field.type, f"{place}{'.*.' if field.map else '.'}", inside or field.ours)


def described(field):
    """Type, allowed values and default as the page writes them."""
    word = field.type if isinstance(field.type, str) else "message"
    if isinstance(field.type, Enum):
        word = "one of " + ", ".join(f"`{name}`" for name in field.type.names)
    many = "list of " if field.repeated else "map to " if field.map else ""
    multiple = f", multiple of {field.multiple}" if field.multiple else ""
    return [f"{many}{word}", f"{field.allowed}{multiple}", default(field, bool(many))]


def default(field, many):
    value = None if many or field.is_message else field.effective
    if field.required:
        return "required"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, (int, float)) else value or "none"


def rows(title):
    part = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [re.split(r" \| ", line.strip("| ")) for line in part.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("kind", ROOTS)
def test_the_page_has_every_field_of_our_own_and_no_other(kind):
    wanted = {f"`{path}`": described(field) for path, field in own_fields(ROOTS[kind])}
    if not wanted:
        assert TITLES.get(kind) is None
        return
    listed = rows(TITLES[kind])
    assert {name: [one.strip() for one in row] for name, *row, _ in listed} == wanted
    assert len(listed) == len(wanted)
    assert all(len(meaning) > 15 and meaning.endswith(".") for *_, meaning in listed)
