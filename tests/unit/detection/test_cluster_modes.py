"""Clustering: the reference's vector, NMS against a plain loop, and each flavour's own rules by hand."""

from __future__ import annotations

import numpy as np
import pytest
from five_boxes import FIVE, FIVE_COVERAGE
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.contract import Contract
from detectnet.detection.cluster import ClusterSettings, cluster, detect
from detectnet.errors import UserError

EPS = ClusterSettings(dbscan_eps=0.2, dbscan_min_samples=1)


def changed(**values):
    return ClusterSettings(**{"dbscan_eps": 0.2, "dbscan_min_samples": 1, **values})


def test_three_boxes_become_one_and_a_lone_cell_below_one_is_noise():
    found = cluster(FIVE, FIVE_COVERAGE, EPS)
    np.testing.assert_allclose(found.boxes, [[101, 100.143, 201.286, 179.857]], atol=5e-4)
    np.testing.assert_allclose(found.confidence, [1.4])
    np.testing.assert_allclose(found.coverage, [0.4667], atol=5e-5)
    assert found.members.tolist() == [3]


@pytest.mark.parametrize("fraction", [0.05, 0.0, 1.0])
def test_min_samples_below_one_counts_as_one(fraction):
    assert len(cluster(FIVE, FIVE_COVERAGE, changed(dbscan_min_samples=fraction))) == 1


def test_min_coverage_replaces_min_samples_and_may_be_a_fraction():
    found = cluster(FIVE, FIVE_COVERAGE, changed(dbscan_min_coverage=0.05))
    np.testing.assert_allclose(found.confidence, [1.4, 0.95, 0.4])
    assert len(cluster(FIVE, FIVE_COVERAGE, changed(dbscan_min_coverage=0.5))) == 2


def test_the_dbscan_threshold_filters_dbscan_inclusively_and_the_nms_one_does_not():
    once = cluster(FIVE, FIVE_COVERAGE, changed(dbscan_min_coverage=0.05, dbscan_confidence_threshold=0.95))
    np.testing.assert_allclose(once.confidence, [1.4, 0.95])
    assert len(cluster(FIVE, FIVE_COVERAGE, changed(nms_confidence_threshold=1.0))) == 1


def test_boxes_of_exactly_the_minimum_height_are_dropped():
    flat = np.array([[0.0, 0.0, 100.0, 20.0], [0.0, 200.0, 100.0, 220.5]])
    found = cluster(flat, np.array([1.0, 1.0]), changed(minimum_bounding_box_height=20))
    np.testing.assert_allclose(found.boxes, [flat[1]])


def test_nms_keeps_each_box_with_its_own_score():
    boxes = np.array([[200, 0, 209, 9], [101, 0, 110, 9], [100, 0, 109, 9], [300, 0, 309, 9]], dtype=float)
    found = cluster(boxes, np.array([0.2, 0.5, 0.9, 0.7]), ClusterSettings(), "nms")
    np.testing.assert_allclose(found.confidence, [0.9, 0.7, 0.2])
    np.testing.assert_allclose(found.boxes, boxes[[2, 3, 0]])


def test_nms_counts_border_pixels():
    # Inclusive IoU 1/3, continuous 0.2857.
    boxes = np.array([[0, 0, 9, 9], [5, 0, 14, 9]], dtype=float)
    scores = np.array([0.9, 0.8])
    assert len(cluster(boxes, scores, ClusterSettings(nms_iou_threshold=0.33), "nms")) == 1
    assert len(cluster(boxes, scores, ClusterSettings(nms_iou_threshold=0.34), "nms")) == 2
    assert len(cluster(boxes, scores, ClusterSettings(), "nms")) == 1, "unset is 0.3"


def test_a_class_whose_algorithm_is_nms_gets_nms_in_mode_tlt():
    nms = changed(clustering_algorithm="NMS", nms_confidence_threshold=0.4, dbscan_confidence_threshold=9.0)
    np.testing.assert_allclose(cluster(FIVE, FIVE_COVERAGE, nms).confidence, [0.95, 0.6])


def test_inference_is_strict_where_evaluation_is_not():
    summed = float(np.sum(FIVE_COVERAGE[:3]))
    assert summed == pytest.approx(1.4)
    exact = changed(dbscan_confidence_threshold=summed)
    assert len(cluster(FIVE, FIVE_COVERAGE, exact)) == 1
    assert len(cluster(FIVE, FIVE_COVERAGE, exact, "tlt-infer")) == 0


