"""Prune a detector by a threshold on its filters' norms, as NVIDIA's `prune` does."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectnet.commands.flags import CommandLine, add_common
from detectnet.commands.models import KERAS, lay, located, output_file
from detectnet.errors import UserError
from detectnet.files import check_writable, read_json
from detectnet.logs import log

FLAGS = {
    "normalizer": "-n",
    "equalization": "-eq",
    "granularity": "-pg",
    "minimum": "-nf",
    "excluded layers": "-el",
}
"""What the library calls the flags."""


def declare(line: CommandLine) -> None:
    """Add the flags, with NVIDIA's defaults."""
    line.path("-m --model -pm --pretrained_model", "MODEL", ".hdf5 or .keras of a training", required=True)
    line.flag(
        "-o --output_file --output_dir",
        "FILE.hdf5 is written, and FILE.keras beside it; model.hdf5 where this is a folder",
        required=True,
        metavar="FILE",
        dest="output",
    )
    line.flag("-n --normalizer", "max or L2: norms in a layer", default="max", metavar="NAME")
    line.flag(
        "-eq --equalization_criterion",
        "union, intersection, arithmetic_mean or geometric_mean: layers that share their channels",
        default="union",
        metavar="NAME",
    )
    numbers = {"type": int, "metavar": "N"}
    line.flag("-pg --pruning_granularity", "filters stay in multiples of N", default=8, **numbers)
    line.flag("-nf --min_num_filters", "filters that each layer keeps", default=16, **numbers)
    line.flag(
        "-pth --pruning_threshold",
        "normalised norm that a filter must exceed",
        type=float,
        default=0.1,
        metavar="X",
    )
    line.flag(
        "-el --excluded_layers",
        "layers that keep all their filters",
        nargs="+",
        default=[],
        action="extend",
        metavar="LAYER",
    )
    line.path("-r --results_dir", "DIR", "folder for pruning.csv and pruning.json; that of -o otherwise")
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Prune as the command line says."""
    model, output = located(args.model, KERAS), _output(args.output)
    if model.resolve() in (output.resolve(), output.with_suffix(".keras").resolve()):
        raise UserError("the pruned model would overwrite the one it is made from", where=args.output)
    from detectnet.network.pruning import Criterion, prune_stage

    with _named_as_flags():
        criterion = Criterion(
            args.normalizer,
            args.equalization_criterion,
            args.pruning_granularity,
            args.min_num_filters,
            tuple(args.excluded_layers),
        )
    lists = args.results_dir or output.parent
    for folder in (output.parent, lists):
        check_writable(folder)
    with (
        tempfile.TemporaryDirectory(dir=output.parent, prefix=".prune.") as made,
        _named_as_flags(),
    ):
        prune_stage(model, made, criterion, threshold=args.pruning_threshold)
        ratio = read_json(Path(made, "provenance.json"))["ratio"]
        _move(Path(made), output, lists)
    log.info("Pruning ratio (parameters after / before): %.6f", ratio)
    log.info("Written %s; retrain it with load_graph: true.", output)


def _move(made: Path, output: Path, lists: Path) -> None:
    """Give the stage's files the names of this command."""
    lay(made / "model.hdf5", output)
    lay(made / "model.keras", output.with_suffix(".keras"))
    lay(made / "pruning.csv", lists / "pruning.csv")
    lay(made / "provenance.json", lists / "pruning.json")


def _output(text: str) -> Path:
    plain = text.removesuffix(".keras")
    return output_file(text if plain == text else f"{plain}.hdf5", ".hdf5", "model")


@contextmanager
def _named_as_flags() -> Iterator[None]:
    """A complaint about a criterion names its flag."""
    try:
        yield
    except UserError as error:
        if error.where not in FLAGS:
            raise
        flag = FLAGS[error.where]
        raise UserError(error.what, where=flag, allowed=error.allowed, remedy=error.remedy) from error
