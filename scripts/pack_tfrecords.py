"""Pack a resized source into TFRecord shards in NVIDIA's schema, with the pictures inside."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet import spec
from detectnet.data import corrections
from detectnet.data.packing import list_shards, pack_source
from detectnet.errors import UserError
from detectnet.logs import parser, positive, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument("--manifest", type=Path, required=True, help="manifest.csv of the resized source")
    made.add_argument("--source", required=True, help="name of the source, the start of the shards' names")
    made.add_argument("--split", type=Path, required=True, help="split.csv")
    made.add_argument("--spec", type=Path, required=True, help="dataset spec (kitti_config)")
    made.add_argument("--out-dir", type=Path, required=True, help="folder for the shards")
    made.add_argument("--corrections", type=Path, help="reviewed corrections of training labels, a CSV")
    made.add_argument("--originals", type=Path, help="manifest.csv of the KITTI source, for the corrections")
    made.add_argument("--workers", type=positive, help="processes; without it, one per core")
    part = made.add_mutually_exclusive_group()
    part.add_argument(
        "--shard", type=int, action="append", help="write only this shard of both folds; repeat"
    )
    part.add_argument("--list-only", action="store_true", help="only check and list shards that are there")
    return made


def main(args: argparse.Namespace) -> None:
    """Pack as the command line says."""
    dataset = spec.load(args.spec, "dataset")
    if (args.corrections is None) != (args.originals is None):
        raise UserError("one without the other", where="--corrections, --originals", allowed="both or none")
    reviewed = args.corrections and corrections.load(
        args.corrections, args.originals, args.split, args.source
    )
    inputs = (args.manifest, args.split, dataset, args.out_dir, args.source)
    if args.list_only:
        list_shards(*inputs, corrections=reviewed, workers=args.workers)
    else:
        pack_source(*inputs, corrections=reviewed, workers=args.workers, only=args.shard)


if __name__ == "__main__":
    run(main, arguments().parse_args())
