"""Groups of a DeepStream file, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2

from detectnet.deploy.deepstream.keys import check


@dataclass(frozen=True)
class Group:
    """One group of keys.

    Attributes:
        name: as in its brackets.
        keys: key to value.
        notes: lines of comment above it.
        active: the others are written as comments.
        spare: keys that are written as comments behind the others.
    """

    name: str
    keys: dict[str, Any]
    notes: Sequence[str] = ()
    active: bool = True
    spare: dict[str, Any] = field(default_factory=dict)


def groups_text(program: str, head: Sequence[str], groups: Sequence[Group]) -> str:
    """A file of these groups below a head of comments.

    Args:
        program: who reads it, ``nvinfer`` or ``deepstream-app``.
        head: lines of comment.
        groups: in their order.

    Raises:
        UserError: the program does not read a key, or not with this value; what is commented out counts.
    """
    for one in groups:
        check(program, one.name, {**one.keys, **one.spare})
    return rendered("groups.txt.j2", head=head, groups=groups)


def rendered(template: str, **values: Any) -> str:
    """A template of this package, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("detectnet.deploy.deepstream"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(template).render(**values)
