"""Boxes from the coverage and box tensors of the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectnet.contract import BBOX_OFFSET, BBOX_SCALE, Contract
from detectnet.errors import UserError


@dataclass(frozen=True)
class Candidates:
    """Cells whose coverage is above the threshold of their class, before clustering.

    Attributes:
        boxes: float64 (N, 4), x1 y1 x2 y2 in network-input pixels.
        coverage: float64 (N,), 0..1.
        class_index: int64 (N,), ascending; index into the contract's classes.
    """

    boxes: np.ndarray
    coverage: np.ndarray
    class_index: np.ndarray

    def of_class(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) and coverage (n,) of one class, in cell order."""
        start, stop = np.searchsorted(self.class_index, [index, index + 1])
        return self.boxes[start:stop], self.coverage[start:stop]


def decode(cov: np.ndarray, bbox: np.ndarray, contract: Contract, clip: bool = True) -> Candidates:
    """Decode one picture's outputs.

    The centre of column i is ``offset + i * width / w`` and that of row j ``offset + j * height / h``
    (half a pixel, not half a cell); channel 4*c + k of ``bbox`` holds the distance of class c to the
    left, top, right or bottom edge in units of ``contract.bbox_scale`` pixels. A cell is a candidate when
    its coverage is strictly above its class's ``coverage_threshold``.

    Args:
        cov: float (C, h, w), after the sigmoid.
        bbox: float (4C, h, w).
        contract: sizes, scale, offset, classes, and the coverage threshold in ``clustering``
            (0 for a class without one).
        clip: True is TLT's evaluation: boxes cut to the frame, cells row by row. False is TLT's
            stand-alone inference: boxes as predicted, cells column by column (the order decides ties only).

    Returns:
        The candidates; cells with a box that is not finite are left out.

    Raises:
        UserError: a tensor has not the shape of the contract.
    """
    _check_shapes(cov, bbox, contract)
    classes, rows, columns = np.nonzero(cov > _thresholds(contract)[:, None, None])
    if not clip:
        order = np.lexsort((rows, columns, classes))
        classes, rows, columns = classes[order], rows[order], columns[order]
    distance = bbox.reshape(len(cov), 4, *cov.shape[1:])[classes, :, rows, columns].astype(np.float64)
    boxes = _boxes(distance, rows, columns, contract)
    coverage = cov[classes, rows, columns].astype(np.float64)
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
        boxes, coverage, classes = boxes[finite], coverage[finite], classes[finite]
    return Candidates(clip_boxes(boxes, contract) if clip else boxes, coverage, classes)


def decode_deepstream(cov: np.ndarray, bbox: np.ndarray, contract: Contract, least: np.ndarray) -> Candidates:
    """Decode one picture's outputs as nvinfer's built-in parser does, in single precision.

    Columns and rows are a whole number of pixels apart, ``ceil(width / w)``; scale 35 and offset 0.5 are
    built in, whatever the contract says. An edge at or beyond the frame's size is put on its last pixel, one
    below 0 on 0; boxes whose edges are then the wrong way round are left out.

    Args:
        cov: float (C, h, w), after the sigmoid.
        bbox: float (4C, h, w).
        contract: sizes and classes.
        least: float (C,), ``pre-cluster-threshold`` of each class; a cell at or above it is a candidate.

    Returns:
        The candidates by class, row and column; cells with a box that is not finite are left out.

    Raises:
        UserError: a tensor has not the shape of the contract.
    """
    _check_shapes(cov, bbox, contract)
    classes, rows, columns = np.nonzero(cov >= least.astype(np.float32)[:, None, None])
    distance = bbox.reshape(len(cov), 4, *cov.shape[1:])[classes, :, rows, columns].astype(np.float32)
    size = np.array([contract.width, contract.height])
    steps = -(-size // [contract.grid_width, contract.grid_height])
    scale = np.float32(BBOX_SCALE)
    centre = (np.stack([columns, rows], axis=1) * steps + BBOX_OFFSET).astype(np.float32) / scale
    edges = np.hstack([centre - distance[:, :2], centre + distance[:, 2:]]) * scale
    last = np.tile(size, 2).astype(np.float32)
    boxes = np.where(edges >= last, last - 1, np.maximum(edges, 0)).astype(np.float64)
    fit = np.isfinite(edges).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)
    return Candidates(boxes[fit], cov[classes, rows, columns].astype(np.float64)[fit], classes[fit])


def clip_boxes(boxes: np.ndarray, contract: Contract) -> np.ndarray:
    """Cut boxes (N, 4) to the frame; the far edge is never before the near one."""
    limits = [contract.width, contract.height]
    near = np.clip(boxes[:, :2], 0, limits)
    return np.hstack([near, np.clip(boxes[:, 2:], near, limits)])


def _boxes(distance: np.ndarray, rows: np.ndarray, columns: np.ndarray, contract: Contract) -> np.ndarray:
    step_x, step_y = contract.width / contract.grid_width, contract.height / contract.grid_height
    centre = contract.bbox_offset + np.stack([columns * step_x, rows * step_y], axis=1)
    pixels = contract.bbox_scale * distance
    return np.hstack([centre - pixels[:, :2], centre + pixels[:, 2:]])


def _thresholds(contract: Contract) -> np.ndarray:
    """Coverage thresholds in channel order, float64."""
    return np.array(
        [contract.clustering.get(name, {}).get("coverage_threshold", 0.0) for name in contract.classes],
        dtype=np.float64,
    )


def _check_shapes(cov: np.ndarray, bbox: np.ndarray, contract: Contract) -> None:
    grid = (contract.grid_height, contract.grid_width)
    for name, tensor, channels in (
        (contract.cov_name, cov, len(contract.classes)),
        (contract.bbox_name, bbox, 4 * len(contract.classes)),
    ):
        if tensor.shape != (channels, *grid):
            raise UserError(
                f"a picture's output has the shape {list(tensor.shape)}",
                where=name,
                allowed=f"{[channels, *grid]}, channels, rows and columns of the contract",
                remedy="Use the contract.json that was written with this model.",
            )
