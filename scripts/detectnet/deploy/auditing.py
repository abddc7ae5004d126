"""A detector of any kind on the pictures of all folds, for the audit of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detectnet.data.corrections import DONTCARE
from detectnet.detection.audit import Key
from detectnet.detection.collecting import HEADLINE_CLUSTERING, collect
from detectnet.detection.scoring import Picture
from detectnet.files import PathLike
from detectnet.logs import progress

if TYPE_CHECKING:
    from detectnet.spec import Message


def look_at(
    model: PathLike, shards: Sequence[PathLike], experiment: Message, *, threads: int = 2
) -> tuple[list[Picture], dict[Key, np.ndarray]]:
    """Labels and detections of every picture, and its ignore regions.

    Args:
        model: ``.onnx``, which runs in ONNX Runtime, or ``.keras``.
        shards: record files of any fold.
        experiment: the spec of the training: sizes, class mapping, clustering.
        threads: of the network.

    Returns:
        the pictures as ``collect`` returns them; and by source and frame_id, where there are any, the boxes
        (N, 4) of objects of the class ``dontcare``, network-input pixels.

    Raises:
        UserError: as ``predict_onnx``, ``predict_keras`` and ``collect`` raise.
    """
    from detectnet.network.predict import index_of

    if Path(model).suffix == ".onnx":
        from detectnet.deploy.predict import predict_onnx as predict
    else:
        from detectnet.network.predict import predict_keras as predict
    with predict(model, shards, experiment, threads=threads) as predictions:
        seen = progress(predictions, what="looking at", unit="pictures")
        pictures = collect(seen, predictions.contract, [HEADLINE_CLUSTERING])
    ignored = {
        (frame.source, frame.frame_id): frame.other_boxes[[name == DONTCARE for name in frame.other_names]]
        for frame in index_of(experiment, shards, needed=False).frames
    }
    return pictures, {key: boxes for key, boxes in ignored.items() if len(boxes)}
