"""Evaluate a network of any stage on the validation fold."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run
from detectnet.spec import overlay


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument(
        "--model", type=Path, required=True, help="model.keras, model.onnx, or an engine's outputs.npz"
    )
    made.add_argument("--stage", required=True, help="name of the stage in metrics.json")
    made.add_argument(
        "--spec", type=Path, required=True, help="experiment spec with the evaluation's settings"
    )
    overlay.add_option(made)
    made.add_argument("--validation", type=Path, nargs="+", required=True, help="record shards of the fold")
    made.add_argument("--split", type=Path, help="split.csv: its groups stay whole in cross-fitted figures")
    made.add_argument(
        "--unseen",
        type=Path,
        nargs="+",
        default=[],
        help="training shards of sources that are not trained on: false alarms on pictures without objects",
    )
    add_deepstream(made)
    made.add_argument("--out", type=Path, required=True, help="folder for metrics.json and what goes with it")
    made.add_argument("--threads", type=int, default=2, help="threads of the network")
    return made


def add_deepstream(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--deepstream",
        type=Path,
        metavar="DATA",
        help="folder of the original pictures, {source}/manifest.csv: evaluate what DeepStream shows as well",
    )
    made.add_argument(
        "--goal", default="f1", help="of its thresholds: f1 (default), precision=0.95, recall=0.9"
    )
    made.add_argument(
        "--cluster-mode",
        default="auto",
        choices=["auto", "1", "2", "3", "4"],
        help="of nvinfer: the only one that is tried, where a number is given",
    )
    made.add_argument(
        "--frame",
        type=int,
        nargs=2,
        metavar=("WIDTH", "HEIGHT"),
        help="size of nvstreammux that is looked at as well",
    )


def main(args: argparse.Namespace) -> None:
    from detectnet.deploy.evaluating import DeepStreamRequest, evaluate_model
    from detectnet.detection.goals import Goal
    from detectnet.spec.overlay import load_overlaid

    experiment = load_overlaid(args.spec, "experiment", args)
    frame = None if args.frame is None else tuple(args.frame)
    deepstream = DeepStreamRequest(args.deepstream, Goal.parse(args.goal), args.cluster_mode, frame)
    evaluate_model(
        args.model,
        args.validation,
        experiment,
        args.out,
        stage=args.stage,
        threads=args.threads,
        split=args.split,
        unseen=args.unseen,
        deepstream=deepstream if args.deepstream else None,
    )


if __name__ == "__main__":
    run(main, arguments().parse_args())
