"""Evaluate a network of any stage on the validation fold."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import log, parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--model", type=Path, required=True, help="model.keras, or model.onnx")
    made.add_argument("--stage", required=True, help="name of the stage in metrics.json")
    made.add_argument(
        "--spec", type=Path, required=True, help="experiment spec with the evaluation's settings"
    )
    made.add_argument("--validation", type=Path, nargs="+", required=True, help="record shards of the fold")
    made.add_argument("--out", type=Path, required=True, help="folder for metrics.json and what goes with it")
    made.add_argument("--threads", type=int, default=2, help="threads of the network")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet import spec
    from detectnet.detection.evaluation import evaluate
    from detectnet.detection.tao_table import tao_table

    experiment = spec.load(args.spec, "experiment")
    if args.model.suffix == ".onnx":
        from detectnet.deploy.predict import predict_onnx as predict
    else:
        from detectnet.network.predict import predict_keras as predict
    with predict(args.model, args.validation, experiment, threads=args.threads) as predictions:
        metrics = evaluate(
            predictions,
            predictions.contract,
            experiment.evaluation_config,
            experiment.postprocessing_config,
            args.stage,
            args.out,
        )
    mode = experiment.evaluation_config.average_precision_mode
    # Only a Keras model is evaluated together with the loss.
    cost = getattr(predictions, "cost", None)
    log.info("%s", tao_table(metrics, mode, cost=cost, seconds=metrics["seconds_per_image"]))


if __name__ == "__main__":
    run(main, arguments().parse_args())