def test_inference_adds_a_hundredth_to_the_union():
    # Two equal boxes of area 1: distance 1 - 1/1.01 = 0.0099 in inference, 1e-5 in evaluation.
    twins = np.array([[0.0, 0.0, 1.0, 1.0]] * 2)
    near = changed(dbscan_eps=0.005, dbscan_min_coverage=0.1)
    assert cluster(twins, np.array([0.5, 0.5]), near).members.tolist() == [2]
    assert len(cluster(twins, np.array([0.5, 0.5]), near, "tlt-infer")) == 0
    wider = changed(dbscan_eps=0.00991, dbscan_min_coverage=0.1)
    assert cluster(twins, np.array([0.5, 0.5]), wider, "tlt-infer").members.tolist() == [2]


def test_mean_cov_drops_single_members_and_keeps_the_relative_mean():
    settings_ = changed(confidence_model="mean_cov", dbscan_min_coverage=0.05)
    found = cluster(FIVE, FIVE_COVERAGE, settings_, "tlt-infer")
    # (1.4 / 3 - 0.3) / (0.6 - 0.3)
    np.testing.assert_allclose(found.confidence, [0.555556], atol=1e-6)


def test_hybrid_runs_nms_on_the_members_of_surviving_clusters():
    hybrid = changed(clustering_algorithm="HYBRID")
    found = cluster(FIVE, FIVE_COVERAGE, hybrid, "tlt-infer")
    np.testing.assert_allclose(found.boxes, FIVE[:1])
    np.testing.assert_allclose(found.confidence, [0.6])


def test_hybrid_in_evaluation_is_dbscan_and_then_nms_with_its_own_threshold():
    # The lone box of 0.95 is noise, box 1 and 2 are suppressed by box 0.
    hybrid = changed(clustering_algorithm="HYBRID")
    found = cluster(FIVE, FIVE_COVERAGE, hybrid)
    np.testing.assert_allclose(found.boxes, FIVE[:1])
    np.testing.assert_allclose(found.confidence, [0.6])
    cut = changed(clustering_algorithm="HYBRID", nms_confidence_threshold=0.6)
    assert len(cluster(FIVE, FIVE_COVERAGE, cut)) == 0, "NMS is strict"
    dropped = changed(clustering_algorithm="HYBRID", dbscan_confidence_threshold=1.5)
    assert len(cluster(FIVE, FIVE_COVERAGE, dropped)) == 0, "the cluster's sum is 1.4"


def test_criterion_mse_measures_coordinates_in_pixels():
    # Boxes 0 and 1 are sqrt(16 + 4 + 36 + 4) = 7.746 px apart.
    by_pixels = changed(dbscan_criterion="MSE", dbscan_eps=7.8, dbscan_min_coverage=0.05)
    assert cluster(FIVE[:2], FIVE_COVERAGE[:2], by_pixels, "tlt-infer").members.tolist() == [2]
    apart = changed(dbscan_criterion="MSE", dbscan_eps=7.7, dbscan_min_coverage=0.05)
    assert cluster(FIVE[:2], FIVE_COVERAGE[:2], apart, "tlt-infer").members.tolist() == [1, 1]


@pytest.mark.parametrize("mode", ["tlt", "tlt-infer", "nms"])
def test_nothing_in_nothing_out(mode):
    found = cluster(np.zeros((0, 4)), np.zeros(0), EPS, mode)
    assert found.boxes.shape == (0, 4)
    assert found.confidence.shape == (0,)


