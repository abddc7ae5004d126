"""The folder in which ``deepstream-app -c config_deepstream.txt`` runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectnet.contract import Contract
from detectnet.deploy.bundle import labels_text
from detectnet.deploy.deepstream.app import INFER_FILE, KITTI_FOLDER, RTSP_PORT, VIDEO, app_text
from detectnet.deploy.deepstream.groups import rendered
from detectnet.deploy.deepstream.nvinfer import batch_of, clustering_of, infer_text
from detectnet.deploy.deepstream.stream import StreamSettings
from detectnet.detection.collecting import HEADLINE_IOU
from detectnet.detection.goals import FIGURES, in_words
from detectnet.detection.settings import DeepStreamClustering
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, read_json, write_text
from detectnet.logs import log

APP_FILE = "config_deepstream.txt"


def write_folder(
    contract: Contract,
    onnx_path: PathLike,
    out_dir: PathLike,
    settings: StreamSettings | None = None,
    *,
    metrics: PathLike | None = None,
) -> None:
    """Write the files of both programs, labels.txt, README.md and a copy of the model.

    The folder ``kitti``, in which deepstream-app can write its detections, is made as well, empty.

    Args:
        contract: of the network.
        onnx_path: the network.
        out_dir: the folder.
        settings: what is played and shown.
        metrics: ``metrics.json`` of the evaluation that chose the thresholds; its figures are written beside
            them where they are of the contract's settings.

    Raises:
        UserError: DeepStream 6.0.1 cannot do what the contract or the settings say.
    """
    stream, out = settings or StreamSettings(), Path(out_dir)
    if batch_of(contract) > 1:
        raise UserError(
            f"the network takes {contract.batch} pictures at once, and one stream has one",
            where="contract.json batch",
            remedy="Export it with a batch of 1, or a dynamic one.",
        )
    figures = None if metrics is None else figures_of(contract, metrics)
    texts = {
        INFER_FILE: infer_text(contract, stream, figures=figures),
        APP_FILE: app_text(stream),
        "labels.txt": labels_text(contract),
        "README.md": _readme(contract, stream, figures),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    with atomic_path(out / "model.onnx") as temporary:
        shutil.copyfile(onnx_path, temporary)
    (out / KITTI_FOLDER).mkdir(exist_ok=True)
    log.info("wrote %s; on the device, run there: deepstream-app -c %s", out, APP_FILE)


def figures_of(contract: Contract, metrics_path: PathLike) -> str | None:
    """What the contract's settings for DeepStream are expected to give, in a sentence.

    Args:
        contract: of the network.
        metrics_path: ``metrics.json`` of the evaluation that chose them.

    Returns:
        None where it chose nothing, or other settings than the contract has.
    """
    summary = read_json(metrics_path).get("deepstream") or {}
    expected = summary.get("expected")
    if not expected or _plain(summary.get("classes") or {}) != _plain(contract.deepstream):
        if contract.deepstream:
            log.warning("%s: no figures of the contract's settings for DeepStream", metrics_path)
        return None
    numbers = ", ".join(
        f"{shown} {'unknown' if expected.get(name) is None else format(expected[name], '.3f')}"
        for name, shown in FIGURES.items()
    )
    return (
        f"Thresholds chosen for {in_words(summary['goal'])}; at IoU {HEADLINE_IOU:g} on validation pictures "
        f"that did not choose: {numbers}."
    )


def _plain(chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same settings, with every default filled in."""
    return {name: DeepStreamClustering.from_dict(one).to_dict() for name, one in chosen.items()}


def _readme(contract: Contract, stream: StreamSettings, figures: str | None) -> str:
    return rendered(
        "README.md.j2",
        contract=contract,
        stream=stream,
        mode=next(iter(clustering_of(contract).values())).cluster_mode,
        figures=figures,
        kitti=KITTI_FOLDER,
        video=VIDEO,
        port=RTSP_PORT,
    )
