"""Whether the exported network still says what the trained one says, on real validation pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from detectnet.contract import BBOX_SCALE, Contract
from detectnet.data.boxes import iou
from detectnet.data.pictures import load_bytes
from detectnet.data.tfrecord import Record, read_records
from detectnet.deploy.runtime import Network, fitted, to_input
from detectnet.detection.cluster import Detections, detect
from detectnet.errors import UserError
from detectnet.files import PathLike, write_json
from detectnet.logs import log, progress

TOLERANCE = {"cov": 1e-3, "bbox": 1e-2}
"""Largest allowed difference of an output: coverage, and boxes in units of 35 pixels (so 0.35 px)."""
_MATCH = 0.5


@dataclass(frozen=True)
class Difference:
    """How two networks differ on one picture.

    ``cov`` and ``bbox`` are largest absolute differences; of the boxes only where either network's coverage
    makes a candidate, since nothing reads the others. ``detections`` are the two counts; ``iou`` and
    ``confidence`` are the smallest IoU and the largest confidence difference of matched detections.
    """

    picture: str
    cov: float
    bbox: float
    detections: tuple[int, int]
    matched: int
    iou: float
    confidence: float


def write_parity(
    reference: Network,
    exported: Network,
    contract: Contract,
    shards: Sequence[PathLike],
    out_path: PathLike,
    *,
    exported_contract: Contract | None = None,
    pictures: int | None = None,
    tolerance: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Compare on the first pictures of record files and write the result as JSON.

    Args:
        reference: the network before.
        exported: the network after.
        contract: of the reference.
        shards: record files.
        out_path: written also when the comparison fails.
        exported_contract: how the exported network is fed, where that is not as the reference.
        pictures: how many; None takes all.
        tolerance: by output, ``TOLERANCE`` where missing.

    Raises:
        UserError: an output differs by more than its tolerance, or there is no picture; names the picture.
    """
    limits = {**TOLERANCE, **(tolerance or {})}
    records = progress(islice(read_records(shards), pictures), total=pictures, what="parity", unit="pictures")
    found = [compare(record, reference, exported, contract, exported_contract) for record in records]
    if not found:
        raise UserError("there is no picture to compare", where=", ".join(map(str, shards)))
    summary = _summary(found, limits)
    write_json(out_path, summary)
    for name, limit in limits.items():
        worst = summary["largest_difference"][name]
        if not worst["value"] <= limit:
            raise UserError(
                f"{name} differs by {worst['value']:.3g} on {worst['picture']}",
                where=out_path,
                allowed=f"up to {limit:g}",
                remedy="The export is not this network: report it with the spec and the .keras file.",
            )
    log.info("%s", _sentence(summary))
    return summary


def compare(
    record: Record,
    reference: Network,
    exported: Network,
    contract: Contract,
    exported_contract: Contract | None = None,
) -> Difference:
    """Both networks on one picture, each fed as its own contract says; both are read as the first one says.

    Without ``exported_contract`` both are fed alike.

    Raises:
        UserError: an output is not finite.
    """
    where = f"{record.source} {record.frame_id}"
    picture = load_bytes(record.encoded, where=where)
    inside, _ = fitted(picture, contract)
    (cov_a,), (bbox_a,) = reference(to_input(inside, contract)[None])
    (cov_b,), (bbox_b,) = exported(to_input(inside, exported_contract or contract)[None])
    for role, tensors in (("reference", (cov_a, bbox_a)), ("exported", (cov_b, bbox_b))):
        if not all(np.isfinite(one).all() for one in tensors):
            raise UserError(f"the {role} network's output is not finite on {where}")
    found_a, found_b = detect(cov_a, bbox_a, contract), detect(cov_b, bbox_b, contract)
    pairs = [pair for name in contract.classes for pair in _matched(found_a[name], found_b[name])]
    return Difference(
        picture=where,
        cov=float(np.abs(cov_a - cov_b).max()),
        bbox=_largest_where_read(bbox_a - bbox_b, np.maximum(cov_a, cov_b), contract),
        detections=(sum(map(len, found_a.values())), sum(map(len, found_b.values()))),
        matched=len(pairs),
        iou=min((overlap for overlap, _ in pairs), default=1.0),
        confidence=max((difference for _, difference in pairs), default=0.0),
    )


def _matched(a: Detections, b: Detections) -> list[tuple[float, float]]:
    """IoU and confidence difference of pairs of the same object, best overlap first, each box once."""
    overlaps = iou(a.boxes, b.boxes)
    pairs = []
    while overlaps.size and (best := float(overlaps.max())) >= _MATCH:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        pairs.append((best, abs(float(a.confidence[row] - b.confidence[column]))))
        overlaps[row], overlaps[:, column] = -1, -1
    return pairs


def _largest_where_read(difference: np.ndarray, cov: np.ndarray, contract: Contract) -> float:
    thresholds = [
        contract.clustering.get(name, {}).get("coverage_threshold", 0.0) for name in contract.classes
    ]
    read = np.repeat(cov > np.float32(thresholds)[:, None, None], 4, axis=0)
    return float(np.abs(difference[read]).max(initial=0.0))


def _summary(found: Sequence[Difference], limits: Mapping[str, float]) -> dict[str, Any]:
    counts = np.array([one.detections for one in found])
    return {
        "pictures": len(found),
        "tolerance": dict(limits),
        "largest_difference": {
            name: {"value": getattr(worst, name), "picture": worst.picture}
            for name in limits
            for worst in [max(found, key=lambda one: getattr(one, name))]
        },
        "detections": {"reference": int(counts[:, 0].sum()), "exported": int(counts[:, 1].sum())},
        "matched": sum(one.matched for one in found),
        "smallest_iou": min(one.iou for one in found),
        "largest_confidence_difference": max(one.confidence for one in found),
        "pictures_with_other_counts": sorted(one.picture for one in found if len(set(one.detections)) > 1),
    }


def _sentence(summary: Mapping[str, Any]) -> str:
    largest = summary["largest_difference"]
    return (
        f"parity on {summary['pictures']} pictures: coverage differs by up to {largest['cov']['value']:.2g}, "
        f"boxes by {largest['bbox']['value'] * BBOX_SCALE:.2g} px; {summary['matched']} of "
        f"{summary['detections']['reference']} detections match, IoU at least {summary['smallest_iou']:.4f}"
    )
