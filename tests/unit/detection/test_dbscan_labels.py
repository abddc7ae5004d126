"""DBSCAN labels equal scikit-learn's on random frames."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from detectnet.data.boxes import iou
from detectnet.detection.cluster import ClusterSettings, cluster
from detectnet.detection.dbscan import dbscan_labels
from detectnet.detection.neighbours import overlapping_pairs


def frame(seed):
    """Boxes and coverages as a network makes them: noisy copies of some objects, and stray cells."""
    draw = np.random.default_rng(seed)
    boxes = [np.zeros((0, 4))]
    for _ in range(draw.integers(0, 6)):
        near = draw.uniform(0, 560, 2)
        box = np.concatenate([near, near + draw.uniform(8, 80, 2)])
        boxes.append(box + draw.normal(0, draw.choice([1, 4, 9]), (draw.integers(1, 12), 4)))
    near = draw.uniform(0, 600, (draw.integers(0, 12), 2))
    boxes.append(np.hstack([near, near + draw.uniform(0, 60, near.shape)]))
    boxes = np.clip(np.concatenate(boxes), 0, 640)
    boxes[:, 2:] = np.maximum(boxes[:, :2], boxes[:, 2:])
    # Round coverages make sums that meet the limit exactly.
    coverage = draw.uniform(0.01, 1, len(boxes))
    if draw.random() < 0.5:
        coverage = np.maximum(coverage.round(1), 0.1)
    order = draw.permutation(len(boxes))
    return (
        boxes[order],
        coverage[order],
        draw.choice([0.1, 0.2, 0.35, 0.6]),
        draw.choice([0.05, 0.5, 1.0, 2.0]),
    )


def matrix(boxes):
    """1 - intersection / (union + 1e-5) of all pairs, written out."""
    made = np.empty((len(boxes), len(boxes)))
    for i, a in enumerate(boxes):
        wide = np.maximum(np.minimum(a[2], boxes[:, 2]) - np.maximum(a[0], boxes[:, 0]), 0)
        high = np.maximum(np.minimum(a[3], boxes[:, 3]) - np.maximum(a[1], boxes[:, 1]), 0)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        made[i] = 1 - wide * high / (area[i] + area - wide * high + 1e-5)
    return made


def check(seeds):
    borders = 0
    for seed in seeds:
        boxes, coverage, eps, least = frame(seed)
        if not len(boxes):
            continue
        distance = matrix(boxes)
        reference = DBSCAN(eps=eps, min_samples=least, metric="precomputed")
        # scikit-learn takes fractional limits everywhere but in its check of parameters.
        expected = reference.set_params(min_samples=1).fit(distance, sample_weight=coverage / least)
        first, second, iou = overlapping_pairs(boxes, floor=1e-5)
        near = 1 - iou <= eps
        labels = dbscan_labels(first[near], second[near], coverage / least, 1.0)
        np.testing.assert_array_equal(labels, expected.labels_, err_msg=f"seed {seed}")
        borders += (labels >= 0).sum() - len(expected.core_sample_indices_)
    return borders


def test_two_thousand_frames_have_the_same_labels():
    assert check(range(2000)) > 500, "the frames hold border points"


@pytest.mark.slow
def test_ten_thousand_frames_have_the_same_labels():
    assert check(range(2000, 12000)) > 2500


def test_clusters_and_their_means_are_those_of_scikit_learn():
    for seed in range(200):
        boxes, coverage, eps, _ = frame(seed)
        if not len(boxes):
            continue
        labels = DBSCAN(eps=eps, min_samples=1, metric="precomputed").fit_predict(
            matrix(boxes), sample_weight=coverage
        )
        groups = [labels == k for k in range(labels.max(initial=-1) + 1)]
        means = [np.average(boxes[group], axis=0, weights=coverage[group]) for group in groups]
        tall = [k for k, box in enumerate(means) if box[3] - box[1] > 0]
        found = cluster(boxes, coverage, ClusterSettings(dbscan_eps=eps, dbscan_min_samples=1))
        expected = sorted((*means[k].round(6), coverage[groups[k]].sum()) for k in tall)
        got = sorted((*box.round(6), c) for c, box in zip(found.confidence, found.boxes, strict=True))
        np.testing.assert_allclose(np.array(got).reshape(-1, 5), np.array(expected).reshape(-1, 5))


def test_a_chain_in_any_order_is_one_cluster():
    draw = np.random.default_rng(1)
    for count in (2, 3, 50, 400):
        name = draw.permutation(count)
        first = np.concatenate([np.arange(count), name[:-1]])
        second = np.concatenate([np.arange(count), name[1:]])
        assert dbscan_labels(first, second, np.ones(count), 1.0).tolist() == [0] * count


def test_a_border_point_between_two_clusters_joins_the_one_whose_first_core_point_comes_first():
    # 1, 4, 5 and 3, 6, 7 are two clusters of core points; 2 is near 1 and 3, 0 is near 3 only.
    first = np.array([0, 1, 2, 3, 4, 5, 6, 7, 1, 1, 4, 3, 3, 6, 1, 2, 0])
    second = np.array([0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 5, 6, 7, 7, 2, 3, 3])
    weight = np.array([0.5, 1, 0.5, 1, 1, 1, 1, 1])
    assert dbscan_labels(first, second, weight, 3.0).tolist() == [1, 0, 0, 1, 0, 0, 1, 1]


def test_at_a_distance_of_one_all_boxes_are_neighbours():
    apart = np.array([[0, 0, 10, 10], [100, 100, 110, 110], [300, 0, 310, 10]], dtype=float)
    found = cluster(apart, np.full(3, 0.5), ClusterSettings(dbscan_eps=1.0))
    assert found.members.tolist() == [3]


@pytest.mark.parametrize("inclusive", [False, True])
def test_the_sweep_leaves_out_no_overlapping_pair_and_measures_the_others(inclusive):
    for seed in range(300):
        boxes = frame(seed)[0]
        first, second, value = overlapping_pairs(boxes, border=float(inclusive))
        pairs = list(zip(np.minimum(first, second).tolist(), np.maximum(first, second).tolist(), strict=True))
        assert len(pairs) == len(set(pairs))
        made = np.zeros((len(boxes), len(boxes)))
        made[first, second] = made[second, first] = value
        np.testing.assert_allclose(made, iou(boxes, boxes, inclusive), rtol=1e-12)
