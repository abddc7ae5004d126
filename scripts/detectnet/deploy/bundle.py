"""What travels with an exported network: its contract, inside the file and beside it, and its labels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectnet.contract import Contract
from detectnet.detection.cluster import settings_of
from detectnet.detection.settings import DeepStreamClustering
from detectnet.errors import UserError
from detectnet.files import PathLike, read_json, sha256
from detectnet.logs import log

METADATA_KEY = "contract"
CONTRACT_FILE = "contract.json"


def labels_text(contract: Contract) -> str:
    """Class names, one a line, in the order of the coverage channels; what nvinfer reads."""
    return "".join(f"{name}\n" for name in contract.classes)


def contract_of_onnx(path: PathLike, metadata: Mapping[str, str]) -> Contract:
    """The contract of an ONNX file: the one inside it, else ``contract.json`` beside it.

    Args:
        path: of the ONNX file.
        metadata: its metadata properties.

    Raises:
        UserError: there is none, or the one beside the file belongs to another file.
    """
    if METADATA_KEY in metadata:
        return Contract.from_json(json.loads(metadata[METADATA_KEY]), where=path)
    beside = Path(path).with_name(CONTRACT_FILE)
    if not beside.is_file():
        raise UserError(
            "the ONNX file says nothing about its input and output",
            where=path,
            remedy=f"Use a model.onnx that export_onnx.py wrote, or put its {CONTRACT_FILE} beside it.",
        )
    return read_contract(beside, path)


def read_contract(contract_path: PathLike, onnx_path: PathLike) -> Contract:
    """The contract of ``contract.json``, after checking that it was written with this ONNX file.

    Raises:
        UserError: the file is missing, not a contract, or its sha256 is another model's.
    """
    contract = Contract.from_json(read_json(contract_path), where=contract_path)
    found = sha256(onnx_path)
    if contract.model_sha256 not in (None, found):
        raise UserError(
            f"the contract belongs to another model (sha256 {contract.model_sha256[:12]}, not {found[:12]})",
            where=contract_path,
            remedy=f"Use the {CONTRACT_FILE} that was written with {onnx_path}.",
        )
    return contract


def with_threshold(contract: Contract, threshold: float) -> Contract:
    """The contract with another smallest confidence, for every class.

    A low one also opens the gates before it: a cell needs no more coverage to be a candidate than the
    threshold, and a cluster no more in sum. So 0.01 reports nearly everything, for drawing a
    precision-recall curve; a high one only filters. The settings for DeepStream, where there are any, get the
    same threshold: before clustering in mode 4, which has none after it.

    Raises:
        UserError: the threshold is not above 0.
    """
    if not threshold > 0:
        raise UserError(f"the threshold is {threshold}", allowed="above 0")
    clustering = {
        name: {
            **contract.clustering.get(name, {}),
            "coverage_threshold": min(settings.coverage_threshold, threshold),
            "dbscan_min_coverage": min(settings.core_coverage, threshold),
            "dbscan_confidence_threshold": threshold,
            "nms_confidence_threshold": threshold,
        }
        for name, settings in settings_of(contract).items()
    }
    deepstream = {name: _above(one, threshold) for name, one in contract.deepstream.items()}
    return dataclasses.replace(contract, clustering=clustering, deepstream=deepstream)


def _above(chosen: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """DeepStream's settings of a class with another smallest confidence, which is a single coverage."""
    wanted = DeepStreamClustering.from_dict(chosen)
    if wanted.mode == "none":
        opened = {"pre_cluster_threshold": threshold}
    else:
        opened = {
            "pre_cluster_threshold": min(wanted.settings.pre_cluster_threshold, threshold),
            "dbscan_min_score": min(wanted.settings.dbscan_min_score, threshold),
            "post_cluster_threshold": threshold,
        }
    return {**wanted.to_dict(), **opened}


def with_best_threshold(contract: Contract, metrics_path: PathLike) -> Contract:
    """The contract with the threshold of the best F1 that an evaluation measured.

    The spec's own threshold is for scoring, so low that a precision-recall curve is whole; whoever runs
    the network without asking for another one should not see that many false boxes.

    Args:
        contract: of the spec.
        metrics_path: ``metrics.json`` of the same network. Without a measured threshold (nothing was
            found) the contract is returned as it is, with a warning.

    Raises:
        UserError: the file is missing or no ``metrics.json``.
    """
    metrics = read_json(metrics_path)
    try:
        # Of TLT's clustering, in which confidence is a sum; what is deployed with DeepStream has its own.
        named = next((name for name in ("headline", "deployed") if name in metrics), None)
        threshold = (metrics[named] if named else metrics["results"][0])["threshold"]
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(
            "the file says no threshold",
            where=metrics_path,
            remedy="Give the metrics.json that evaluate_detector.py wrote.",
        ) from error
    if threshold is None:
        log.warning("%s: no threshold was measured; the spec's own becomes the default", metrics_path)
        return contract
    log.info("the default threshold is %.4g, of the best F1 in %s", threshold, metrics_path)
    return with_threshold(contract, threshold)


def with_deepstream(contract: Contract, metrics_path: PathLike) -> Contract:
    """The contract with the settings for DeepStream that an evaluation chose.

    Args:
        contract: of the spec.
        metrics_path: ``metrics.json`` of the same network; where its key ``deepstream`` is absent, the
            contract is returned as it is.

    Raises:
        UserError: the file is missing, or holds other classes, an unknown mode or an unknown field.
    """
    chosen = (read_json(metrics_path).get("deepstream") or {}).get("classes")
    if not chosen:
        return contract
    if set(chosen) != set(contract.classes):
        raise UserError(
            f"the classes are {sorted(chosen)}",
            where=f"{metrics_path} deepstream.classes",
            allowed=sorted(contract.classes),
        )
    sealed = {name: DeepStreamClustering.from_dict(chosen[name]).to_dict() for name in contract.classes}
    log.info("the settings for DeepStream are those of %s", metrics_path)
    return dataclasses.replace(contract, deepstream=sealed)
