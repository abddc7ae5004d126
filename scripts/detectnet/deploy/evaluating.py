"""Evaluation of a model file of any kind on record shards, ending with the table that TAO prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectnet.contract import Contract
from detectnet.data.folds import read_split
from detectnet.data.nvinfer_scaling import Size
from detectnet.deploy.originals import Originals
from detectnet.detection.deepstream_truth import AUTO, DeepStream
from detectnet.detection.evaluation import evaluate
from detectnet.detection.goals import Goal
from detectnet.detection.operating import Key
from detectnet.detection.tao_table import tao_table
from detectnet.files import PathLike
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class DeepStreamRequest:
    """What of DeepStream is evaluated.

    Attributes:
        data: folder of the original pictures, ``{source}/manifest.csv``.
        goal: what thresholds are chosen for, where the model's contract has none.
        cluster_mode: ``auto``, or the number of the only mode that is tried.
        frame: size of nvstreammux that is looked at beside the pictures' own; None leaves that out.
    """

    data: PathLike
    goal: Goal = field(default_factory=Goal)
    cluster_mode: str = AUTO
    frame: Size | None = None


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
    deepstream: DeepStreamRequest | None = None,
) -> dict[str, Any]:
    """Evaluate a model and log TAO's table, in the spec's ``average_precision_mode``.

    Args:
        model: ``.onnx``, which runs in ONNX Runtime, ``.keras`` or ``.hdf5``, or the ``outputs.npz`` that an
            engine's run left, whose pictures alone are evaluated.
        shards: record files.
        experiment: the spec of the training.
        out_dir: folder for metrics.json and what goes with it.
        stage: name of the stage in metrics.json.
        threads: of the network.
        split: ``split.csv``, whose groups stay whole in the two halves of the cross-fitted figures; without
            it every picture is a group of its own.
        unseen: record files of the training fold of sources that are not trained on; false alarms are counted
            on their pictures without objects.
        deepstream: asks for the figures of DeepStream as well; the records must hold the pictures of its data
            at the network's size.

    Returns:
        The content of metrics.json.

    Raises:
        UserError: as ``read_split``, ``predict_onnx``, ``predict_keras``, ``predict_engine``, ``Originals``,
            ``evaluate`` raise.
    """
    predict = _predictor(model)
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
            deepstream=None
            if deepstream is None
            else _deepstream(model, predictions.contract, deepstream, threads),
        )
    # Only a Keras model is evaluated together with the loss.
    cost = getattr(predictions, "cost", None)
    seconds = metrics["seconds_per_image"]
    log.info("%s", tao_table(metrics, config.average_precision_mode, cost=cost, seconds=seconds))
    return metrics


def _predictor(model: PathLike) -> Callable[..., Any]:
    suffix = Path(model).suffix
    if suffix == ".onnx":
        from detectnet.deploy.predict import predict_onnx as predict
    elif suffix == ".npz":
        from detectnet.deploy.device_run import predict_engine as predict
    else:
        from detectnet.network.predict import predict_keras as predict
    return predict


def _deepstream(model: PathLike, contract: Contract, wanted: DeepStreamRequest, threads: int) -> DeepStream:
    if Path(model).suffix == ".onnx":
        from detectnet.deploy.runtime import OnnxNetwork

        network = OnnxNetwork(model, threads)
    else:
        from detectnet.deploy.keras_network import KerasNetwork

        network = KerasNetwork(model)
    camera = Originals(network, contract, wanted.data, wanted.frame)
    return DeepStream(camera, wanted.goal, wanted.cluster_mode)


def _groups(split: PathLike) -> dict[Key, str]:
    """Source and frame_id, the picture's name without its extension, -> group."""
    rows = read_split(split)
    frames = [Path(image).with_suffix("").as_posix() for image in rows["image"]]
    return dict(zip(zip(rows["source"], frames, strict=True), rows["group"], strict=True))
