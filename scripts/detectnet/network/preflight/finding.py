"""One thing that is wrong, or likely to be, and what becomes of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectnet.errors import UserError
from detectnet.logs import log

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """A known cause of a detector that finds nothing.

    Attributes:
        severity: ``error``: training cannot come to anything; ``warning``: it will be worse than it could.
        cause: id of the cause, the same in every run, such as ``class-without-boxes``.
        what: a clause with the counts, without a full stop.
        where: file, line and field, or which records.
        remedy: what to do, a sentence.
    """

    severity: str
    cause: str
    what: str
    where: str
    remedy: str

    def sentence(self) -> str:
        """All of it for a person to read."""
        return f"{self.where}: {self.what}. {self.remedy} [{self.cause}]"


def error(cause: str, what: str, where: str, remedy: str) -> Finding:
    """A finding that stops a training."""
    return Finding(ERROR, cause, what, where, remedy)


def warning(cause: str, what: str, where: str, remedy: str) -> Finding:
    """A finding that is only said."""
    return Finding(WARNING, cause, what, where, remedy)


@dataclass(frozen=True)
class Share:
    """How many things, of a class or of all, a cause concerns.

    Attributes:
        cause, where, remedy: as in ``Finding``.
        count: how many of ``total`` are concerned.
        what: goes on after ``COUNT of TOTAL``.
    """

    cause: str
    count: int
    total: int
    what: str
    where: str
    remedy: str


def of_classes(per_class: Sequence[Share]) -> list[Finding]:
    """A finding for every class of which some are concerned.

    They are errors where all of every class are, so that nothing is left to learn; else warnings. Classes
    without any do not count.
    """
    known = [one for one in per_class if one.total]
    make = error if all(one.count == one.total for one in known) else warning
    return [
        make(one.cause, f"{one.count} of {one.total} {one.what}", one.where, one.remedy)
        for one in known
        if one.count
    ]


def share(cause: str, count: int, total: int, what: str, where: str, remedy: str) -> list[Finding]:
    """As ``of_classes`` where classes play no part: an error where all are concerned, else a warning."""
    return of_classes([Share(cause, count, total, what, where, remedy)])


def settle(findings: Sequence[Finding]) -> list[Finding]:
    """Log the warnings, and stop where there are errors.

    Returns:
        the warnings.

    Raises:
        UserError: lists all errors.
    """
    errors = [one for one in findings if one.severity == ERROR]
    warnings = [one for one in findings if one.severity == WARNING]
    for one in warnings:
        log.warning("%s", one.sentence())
    if errors:
        listed = "".join(f"\n  {number}. {one.sentence()}" for number, one in enumerate(errors, 1))
        raise UserError(f"this training would come to nothing:{listed}", where="preflight")
    return warnings