def greedy(boxes, scores, threshold):
    """NMS as everyone writes it: best first, one by one, inclusive pixels."""
    kept = []
    for one in np.argsort(-scores, kind="stable"):
        for other in kept:
            wide = min(boxes[one, 2], boxes[other, 2]) - max(boxes[one, 0], boxes[other, 0]) + 1
            high = min(boxes[one, 3], boxes[other, 3]) - max(boxes[one, 1], boxes[other, 1]) + 1
            inter = max(wide, 0) * max(high, 0)
            area = [np.prod(boxes[k, 2:] - boxes[k, :2] + 1) for k in (one, other)]
            if inter / (sum(area) - inter) > threshold:
                break
        else:
            kept.append(one)
    return kept


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([0.1, 0.3, 0.5, 0.8]))
def test_nms_equals_the_plain_loop(seed, count, threshold):
    draw = np.random.default_rng(seed)
    near = draw.uniform(0, 60, (count, 2))
    boxes = np.hstack([near, near + draw.uniform(1, 50, (count, 2))])
    scores = draw.uniform(0.01, 1, count)
    found = cluster(boxes, scores, ClusterSettings(nms_iou_threshold=threshold), "nms")
    np.testing.assert_array_equal(found.confidence, scores[greedy(boxes, scores, threshold)])


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["tlt", "tlt-infer", "nms"]))
def test_the_order_of_well_separated_candidates_does_not_matter(seed, mode):
    draw = np.random.default_rng(seed)
    centre = np.repeat(np.arange(5) * 200.0, 4)[:, None] + draw.uniform(-1, 1, (20, 2))
    boxes = np.hstack([centre - 30, centre + 30])
    coverage = draw.uniform(0.3, 1, 20)
    order = draw.permutation(20)
    one = cluster(boxes, coverage, EPS, mode)
    other = cluster(boxes[order], coverage[order], EPS, mode)
    assert len(one) == 5
    np.testing.assert_allclose(one.boxes, other.boxes)
    np.testing.assert_allclose(one.confidence, other.confidence)


def test_settings_from_names_and_numbers():
    assert ClusterSettings.from_dict({"clustering_algorithm": 1}).clustering_algorithm == "NMS"
    assert ClusterSettings.from_dict({"neighborhood_size": 3}) == ClusterSettings()
    with pytest.raises(UserError, match="Did you mean 'dbscan_eps'"):
        ClusterSettings.from_dict({"dbscan_epss": 0.2})
    with pytest.raises(UserError, match="DBSCAN, NMS, HYBRID"):
        ClusterSettings.from_dict({"clustering_algorithm": "KMEANS"})
    with pytest.raises(UserError, match="tlt, tlt-infer, nms, deepstream-group"):
        cluster(FIVE, FIVE_COVERAGE, EPS, "best")


def test_detect_clips_after_clustering_in_inference_only():
    contract = Contract(64, 64, ("plate",), {"plate": {"dbscan_eps": 0.5, "nms_iou_threshold": 0.5}})
    cov, bbox = np.zeros((1, 4, 4), np.float32), np.zeros((4, 4, 4), np.float32)
    cov[0, 0, :2] = 0.9
    bbox[:, 0, 0] = (1, 0, 1, 1)  # -34.5 .. 35.5
    bbox[:, 0, 1] = (0, 0, 1, 1)  # 16.5 .. 51.5
    # Cut first: IoU 19 / 51.5 -> two single cells below 1, noise; nothing is cut away later.
    assert len(detect(cov, bbox, contract)["plate"]) == 0
    bbox[:, 0, 1] = (1.4, 0, 0.5, 1)  # 16.5 - 49 .. 34
    (box,) = detect(cov, bbox, contract, "tlt-infer")["plate"].boxes
    np.testing.assert_allclose(box, [0.0, 0.5, (35.5 + 34.0) / 2, 35.5], rtol=1e-6)


def test_tao_evaluates_dbscan_from_the_nms_threshold_on_and_nms_above_that_of_dbscan():
    settings = ClusterSettings(dbscan_confidence_threshold=0.75, nms_confidence_threshold=0.25)
    assert settings.tao_least("tlt") == 0.25
    assert 0.75 < settings.tao_least("nms") < 0.75 + 1e-9
    only_nms = ClusterSettings(
        clustering_algorithm="NMS", dbscan_confidence_threshold=0.75, nms_confidence_threshold=0.25
    )
    assert only_nms.tao_least("tlt") == settings.tao_least("nms")


def test_uncut_settings_keep_what_both_thresholds_take_away():
    boxes, coverage = np.array([[0.0, 0, 20, 20], [100, 100, 120, 120]]), np.array([0.9, 0.2])
    settings = ClusterSettings(
        dbscan_eps=0.2,
        dbscan_min_coverage=0.05,
        dbscan_confidence_threshold=0.5,
        nms_confidence_threshold=0.5,
    )
    for mode in ("tlt", "nms"):
        assert len(cluster(boxes, coverage, settings, mode)) == 1
        assert cluster(boxes, coverage, settings.uncut(), mode).confidence.tolist() == [0.9, 0.2]
