"""Command lines as NVIDIA's: every spelling of a flag, and what is not needed here said once."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectnet.errors import did_you_mean
from detectnet.logs import LOG_OPTIONS, log, parser

TASK = "detectnet_v2"
OTHER_TASKS = frozenset(
    {
        "action_recognition",
        "augment",
        "bpnet",
        "classification",
        "classification_tf1",
        "classification_tf2",
        "converter",
        "dssd",
        "efficientdet",
        "efficientdet_tf1",
        "efficientdet_tf2",
        "emotionnet",
        "faster_rcnn",
        "fpenet",
        "gazenet",
        "gesturenet",
        "heartratenet",
        "lprnet",
        "mask_rcnn",
        "multitask_classification",
        "retinanet",
        "ssd",
        "unet",
        "yolo",
        "yolo_v3",
        "yolo_v4",
        "yolo_v4_tiny",
    }
)
"""Tasks of TLT and TAO that this product does not have; a model file may stand where their names do."""
_NUMBER = re.compile(r"-\d|-\.\d")
_JOINED = re.compile(r"(-[a-z]+)(\d[\d.]*)")


class CommandLine:
    """The flags of one command.

    ``--results-dir`` and ``--results_dir`` are one flag, abbreviations are none, and an unknown flag is
    refused with the nearest known one. A first word ``detectnet_v2`` is dropped.

    Attributes:
        options: every spelling of every flag.
    """

    def __init__(self, prog: str, description: str) -> None:
        self._parser = parser(description)
        self._parser.prog, self._parser.allow_abbrev = prog, False
        self._takes_words = False
        self._absent: dict[str, Any] = {"unneeded": {}}
        self._numbered: list[str] = []
        self.options = ["-h", "--help", LOG_OPTIONS[0]]

    def flag(self, spellings: str, meaning: str, **settings: Any) -> None:
        """Add a flag, None where it is neither given nor required nor has a default.

        Args:
            spellings: all of them, with blanks between.
            meaning: for the help.
            settings: those of ``ArgumentParser.add_argument``.
        """
        if not settings.get("required") and "action" not in settings:
            settings.setdefault("default", argparse.SUPPRESS)
        self.options += spellings.split()
        made = self._parser.add_argument(*spellings.split(), help=meaning, **settings)
        if made.default is argparse.SUPPRESS:
            self._absent.setdefault(made.dest, None)

    def path(self, spellings: str, metavar: str, meaning: str, **settings: Any) -> None:
        """Add a flag that takes a path; as ``flag``."""
        self.flag(spellings, meaning, type=Path, metavar=metavar, **settings)

    def word(self, name: str, metavar: str, meaning: str) -> None:
        """Add a word without a flag, None where it is not given."""
        self._takes_words, self._absent[name] = True, None
        self._parser.add_argument(name, nargs="?", default=argparse.SUPPRESS, metavar=metavar, help=meaning)

    def unneeded(self, spellings: str, why: str, nargs: str | int | None = None) -> None:
        """Accept a flag of NVIDIA's that changes nothing here; ``why`` is said when it is given.

        Args:
            spellings: all of them, with blanks between.
            why: a sentence without its full stop.
            nargs: as in argparse; 0 for a flag without a value.
        """
        meaning = f"accepted without effect: {why}"
        no_default = argparse.SUPPRESS
        self.flag(spellings, meaning, action=_Unneeded, nargs=nargs, default=no_default, metavar="X", why=why)

    def unneeded_numbers(self, spellings: str, why: str) -> None:
        """As ``unneeded``, of a flag that only whole numbers follow: MODEL may stand after it."""
        self.unneeded(spellings, why, nargs=0)
        self._numbered += spellings.split()

    def once(self, spellings: str, metavar: str, meaning: str, dest: str) -> None:
        """Add a required path with several flags; two that name different paths are refused."""
        self.path(spellings, metavar, meaning, required=True, dest=dest, action=_Once)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments, or an exit with status 2 and one sentence about what is wrong.

        ``unneeded`` maps each flag without effect that was given to the reason.
        """
        spelt = [self._spelt(one) for one in self._without_task(list(words))]
        left = self._without_numbers([part for one in spelt for part in self._parts(one)])
        for word in left:
            self._refuse_unknown(word)
        args, unexpected = self._parser.parse_known_args(left, argparse.Namespace(**self._absent))
        if unexpected:
            self._parser.error(f"the word '{unexpected[0]}' belongs to no flag")
        return args

    def _without_task(self, words: list[str]) -> list[str]:
        first = words[0] if words else "-"
        if first == TASK:
            return words[1:]
        if first in OTHER_TASKS or not (first.startswith("-") or self._takes_words):
            self._parser.error(f"the task '{first}' is not made here; allowed: {TASK}")
        return words

    def _spelt(self, word: str) -> str:
        """Long flags with hyphens as with underscores."""
        name, equals, value = word.partition("=")
        with_underscores = "--" + name[2:].replace("-", "_")
        known = word.startswith("--") and name not in self.options and with_underscores in self.options
        return with_underscores + equals + value if known else word

    def _parts(self, word: str) -> list[str]:
        """``-b4`` as ``-b 4``; only numbers may be joined: ``-results=x`` is a slip, no value of ``-r``."""
        joined = _JOINED.fullmatch(word)
        return list(joined.groups()) if joined and joined[1] in self.options else [word]

    def _without_numbers(self, words: list[str]) -> list[str]:
        """The words without the numbers of the flags of ``unneeded_numbers``."""
        left: list[str] = []
        owned = False
        for word in words:
            if owned and word.isdecimal():
                continue
            name, equals, _ = word.partition("=")
            owned = name in self._numbered
            left.append(name if owned and equals else word)
        return left

    def _refuse_unknown(self, word: str) -> None:
        name = word.partition("=")[0]
        if word.startswith("-") and name not in self.options and not _NUMBER.match(word):
            hint = did_you_mean(name, self.options)
            self._parser.error(f"unknown flag '{name}'. {hint}".rstrip())


class _Unneeded(argparse.Action):
    """Remembers that a flag without effect was given."""

    def __init__(self, *args: Any, why: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._why = why

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.unneeded = {**namespace.unneeded, option_string: self._why}


class _Once(argparse.Action):
    """Stores a value, and refuses another one for the same thing."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        if before not in (None, values):
            parser.error(f"{option_string} names {values}, but {before} is given already; only one is taken")
        setattr(namespace, self.dest, values)


def say_unneeded(args: argparse.Namespace) -> None:
    """Log each flag that was given and has no effect, once, with the reason."""
    for option, why in args.unneeded.items():
        log.info("%s is accepted without effect: %s.", option, why)


def add_common(line: CommandLine) -> None:
    """The flags that all of NVIDIA's commands have."""
    line.unneeded("-k --key", "model files are plain here, no key is needed")
    line.unneeded("-v --verbose", "everything is said already, and --log FILE keeps it", nargs=0)
    line.unneeded_numbers("--gpu_index", "the framework takes the device that it finds")
    line.unneeded_numbers("--num_processes -np", "one process does the work")
    line.unneeded("--use_amp", "training_config.mixed_bfloat16 in the spec is the switch", nargs=0)
    line.unneeded_numbers(
        "--gpus -g", "one device does the work, so a training step sees batch_size_per_gpu pictures"
    )


def threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
