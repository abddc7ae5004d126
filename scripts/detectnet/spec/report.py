"""What ``check_spec.py`` says of spec files."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.logs import log
from detectnet.spec.kinds import TITLES
from detectnet.spec.load import notes_of, parse, text_at
from detectnet.spec.problems import Note, OtherKindError, SpecError


def check_files(paths: Iterable[PathLike]) -> int:
    """Say the kind of every file, then OK or its problems, then its fields without effect.

    What is said is this command's result: it goes to standard output, and to the log file as everything.

    Returns:
        0: every file can be used; 1: a spec file cannot, or is not there; 2: a file is of another kind, and
        no spec is wrong.
    """
    with _on_standard_output():
        codes = [_check(str(path)) for path in paths]
    return 1 if 1 in codes else max(codes, default=0)


class _Screen(logging.StreamHandler):
    """Standard output, whose reader may have seen enough (``| head``)."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose what nobody reads any more, without a traceback here or when the process ends."""
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            super().handleError(record)


@contextmanager
def _on_standard_output() -> Iterator[None]:
    before = list(log.handlers)
    screens = [one for one in before if getattr(one, "stream", None) is sys.stderr]
    log.handlers[:] = [one for one in before if one not in screens]
    if screens:
        log.addHandler(_Screen(sys.stdout))
    try:
        yield
    finally:
        log.handlers[:] = before


def _check(path: str) -> int:
    try:
        message = parse(text_at(path), name=path)
    except SpecError as error:
        log.error("%s: %s: cannot be used, %s", path, TITLES[error.kind], error.count)
        for problem in error.problems:
            log.error("  %s", problem.sentence(path))
        _tell(error.notes, path)
        return 1
    except UserError as error:
        log.error("%s", error)
        return 2 if isinstance(error, OtherKindError) else 1
    log.info("%s: %s: OK", path, TITLES[message.kind])
    _tell(notes_of(message), path)
    return 0


def _tell(notes: Sequence[Note], path: str) -> None:
    for note in notes:
        if not note.no_effect and not note.replaced:
            log.info("  %s", note.sentence(path))
    _list("accepted, without effect here:", [one for one in notes if one.no_effect], path)
    _list("replaced in the rules:", [one for one in notes if one.replaced], path)


def _list(title: str, notes: list[Note], path: str) -> None:
    if notes:
        log.info("  %s", title)
    for note in notes:
        log.info("  %s", note.sentence(path))
