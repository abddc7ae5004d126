"""What a stage says: one log file with everything, and sentences on the screen."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import NoReturn, TypeVar

from tqdm import tqdm

from detectnet.errors import UserError

Item = TypeVar("Item")
log = logging.getLogger("detectnet")
LOG_OPTIONS = ("--log", "--log_file", "--log-file")
"""How a log file is asked for; the second and third only by NVIDIA's users."""
_PLACES = {
    errno.ENOTDIR: "a part of the path is a file, where a folder is needed",
    errno.EEXIST: "there is a file where a folder is to be made",
    errno.EISDIR: "there is a folder where a file is to be written",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "the disk is full",
}
"""What an operating system refuses because of the place, not because of the program."""


def log_early_defects() -> None:
    """Send tracebacks of errors before ``run`` to the file behind ``--log``, too."""
    sys.excepthook = _log_early_defect


class _Parser(argparse.ArgumentParser):
    """Complaints about the command line land in the log as well."""

    def error(self, message: str) -> NoReturn:
        _append_to_log(f"{self.prog}: {message}\n")
        super().error(message)


def _append_to_log(text: str) -> None:
    # The command line has not been read yet, or could not be.
    for option, value in pairwise(sys.argv):
        if option in LOG_OPTIONS:
            # The complaint itself goes to the screen; a log that cannot be written must not hide it.
            with contextlib.suppress(OSError):
                Path(value).parent.mkdir(parents=True, exist_ok=True)
                with Path(value).open("a", encoding="utf-8") as handle:
                    handle.write(text)


def _log_early_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The excepthook: a script that breaks before ``run``, while importing, still leaves its traceback."""
    _append_to_log("".join(traceback.format_exception(kind, error, trace)))
    sys.__excepthook__(kind, error, trace)


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser whose help shows defaults, with the ``--log`` option every script has."""
    made = _Parser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--log", type=Path, help="write everything, tracebacks too, to this file as well")
    return made


def positive(text: str) -> int:
    """The type of an option that counts something, as ``--workers``: a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def run(main: Callable[[argparse.Namespace], int | None], arguments: argparse.Namespace) -> None:
    """Run ``main`` and leave the process: 0, its own code, 1 for a UserError, 2 for a defect.

    A UserError prints its sentence, and so does a place that cannot be written; the traceback goes to the
    log only. Any other exception prints its traceback to both, because it is ours to mend.
    """
    try:
        _start(arguments.log)
        code = main(arguments) or 0
    except UserError as error:
        code = _refused(str(error))
    except KeyboardInterrupt:
        log.error("interrupted")
        code = 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _PLACES:
            code = _refused(_sentence(error))
        else:
            log.exception("unexpected error")
            code = 2
    sys.exit(code)


def _refused(sentence: str) -> int:
    log.error("%s", sentence)
    _file_only("where the error was raised")
    return 1


def _sentence(error: OSError) -> str:
    """What is wrong with which place; of a renaming that is where to."""
    place = error.filename2 or error.filename
    return f"{place}: {_PLACES[error.errno]}" if place else f"{_PLACES[error.errno]} ({error})"


def progress(
    items: Iterable[Item], *, total: int | None = None, what: str = "", unit: str = "it"
) -> Iterator[Item]:
    """Iterate with a progress bar and ETA on the screen, and a line in the log every ten seconds.

    On a terminal the bar moves; elsewhere (a cluster's log) only the lines are written.
    """
    total = len(items) if total is None and hasattr(items, "__len__") else total
    started = said = time.monotonic()
    with tqdm(items, total=total, desc=what, unit=unit, disable=not sys.stderr.isatty(), leave=False) as bar:
        for done, item in enumerate(bar, start=1):
            yield item
            now = time.monotonic()
            if now - said >= 10:
                said = now
                log.info("%s", _line(what, done, total, now - started, unit))


def _line(what: str, done: int, total: int | None, seconds: float, unit: str) -> str:
    rate = done / max(seconds, 1e-9)
    left = f", {(total - done) / rate:.0f} s left" if total else ""
    return f"{what}: {done}{f' of {total}' if total else ''} {unit}, {rate:.1f} a second{left}"


def _start(path: Path | None) -> None:
    log.setLevel(logging.INFO)
    log.handlers.clear()
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(screen)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        to_file = logging.FileHandler(path, mode="a", encoding="utf-8")
        to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(to_file)
        log.propagate = False


def _file_only(message: str) -> None:
    for handler in log.handlers:
        if isinstance(handler, logging.FileHandler):
            record = log.makeRecord(log.name, logging.ERROR, __file__, 0, message, None, sys.exc_info())
            handler.emit(record)
