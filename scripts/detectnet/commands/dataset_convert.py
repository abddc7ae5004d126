"""Convert KITTI folders or COCO files to TFRecords, as NVIDIA's `dataset_convert` does."""

from __future__ import annotations

import argparse
import os

from detectnet.commands.flags import CommandLine, add_common


def declare(line: CommandLine) -> None:
    """Add the flags."""
    line.path("-d --dataset_export_spec", "SPEC", "spec: kitti_config or coco_config", required=True)
    line.flag(
        "-o --output_filename",
        "start of the records' names: PATH-fold-000-of-002-shard-00000-of-00010",
        required=True,
        metavar="PATH",
    )
    line.flag(
        "-f --validation_fold",
        "the validation fold, which sample_modifier_config leaves alone; needed only with that",
        type=int,
        metavar="N",
    )
    line.unneeded("-r --results_dir", "the records lie where -o says, and there is nothing else")
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Convert as the command line says."""
    from detectnet import spec
    from detectnet.data.converter import convert_dataset
    from detectnet.files import check_writable

    dataset = spec.load(args.dataset_export_spec, "dataset", for_rules=False)
    check_writable(os.path.split(args.output_filename)[0] or ".")
    convert_dataset(dataset, args.output_filename, validation_fold=args.validation_fold)
