"""The entry points: ``detectnet COMMAND ...`` and one ``tlt-...`` for each command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from detectnet.commands import dataset_convert, evaluate, export, infer, prune, train
from detectnet.commands.flags import TASK, CommandLine, say_unneeded
from detectnet.errors import did_you_mean
from detectnet.logs import run

COMMANDS: dict[str, ModuleType] = {
    "dataset_convert": dataset_convert,
    "train": train,
    "evaluate": evaluate,
    "prune": prune,
    "inference": infer,
    "export": export,
}
"""NVIDIA's name of a command, and the module that declares and does it."""


def detectnet() -> None:
    """``detectnet COMMAND ...``, as TAO's ``detectnet_v2 COMMAND ...``."""
    words = sys.argv[1:]
    if words[:1] == [TASK]:
        words = words[1:]
    listed = "\n".join(f"  {name:<17}{module.__doc__}" for name, module in COMMANDS.items())
    made = argparse.ArgumentParser(
        prog="detectnet",
        description="NVIDIA's DetectNet_v2 commands, with NVIDIA's flags.",
        epilog=f"commands:\n{listed}\n\n`detectnet COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("command", metavar="COMMAND", help=", ".join(COMMANDS))
    given = made.parse_args(words[:1]).command
    name = given.replace("-", "_")
    if name not in COMMANDS:
        made.error(f"there is no command '{given}'. {did_you_mean(given, COMMANDS)}".rstrip())
    _run(name, f"detectnet {name}", words[1:])


def tlt_dataset_convert() -> None:
    """``tlt-dataset-convert``."""
    _run("dataset_convert", "tlt-dataset-convert", sys.argv[1:])


def tlt_train() -> None:
    """``tlt-train``."""
    _run("train", "tlt-train", sys.argv[1:])


def tlt_evaluate() -> None:
    """``tlt-evaluate``."""
    _run("evaluate", "tlt-evaluate", sys.argv[1:])


def tlt_prune() -> None:
    """``tlt-prune``."""
    _run("prune", "tlt-prune", sys.argv[1:])


def tlt_infer() -> None:
    """``tlt-infer``."""
    _run("inference", "tlt-infer", sys.argv[1:])


def tlt_export() -> None:
    """``tlt-export``."""
    _run("export", "tlt-export", sys.argv[1:])


def command_line(name: str, prog: str) -> CommandLine:
    """The flags of a command of ``COMMANDS``."""
    module = COMMANDS[name]
    line = CommandLine(prog, module.__doc__ or "")
    module.declare(line)
    return line


def _run(name: str, prog: str, words: Sequence[str]) -> None:
    def main(args: argparse.Namespace) -> None:
        say_unneeded(args)
        COMMANDS[name].main(args)

    run(main, command_line(name, prog).parse(words))
