"""Decoding, against boxes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from detectnet.contract import Contract
from detectnet.detection.decode import decode
from detectnet.errors import UserError

WIDE = Contract(1248, 384, ("car",), {"car": {"coverage_threshold": 0.5}})


def tensors(contract, cells):
    """cells: (class, row, column, coverage, four distances)."""
    count = len(contract.classes)
    cov = np.zeros((count, contract.grid_height, contract.grid_width), np.float32)
    bbox = np.zeros((4 * count, contract.grid_height, contract.grid_width), np.float32)
    for index, row, column, coverage, distances in cells:
        cov[index, row, column] = coverage
        bbox[4 * index : 4 * index + 4, row, column] = distances
    return cov, bbox


def test_one_cell_of_a_1248_wide_frame():
    found = decode(*tensors(WIDE, [(0, 5, 10, 0.9, (0.5, 0.4, 0.6, 0.7))]), WIDE)
    np.testing.assert_allclose(found.boxes, [[143.0, 66.5, 181.5, 105.0]], rtol=1e-6)
    np.testing.assert_allclose(found.coverage, [0.9], rtol=1e-6)


def test_coverage_equal_to_the_threshold_is_no_candidate():
    cells = [(0, 0, 0, 0.5, (0, 0, 1, 1)), (0, 0, 1, np.nextafter(np.float32(0.5), 1), (0, 0, 1, 1))]
    assert len(decode(*tensors(WIDE, cells), WIDE).boxes) == 1


def test_clipping_keeps_the_far_edge_behind_the_near_one():
    # Centre (0.5, 0.5); left edge -34.5, right edge 0.5 - 35 = -34.5, bottom beyond the frame.
    cells = [(0, 0, 0, 0.9, (1.0, 0.0, -1.0, 20.0))]
    cov, bbox = tensors(WIDE, cells)
    np.testing.assert_allclose(decode(cov, bbox, WIDE).boxes, [[0.0, 0.5, 0.0, 384.0]])
    np.testing.assert_allclose(decode(cov, bbox, WIDE, clip=False).boxes, [[-34.5, 0.5, -34.5, 700.5]])


def test_box_channels_are_class_major_and_thresholds_are_per_class():
    two = Contract(64, 32, ("a", "b"), {"a": {"coverage_threshold": 0.1}, "b": {"coverage_threshold": 0.5}})
    cells = [
        (0, 0, 1, 0.2, (0.1, 0.0, 0.1, 0.1)),
        (1, 1, 2, 0.4, (0.1, 0.1, 0.1, 0.1)),
        (1, 1, 3, 0.6, (0.2, 0.1, 0.0, 0.1)),
    ]
    found = decode(*tensors(two, cells), two)
    assert found.class_index.tolist() == [0, 1]
    np.testing.assert_allclose(found.of_class(0)[0], [[13.0, 0.5, 20.0, 4.0]], rtol=1e-6)
    np.testing.assert_allclose(found.of_class(1)[0], [[41.5, 13.0, 48.5, 20.0]], rtol=1e-6)


def test_order_of_cells_is_by_row_in_evaluation_and_by_column_in_inference():
    cells = [(0, 0, 3, 0.9, (0, 0, 1, 1)), (0, 2, 1, 0.8, (0, 0, 1, 1)), (0, 3, 1, 0.7, (0, 0, 1, 1))]
    cov, bbox = tensors(WIDE, cells)
    np.testing.assert_allclose(decode(cov, bbox, WIDE).coverage, [0.9, 0.8, 0.7], rtol=1e-6)
    np.testing.assert_allclose(decode(cov, bbox, WIDE, clip=False).coverage, [0.8, 0.7, 0.9], rtol=1e-6)


def test_boxes_that_are_not_finite_are_left_out():
    cells = [(0, 0, 0, 0.9, (0, 0, np.nan, 1)), (0, 1, 1, np.nan, (0, 0, 1, 1)), (0, 2, 2, 0.8, (0, 0, 1, 1))]
    np.testing.assert_allclose(decode(*tensors(WIDE, cells), WIDE).coverage, [0.8], rtol=1e-6)


def test_outputs_of_another_network_are_refused_with_the_shapes():
    cov, bbox = tensors(WIDE, [])
    with pytest.raises(UserError, match=r"output_bbox/BiasAdd.*\[8, 24, 78\].*\[4, 24, 78\]"):
        decode(cov, np.concatenate([bbox, bbox]), WIDE)
