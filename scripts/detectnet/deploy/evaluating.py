"""Evaluation of a model file of any kind on record shards, ending with the table that TAO prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectnet.detection.evaluation import evaluate
from detectnet.detection.tao_table import tao_table
from detectnet.files import PathLike
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message


def evaluate_model(
    model: PathLike,
    shards: Sequence[PathLike],
    experiment: Message,
    out_dir: PathLike,
    *,
    stage: str,
    threads: int = 2,
) -> dict[str, Any]:
    """Evaluate a model and log TAO's table, in the spec's ``average_precision_mode``.

    Args:
        model: ``.onnx``, which runs in ONNX Runtime, or ``.keras`` or ``.hdf5``.
        shards: record files.
        experiment: the spec of the training.
        out_dir: folder for metrics.json and what goes with it.
        stage: name of the stage in metrics.json.
        threads: of the network.

    Returns:
        The content of metrics.json.

    Raises:
        UserError: as ``predict_onnx``, ``predict_keras`` and ``evaluate`` raise.
    """
    if Path(model).suffix == ".onnx":
        from detectnet.deploy.predict import predict_onnx as predict
    else:
        from detectnet.network.predict import predict_keras as predict
    config = experiment.evaluation_config
    with predict(model, shards, experiment, threads=threads) as predictions:
        metrics = evaluate(
            predictions, predictions.contract, config, experiment.postprocessing_config, stage, out_dir
        )
    # Only a Keras model is evaluated together with the loss.
    cost = getattr(predictions, "cost", None)
    seconds = metrics["seconds_per_image"]
    log.info("%s", tao_table(metrics, config.average_precision_mode, cost=cost, seconds=seconds))
    return metrics
