"""The variants of an ablation: a baseline, and what differs from it in one change each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectnet.errors import UserError
from detectnet.spec import Message, load
from detectnet.spec.overlay import overlaid

BASELINE = "baseline"


def specs_of(ablation: dict[str, Any] | None, train: Message) -> dict[str, Message]:
    """The experiment spec of every variant, the baseline's first, then by name; none without an ablation.

    Args:
        ablation: of a complete config.
        train: the run's own experiment spec, for which the records are made.

    Raises:
        UserError: a spec cannot be used, or is for pictures of another size than the records hold.
    """
    if ablation is None:
        return {}
    base = load(ablation["spec"], "experiment")
    changed = {
        name: overlaid(base, change["fields"], f"ablation.changes.{name}")
        for name, change in sorted(ablation["changes"].items())
    }
    found = {BASELINE: base, **changed}
    for one in found.values():
        _check_size(one, train)
    return found


def sources_of(ablation: dict[str, Any], variant: str, sources: Sequence[str]) -> list[str]:
    """The sources that a variant trains on: all that no change adds, and those that its own change adds."""
    changes = ablation["changes"]
    added = {one for change in changes.values() for one in change["sources"]}
    own = set() if variant == BASELINE else set(changes[variant]["sources"])
    return [one for one in sources if one not in added - own]


def _check_size(spec: Message, train: Message) -> None:
    given, wanted = (one.augmentation_config.preprocessing for one in (spec, train))
    for field in ("output_image_width", "output_image_height", "enable_auto_resize"):
        if getattr(given, field) != getattr(wanted, field):
            raise UserError(
                f"{field} is {getattr(given, field)}, and the records are made for {getattr(wanted, field)}",
                where=given.where(field),
                allowed=f"as in {wanted.where(field)}",
                remedy="Train on windows (training_config.input_stages) to see smaller pictures.",
            )
