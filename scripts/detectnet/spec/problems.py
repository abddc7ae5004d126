"""What is wrong with a spec file (problems) and what its author should know (notes), line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectnet.errors import UserError


@dataclass(frozen=True)
class Problem:
    """One mistake that keeps a file from being used.

    Attributes:
        line: 1-based line of the file; 0 when the mistake has no line (something is missing at the top).
        path: field, e.g. ``training_config.num_epochs``; empty for a mistake of notation.
        what: one sentence, what is wrong.
        allowed: the allowed values, range or names; empty when there is no list.
        remedy: nearest name or what to do; empty when ``what`` says it all.
    """

    line: int
    path: str
    what: str
    allowed: str = ""
    remedy: str = ""

    def sentence(self, file: str) -> str:
        """``file:line path: what Allowed: … remedy`` on one line."""
        where = place(file, self.line, self.path)
        allowed = f"Allowed: {self.allowed}." if self.allowed else ""
        stop = "" if self.what.endswith(".") or not (allowed or self.remedy) else "."
        return " ".join(part for part in (f"{where}: {self.what}{stop}", allowed, self.remedy) if part)


@dataclass(frozen=True)
class Note:
    """Something accepted that the author should know of.

    ``no_effect`` marks a field that is not acted on, ``replaced`` one that the commands act on and for which
    the rules take something else.
    """

    line: int
    path: str
    text: str
    no_effect: bool = False
    replaced: bool = False

    def sentence(self, file: str) -> str:
        """``file:line path: text`` on one line."""
        return f"{place(file, self.line, self.path)}: {self.text}"


class SpecError(UserError):
    """A spec file with all its problems, in the order of its lines.

    Attributes:
        file: as it was named.
        problems: by line.
        kind: of the file, as ``Message.kind``.
        notes: what its author should know besides.
    """

    def __init__(
        self, file: str, problems: Sequence[Problem], kind: str = "", notes: Sequence[Note] = ()
    ) -> None:
        self.file, self.kind, self.notes = file, kind, tuple(notes)
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        lines = [problem.sentence(file) for problem in self.problems]
        super().__init__("\n  ".join([f"the spec cannot be used, {self.count}", *lines]), where=file)

    @property
    def count(self) -> str:
        """The number of problems in words."""
        return "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"


class OtherKindError(UserError):
    """A file that is no TLT spec at all, or not of the kind that is needed; ``kind`` names what it is."""

    def __init__(self, file: str, kind: str, needed: str = "") -> None:
        """With ``needed``, the kind that is asked for, the file is a spec."""
        self.kind = kind
        remedy = "Give an experiment, dataset conversion or inference spec, or a cluster_params.json."
        super().__init__(
            f"this is {kind}, and {needed} is needed" if needed else f"this is {kind}, not a TLT or TAO spec",
            where=file,
            remedy=None if needed else remedy,
        )


def place(file: str, line: int, path: str) -> str:
    """``file:line path`` with the parts that are known."""
    return " ".join(part for part in (f"{file}:{line}" if line else file, path) if part)
