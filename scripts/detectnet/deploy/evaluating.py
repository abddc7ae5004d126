"""Evaluation of a model file of any kind on record shards, ending with the table that TAO prints."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectnet.data.folds import read_split
from detectnet.detection.evaluation import evaluate
from detectnet.detection.operating import Key
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
    split: PathLike | None = None,
    unseen: Sequence[PathLike] = (),
) -> dict[str, Any]:
    """Evaluate a model and log TAO's table, in the spec's ``average_precision_mode``.

    Args:
        model: ``.onnx``, which runs in ONNX Runtime, or ``.keras`` or ``.hdf5``.
        shards: record files.
        experiment: the spec of the training.
        out_dir: folder for metrics.json and what goes with it.
        stage: name of the stage in metrics.json.
        threads: of the network.
        split: ``split.csv``, whose groups stay whole in the two halves of the cross-fitted figures; without
            it every picture is a group of its own.
        unseen: record files of the training fold of sources that are not trained on; false alarms are counted
            on their pictures without objects.

    Returns:
        The content of metrics.json.

    Raises:
        UserError: as ``read_split``, ``predict_onnx``, ``predict_keras`` and ``evaluate`` raise.
    """
    if Path(model).suffix == ".onnx":
        from detectnet.deploy.predict import predict_onnx as predict
    else:
        from detectnet.network.predict import predict_keras as predict
    config, clustering = experiment.evaluation_config, experiment.postprocessing_config
    groups = None if split is None else _groups(split)
    with ExitStack() as stack:
        predictions = stack.enter_context(predict(model, shards, experiment, threads=threads))
        others = stack.enter_context(predict(model, unseen, experiment, threads=threads)) if unseen else ()
        metrics = evaluate(
            predictions,
            predictions.contract,
            config,
            clustering,
            stage,
            out_dir,
            unseen=others,
            groups=groups,
        )
    # Only a Keras model is evaluated together with the loss.
    cost = getattr(predictions, "cost", None)
    seconds = metrics["seconds_per_image"]
    log.info("%s", tao_table(metrics, config.average_precision_mode, cost=cost, seconds=seconds))
    return metrics


def _groups(split: PathLike) -> dict[Key, str]:
    """Source and frame_id, the picture's name without its extension, -> group."""
    rows = read_split(split)
    frames = [Path(image).with_suffix("").as_posix() for image in rows["image"]]
    return dict(zip(zip(rows["source"], frames, strict=True), rows["group"], strict=True))
