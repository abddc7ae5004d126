"""Score a folder of detections (KITTI, 16 columns) against a folder of labels (15 columns)."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--ground-truth", type=Path, required=True, help="folder of label files")
    made.add_argument("--detections", type=Path, required=True, help="folder of files under the same names")
    made.add_argument("--iou", type=float, default=0.5, help="overlap of a hit")
    made.add_argument(
        "--minimum-width", type=float, default=0.0, help="narrower labels neither count nor harm, pixels"
    )
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet.detection.folders import score_folders

    score_folders(args.ground_truth, args.detections, iou=args.iou, minimum_width=args.minimum_width)


if __name__ == "__main__":
    run(main, arguments().parse_args())
