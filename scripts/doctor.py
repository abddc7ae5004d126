"""Find what would make a training come to nothing, without training: spec, records, pictures, machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(
        "Look for every known cause of a mAP of zero in a spec and its records, and say what machine it is. "
        "Exit status 0: training can start, 1: it would come to nothing, or the spec cannot be used."
    )
    made.add_argument("spec", type=Path, metavar="SPEC", help="experiment spec")
    made.add_argument(
        "--training",
        type=Path,
        nargs="+",
        default=[],
        metavar="SHARD",
        help="record shards to train on; without any, those of the spec's dataset_config",
    )
    made.add_argument(
        "--validation",
        type=Path,
        nargs="*",
        default=[],
        metavar="SHARD",
        help="record shards to validate on, beside --training",
    )
    return made


def main(args: argparse.Namespace) -> int:
    """Examine what the command line names; the exit status of the command."""
    from detectnet import spec
    from detectnet.network.doctor import examine

    found = examine(spec.load(args.spec, "experiment"), args.training, args.validation)
    return int(any(one.severity == "error" for one in found))


if __name__ == "__main__":
    run(main, arguments().parse_args())
