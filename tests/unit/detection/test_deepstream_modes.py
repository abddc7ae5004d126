"""DeepStream's clustering: numbers worked out by hand, and every mode against a plain loop over scalars."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from five_boxes import FIVE, FIVE_COVERAGE
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.contract import Contract
from detectnet.detection.cluster import (
    DEEPSTREAM_MODES,
    ClusterSettings,
    DeepStreamSettings,
    cluster,
    detect_deepstream,
)
from detectnet.detection.decode import decode, decode_deepstream
from detectnet.errors import UserError

MEAN = (101, 100.143, 201.286, 179.857)


def of_five(mode, **values):
    return cluster(FIVE, FIVE_COVERAGE, DeepStreamSettings(**{"eps": 0.2, **values}), f"deepstream-{mode}")


def expect(found, boxes, confidence):
    np.testing.assert_allclose(found.boxes, np.array(boxes, dtype=float).reshape(-1, 4), atol=5e-4)
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-6)


@pytest.mark.parametrize(
    ("min_boxes", "boxes", "confidence"),
    [
        (1, [FIVE[3], MEAN, FIVE[4]], [0.95, 0.6, 0.4]),
        (2, [MEAN], [0.6]),
        # The seed's neighbours are not core: it stays alone, as it is.
        (3, [FIVE[0]], [0.6]),
        (4, [], []),
    ],
)
def test_dbscan_counts_boxes_and_reports_the_greatest_coverage(min_boxes, boxes, confidence):
    expect(of_five("dbscan", min_boxes=min_boxes), boxes, confidence)


def test_no_min_boxes_leaves_dbscan_out():
    expect(of_five("dbscan"), FIVE[[3, 0, 1, 4, 2]], [0.95, 0.6, 0.5, 0.4, 0.3])
    expect(of_five("hybrid", nms_iou_threshold=1.0), FIVE[[3, 0, 1, 4, 2]], [0.95, 0.6, 0.5, 0.4, 0.3])


def test_a_cluster_needs_its_smallest_sum():
    expect(of_five("dbscan", min_boxes=1, dbscan_min_score=0.95), [FIVE[3], MEAN], [0.95, 0.6])
    expect(of_five("dbscan", min_boxes=1, dbscan_min_score=1.41), [], [])


def test_the_last_threshold_is_inclusive_for_dbscan_and_exclusive_for_nms():
    expect(of_five("dbscan", min_boxes=1, post_cluster_threshold=0.6), [FIVE[3], MEAN], [0.95, 0.6])
    expect(of_five("nms", post_cluster_threshold=0.6), [FIVE[3]], [0.95])
    # Both are single precision: 0.9 of the network, which is 0.89999998, is not below 0.9.
    sure = np.array([float(np.float32(0.9))])
    at = DeepStreamSettings(post_cluster_threshold=0.9, min_boxes=1, pre_cluster_threshold=0.9)
    assert len(cluster(FIVE[:1], sure, at, "deepstream-dbscan")) == 1
    assert len(cluster(FIVE[:1], sure, at, "deepstream-nms")) == 0


@pytest.mark.parametrize("mode", DEEPSTREAM_MODES)
def test_a_coverage_at_the_first_threshold_is_a_candidate(mode):
    values = DeepStreamSettings(pre_cluster_threshold=0.25, eps=0.2, min_boxes=1)
    at = np.array([0.25, 0.24999])
    assert len(cluster(FIVE[[0, 3]], at, values, mode)) == 1
    off = dataclasses.replace(values, pre_cluster_threshold=1.1)
    assert len(cluster(FIVE[[0, 3]], np.array([1.0, 1.0]), off, mode)) == 0, "above 1 switches the class off"


def test_neighbours_are_nearer_than_eps_and_overlap_of_nms_may_reach_its_threshold():
    # Areas 100 and 50, one within the other: IoU 0.5 exactly.
    boxes, coverage = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 5]]), np.array([0.9, 0.8])
    at = DeepStreamSettings(eps=0.5, min_boxes=2, nms_iou_threshold=0.5)
    assert len(cluster(boxes, coverage, at, "deepstream-dbscan")) == 0
    assert len(cluster(boxes, coverage, at, "deepstream-nms")) == 2
    beyond = dataclasses.replace(at, eps=0.51, nms_iou_threshold=0.49)
    assert len(cluster(boxes, coverage, beyond, "deepstream-dbscan")) == 1
    assert len(cluster(boxes, coverage, beyond, "deepstream-nms")) == 1


def test_nms_adds_no_border_pixel():
    # IoU 0.2857; with a border pixel, as TLT has it, 0.3333.
    boxes, coverage = np.array([[0.0, 0, 9, 9], [5.0, 0, 14, 9]]), np.array([0.9, 0.8])
    assert len(cluster(boxes, coverage, DeepStreamSettings(), "deepstream-nms")) == 2
    assert len(cluster(boxes, coverage, ClusterSettings(), "nms")) == 1


def test_clusters_grow_by_one_hop_only():
    # A chain of boxes 100 wide, 10 px apart: IoU 0.818 with the next, 0.667 with the one after.
    boxes = np.array([[10.0 * k, 0, 10 * k + 100, 20] for k in range(4)])
    chain = DeepStreamSettings(eps=0.2, min_boxes=1)
    found = cluster(boxes, np.array([0.9, 0.8, 0.7, 0.6]), chain, "deepstream-dbscan")
    assert found.members.tolist() == [2, 2]
    tlt = ClusterSettings(dbscan_eps=0.2, dbscan_min_coverage=0.05)
    assert cluster(boxes, np.array([0.9, 0.8, 0.7, 0.6]), tlt).members.tolist() == [4]


def test_border_members_are_dropped():
    # With three boxes in a neighbourhood the ends of the chain are not core: TLT keeps them, DeepStream not.
    boxes = np.array([[10.0 * k, 0, 10 * k + 100, 20] for k in range(4)])
    coverage = np.array([0.9, 0.8, 0.7, 0.6])
    found = cluster(boxes, coverage, DeepStreamSettings(eps=0.2, min_boxes=3), "deepstream-dbscan")
    expect(found, [(10 * 0.7 / 1.5 + 10, 0, 10 * 0.7 / 1.5 + 110, 20)], [0.8])


def test_a_large_box_needs_members():
    # A square of 120 px and one member: 120 / 2 = 60 stays, any more is dropped; two members carry 180 px.
    one = DeepStreamSettings(eps=0.2, min_boxes=1)
    square = np.array([[0.0, 0, 120, 120]])
    assert len(cluster(square, np.array([0.9]), one, "deepstream-dbscan")) == 1
    assert len(cluster(square * (121 / 120), np.array([0.9]), one, "deepstream-dbscan")) == 0
    twice = np.array([[0.0, 0, 180, 180]] * 2)
    assert len(cluster(twice, np.array([0.9, 0.8]), one, "deepstream-dbscan")) == 1
    assert len(cluster(twice[:1], np.array([0.9]), one, "deepstream-hybrid")) == 1, "only DBSCAN drops it"


def test_hybrid_is_nms_of_what_dbscan_labels_and_not_no_clustering():
    # With two boxes the lone ones are noise; the other three lose to the first.
    expect(of_five("hybrid", min_boxes=2), [FIVE[0]], [0.6])
    expect(of_five("hybrid", min_boxes=2, nms_iou_threshold=0.9), FIVE[[0, 1, 2]], [0.6, 0.5, 0.3])
    expect(of_five("none", min_boxes=2), FIVE[[3, 0, 1, 4, 2]], [0.95, 0.6, 0.5, 0.4, 0.3])


@pytest.mark.parametrize("mode", ["dbscan", "nms", "hybrid", "none"])
def test_topk_takes_the_most_confident(mode):
    values = {"min_boxes": 1, "nms_iou_threshold": 0.9}
    every = of_five(mode, **values)
    for topk in (0, 1, 2):
        np.testing.assert_array_equal(of_five(mode, topk=topk, **values).boxes, every.boxes[:topk])


def test_group_rectangles_loses_the_confidence_and_ignores_topk():
    grouped = of_five("group", group_threshold=1, topk=0)
    # Means of three: 302/3, 302/3, widths 100 102 98, heights 80 84 72, to whole pixels.
    expect(grouped, [(101, 101, 201, 180)], [-0.1])
    assert grouped.members.tolist() == [3]
    apart = of_five("group")
    expect(apart, FIVE, [-0.1] * 5)


@pytest.mark.parametrize("mode", DEEPSTREAM_MODES)
def test_nothing_in_nothing_out(mode):
    values = DeepStreamSettings(eps=0.2, min_boxes=1, group_threshold=1)
    assert cluster(np.zeros((0, 4)), np.zeros(0), values, mode).boxes.shape == (0, 4)


def test_modes_take_their_own_settings_and_those_take_no_negative_count():
    with pytest.raises(
        UserError, match=r"'deepstream-nms' does not take ClusterSettings.*DeepStreamSettings"
    ):
        cluster(FIVE, FIVE_COVERAGE, ClusterSettings(), "deepstream-nms")
    with pytest.raises(UserError, match=r"'tlt' does not take DeepStreamSettings.*ClusterSettings"):
        cluster(FIVE, FIVE_COVERAGE, DeepStreamSettings(), "tlt")
    with pytest.raises(UserError, match="class-attrs: min_boxes is -1"):
        DeepStreamSettings(min_boxes=-1)


def scalar_iou(a, b):
    wide = np.float32(min(a[2], b[2])) - np.float32(max(a[0], b[0]))
    high = np.float32(min(a[3], b[3])) - np.float32(max(a[1], b[1]))
    if wide <= 0 or high <= 0:
        return np.float32(0)
    area = [(np.float32(x[2]) - np.float32(x[0])) * (np.float32(x[3]) - np.float32(x[1])) for x in (a, b)]
    return wide * high / (area[0] + area[1] - wide * high)


def scalar_clusters(boxes, values):
    """Lists of members: seeds in order, each with its direct core neighbours that nobody has."""
    near = [
        [j for j in range(len(boxes)) if j != i and 1 - scalar_iou(boxes[i], boxes[j]) < values.eps]
        for i in range(len(boxes))
    ]
    core = [len(near[i]) + 1 >= values.min_boxes for i in range(len(boxes))]
    taken, made = set(), []
    for i in range(len(boxes)):
        if core[i] and i not in taken:
            members = [i, *(j for j in near[i] if core[j] and j not in taken)]
            taken.update(members)
            made.append(members)
    return made


def scalar_nms(rows, values):
    kept = []
    for row in sorted(rows, key=lambda one: -one[4]):
        if all(scalar_iou(row, other) <= np.float32(values.nms_iou_threshold) for other in kept):
            kept.append(row)
    return [row for row in kept if row[4] > values.post_cluster_threshold]


def scalar_dbscan(rows, values):
    made = []
    for members in scalar_clusters(rows, values):
        total = sum(rows[k][4] for k in members)
        left, top, wide, high = (
            sum(rows[k][4] * edge(rows[k]) for k in members) / total
            for edge in (lambda r: r[0], lambda r: r[1], lambda r: r[2] - r[0], lambda r: r[3] - r[1])
        )
        too_large = math.sqrt(wide * high) / (len(members) + 1) > 60
        if total >= values.dbscan_min_score and not too_large:
            made.append((left, top, left + wide, top + high, max(rows[k][4] for k in members)))
    return [row for row in made if row[4] >= values.post_cluster_threshold]


def scalar(boxes, coverage, values, mode):
    """The modes written out, on rows x1 y1 x2 y2 confidence."""
    rows = [
        (*map(float, box), float(one))
        for box, one in zip(boxes, coverage, strict=True)
        if one >= values.pre_cluster_threshold
    ]
    if mode == "dbscan" and values.min_boxes:
        rows = scalar_dbscan(rows, values)
    elif mode == "dbscan":
        rows = [row for row in rows if row[4] >= values.post_cluster_threshold]
    elif mode == "hybrid" and values.min_boxes:
        rows = scalar_nms([rows[k] for k in sorted(itertools.chain(*scalar_clusters(rows, values)))], values)
    elif mode in ("hybrid", "nms"):
        rows = scalar_nms(rows, values)
    rows = sorted(rows, key=lambda one: -one[4])
    return rows if values.topk < 0 else rows[: values.topk]


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 40),
    mode=st.sampled_from(["dbscan", "nms", "hybrid", "none"]),
    eps=st.sampled_from([0.1, 0.3, 0.6, 1.0]),
    min_boxes=st.integers(0, 4),
    topk=st.sampled_from([-1, 0, 3, 20]),
    post=st.sampled_from([0.0, 0.3, 0.5]),
    score=st.sampled_from([0.0, 0.9, 2.0]),
)
def test_every_mode_equals_a_loop_over_scalars(seed, count, mode, eps, min_boxes, topk, post, score):
    draw = np.random.default_rng(seed)
    corner = np.repeat(draw.uniform(0, 400, (1 + count // 8, 2)), 8, axis=0)[:count]
    size = np.repeat(draw.uniform(20, 200, (1 + count // 8, 2)), 8, axis=0)[:count]
    boxes = np.hstack([corner, corner + size]) + draw.normal(0, draw.choice([2, 8]), (count, 4))
    boxes = np.float32(np.hstack([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2])]))
    # Multiples of 1/32 are exact in single precision: sums and thresholds may be met exactly.
    coverage = draw.integers(1, 33, count) / 32
    values = DeepStreamSettings(0.125, post, eps, 0, min_boxes, score, 0.5, topk)
    found = cluster(boxes, coverage, values, f"deepstream-{mode}")
    got = np.column_stack([found.boxes, found.confidence]).reshape(-1, 5)
    expected = np.array(scalar(boxes, coverage, values, mode)).reshape(-1, 5)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


CONTRACT = Contract(64, 32, ("plate", "car"))


def outputs(cells):
    """cov (2, 2, 4) and bbox (8, 2, 4) of cells (class, row, column, coverage, four distances in pixels)."""
    cov, bbox = np.zeros((2, 2, 4), np.float32), np.zeros((8, 2, 4), np.float32)
    for index, row, column, coverage, *distances in cells:
        cov[index, row, column] = coverage
        bbox[4 * index : 4 * index + 4, row, column] = np.array(distances) / 35
    return cov, bbox


def test_decoding_takes_the_threshold_itself_and_goes_by_class_row_and_column():
    cov, bbox = outputs(
        [
            (1, 0, 0, 0.5, 0, 0, 8, 8),
            (0, 1, 0, 0.3, 4, 2, 8, 8),
            (0, 0, 2, 0.3, 2, 0, 8, 8),
            (0, 0, 1, 0.29, 0, 0, 8, 8),
        ]
    )
    found = decode_deepstream(cov, bbox, CONTRACT, np.array([0.3, 0.5]))
    assert found.class_index.tolist() == [0, 0, 1]
    assert found.boxes.dtype == found.coverage.dtype == np.float64
    expected = [(30.5, 0.5, 40.5, 8.5), (0, 14.5, 8.5, 24.5), (0.5, 0.5, 8.5, 8.5)]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-4)
    # TLT's candidates are strictly above; 0.3 of the network is 0.30000001, so 0.5 shows it.
    contract = dataclasses.replace(CONTRACT, clustering={"plate": {"coverage_threshold": 0.5}})
    assert 1 not in decode(cov, bbox, dataclasses.replace(contract, classes=("car", "plate"))).class_index


def test_an_edge_at_the_border_goes_to_the_last_pixel_and_one_just_before_stays():
    cov, bbox = outputs(
        [
            (0, 0, 0, 0.9, 60, 60, 63.5, 31.5),  # -59.5, -59.5 .. 64, 32
            (0, 0, 1, 0.9, 0, 0, 47, 31),  # 16.5, 0.5 .. 63.5, 31.5
            (0, 0, 3, 0.9, -15.2, 0, 40, 8),  # 63.7 .. 88.5: the far edge ends before the near one
            (0, 1, 3, 0.9, 0, 0, -1, 8),  # 48.5 .. 47.5
            (0, 1, 0, 0.9, 0, 0, 0, 8),  # no width, and yet not the wrong way round
        ]
    )
    found = decode_deepstream(cov, bbox, CONTRACT, np.array([0.2, 0.2]))
    expected = [(0, 0, 63, 31), (16.5, 0.5, 63.5, 31.5), (0.5, 16.5, 0.5, 24.5)]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-4)


def test_within_the_frame_decoding_is_that_of_tlt_whatever_the_grid_is_scaled_by():
    draw = np.random.default_rng(0)
    contract = Contract(640, 640, ("plate",), {"plate": {"coverage_threshold": 0.5}})
    cov = draw.random((1, 40, 40)).astype(np.float32)
    bbox = draw.uniform(0, 0.2, (4, 40, 40)).astype(np.float32)
    ours, theirs = decode(cov, bbox, contract), decode_deepstream(cov, bbox, contract, np.array([0.5]))
    inside = (ours.boxes[:, 2:] < 640).all(axis=1)
    np.testing.assert_allclose(theirs.boxes[inside], ours.boxes[inside], atol=2e-4)
    # Scale and offset are built into nvinfer.
    other = dataclasses.replace(contract, bbox_scale=20.0, bbox_offset=0.0)
    again = decode_deepstream(cov, bbox, other, np.array([0.5]))
    np.testing.assert_array_equal(again.boxes, theirs.boxes)


def test_each_class_is_detected_with_its_own_settings():
    cov, bbox = outputs([(0, 0, 0, 0.5, 0, 0, 8, 8), (1, 1, 2, 0.5, 4, 4, 8, 8)])
    values = {"plate": DeepStreamSettings(), "car": DeepStreamSettings(pre_cluster_threshold=0.6)}
    found = detect_deepstream(cov, bbox, CONTRACT, values, "deepstream-nms")
    np.testing.assert_allclose(found["plate"].boxes, [(0.5, 0.5, 8.5, 8.5)], atol=1e-4)
    assert len(found["car"]) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", DEEPSTREAM_MODES)
def test_cells_without_any_coverage_and_boxes_without_area_do_no_harm(mode):
    boxes = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 10], [50.0, 50, 50, 50], [50.0, 50, 50, 50]])
    coverage = np.array([0.0, 0.0, 0.5, 0.5])
    values = DeepStreamSettings(pre_cluster_threshold=0.0, eps=0.2, min_boxes=1, group_threshold=1)
    found = cluster(boxes, coverage, values, mode)
    assert np.isfinite(found.boxes).all()
    assert len(found) == {"deepstream-group": 2, "deepstream-none": 4}.get(mode, 2)
