"""Errors that a user can act on: what is wrong, where, what is allowed, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend. Shown as sentences without a traceback (which goes to the log).

    Args:
        what: one sentence, what is wrong.
        where: file, and line or field where known, e.g. ``spec.cfg:12 training_config.num_epochs``.
        allowed: the allowed values or range.
        remedy: what to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        allowed: object = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.where, self.allowed, self.remedy = what, where, allowed, remedy
        sentence = what if what.rstrip()[-1:] in ".:?!" or not (allowed or remedy) else f"{what}."
        parts = [f"{where}: {sentence}" if where else sentence]
        if allowed:
            parts.append(f"Allowed: {_listed(allowed)}.")
        if remedy:
            parts.append(remedy)
        super().__init__(" ".join(parts))


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The option that looks most like ``name``, or None when nothing is near."""
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """``Did you mean 'x'?`` for the nearest option, or an empty string."""
    close = nearest(name, options)
    return f"Did you mean '{close}'?" if close else ""


def _listed(allowed: object) -> str:
    if isinstance(allowed, str):
        return allowed
    if isinstance(allowed, Iterable):
        return ", ".join(str(item) for item in allowed)
    return str(allowed)
