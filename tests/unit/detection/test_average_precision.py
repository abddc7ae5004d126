"""Matching and average precision, against pycocotools and against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectnet.detection.cluster import Detections
from detectnet.detection.metrics import (
    FALSE,
    HIT,
    NEUTRAL,
    average_precision,
    best_f1,
    inside,
    match,
    match_tao,
    pr_curve,
)
from detectnet.detection.scoring import Picture, Rule, score


def curve_of(letters, truths):
    """A curve from its detections, best first: T is a hit, F is not."""
    hit = np.array([letter == "T" for letter in letters], dtype=bool)
    return pr_curve(np.linspace(1, 0.1, len(hit)), hit, truths)


@pytest.mark.parametrize(
    ("letters", "truths", "kind", "expected"),
    [
        ("TFT", 2, "tao-integrate", 0.5),
        ("TFT", 2, "tao-sample", 0.8484848),
        ("FTT", 2, "tao-integrate", 0.5),
        ("FTT", 2, "tao-sample", 0.6666667),
        ("TFT", 2, "correct", 0.5 + 0.5 * 2 / 3),
        ("FTT", 2, "correct", 2 / 3),
        ("T", 1, "tao-integrate", 0.0),
        ("TT", 2, "tao-integrate", 0.5),
        # A recall of 3/10 misses the point at 0.30000000000000004.
        ("TTT", 10, "tao-sample", 3 / 11),
        ("TTTT", 10, "tao-sample", 5 / 11),
        ("", 3, "correct", 0.0),
        ("", 3, "tao-integrate", 0.0),
        ("", 3, "tao-sample", 0.0),
        ("FF", 0, "tao-integrate", 0.0),
        ("FF", 0, "tao-sample", 0.0),
    ],
)
def test_average_precision_of_short_sequences(letters, truths, kind, expected):
    assert average_precision(curve_of(letters, truths), kind) == pytest.approx(expected, abs=1e-7)


def test_without_ground_truth_the_correct_one_is_not_a_number():
    assert math.isnan(average_precision(curve_of("FF", 0)))


@settings(max_examples=50)
@given(st.integers(1, 300))
def test_perfect_detections(count):
    curve = curve_of("T" * count, count)
    assert average_precision(curve) == pytest.approx(1.0)
    assert average_precision(curve, "tao-sample") == pytest.approx(1.0)
    assert average_precision(curve, "tao-integrate") == pytest.approx((count - 1) / count)


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 20))
def test_the_order_in_which_detections_are_given_does_not_matter(seed, count, missed):
    draw = np.random.default_rng(seed)
    confidence, hit = draw.permutation(count) / count, draw.random(count) < 0.6
    truths = int(hit.sum()) + missed + 1
    order = draw.permutation(count)
    for kind in ("correct", "tao-integrate", "tao-sample"):
        one = average_precision(pr_curve(confidence, hit, truths), kind)
        other = average_precision(pr_curve(confidence[order], hit[order], truths), kind)
        assert one == other
        assert 0 <= one <= 1
    assert best_f1(confidence, hit, truths) == best_f1(confidence[order], hit[order], truths)


def test_tao_counts_border_pixels_and_the_correct_rule_does_not():
    truth, box, sure = np.array([[0.0, 0, 9, 9]]), np.array([[5.0, 0, 14, 9]]), np.array([0.9])
    tao = match_tao(truth, box, sure, 1 / 3)
    assert (tao.outcome[0], tao.truth[0]) == (HIT, 0)
    assert tao.iou[0] == pytest.approx(1 / 3)
    plain = match(truth, np.array([False]), box, sure, 0.3)
    assert (plain.outcome[0], plain.truth[0]) == (FALSE, -1)
    assert plain.iou[0] == pytest.approx(0.2857, abs=5e-5)


def test_tao_rounds_halves_to_even():
    # 0.5 -> 0, 1.5 -> 2: the same box after rounding.
    made = match_tao(np.array([[0.5, 1.5, 9.5, 8.5]]), np.array([[0.0, 2, 10, 8]]), np.array([0.9]), 1.0)
    assert made.iou[0] == 1.0


def test_a_detection_whose_best_truth_is_taken_is_false_for_tao_and_takes_the_next_otherwise():
    truth = np.array([[0.0, 0, 100, 100], [30.0, 0, 130, 100]])
    boxes = np.array([[0.0, 0, 100, 100], [10.0, 0, 110, 100]])
    confidence = np.array([0.9, 0.8])
    assert match_tao(truth, boxes, confidence, 0.5).outcome.tolist() == [HIT, FALSE]
    correct = match(truth, np.zeros(2, bool), boxes, confidence, 0.5)
    assert correct.outcome.tolist() == [HIT, HIT]
    assert correct.truth.tolist() == [0, 1]


def test_the_most_confident_detection_chooses_first():
    truth = np.array([[0.0, 0, 100, 100]])
    boxes = np.array([[0.0, 0, 100, 100], [0.0, 0, 100, 90]])
    made = match(truth, np.zeros(1, bool), boxes, np.array([0.1, 0.2]), 0.5)
    assert made.outcome.tolist() == [FALSE, HIT]


def test_neutral_truth_takes_any_number_of_detections_but_never_from_a_real_one():
    truth = np.array([[0.0, 0, 100, 100], [20.0, 0, 120, 100], [300.0, 0, 310, 10]])
    neutral = np.array([False, True, True])
    # The first overlaps the neutral one more and is a hit all the same.
    boxes = np.array([[15.0, 0, 115, 100], [20.0, 0, 120, 100], [22.0, 0, 122, 100], [500.0, 0, 510, 10]])
    made = match(truth, neutral, boxes, np.array([0.9, 0.8, 0.7, 0.6]), 0.5)
    assert made.outcome.tolist() == [HIT, NEUTRAL, NEUTRAL, FALSE]
    assert made.truth.tolist() == [0, 1, 1, -1]


def test_the_size_filter_is_inclusive():
    boxes = np.array([[0.0, 0, 10, 20], [0, 0, 9.9, 20], [0, 0, 10, 19.9], [0, 0, 99, 20], [0, 0, 99.1, 20]])
    assert inside(boxes, (10, 99, 20, 9999)).tolist() == [True, False, False, True, False]


def test_best_f1_never_parts_equal_confidences():
    confidence, hit = np.array([0.9, 0.5, 0.5, 0.2]), np.array([True, True, False, False])
    point = best_f1(confidence, hit, 2)
    # At 0.9: P 1, R 1/2, F1 2/3. At 0.5: P 2/3, R 1, F1 4/5. At 0.2: P 1/2, R 1, F1 2/3.
    assert (point.threshold, point.recall) == (0.5, 1.0)
    assert point.precision == pytest.approx(2 / 3)
    assert point.f1 == pytest.approx(0.8)
    assert best_f1(confidence, hit, 0) is None
    assert best_f1(np.zeros(0), np.zeros(0, bool), 3) is None


def scene(seed):
    """Truths in a coarse grid, some crowded; detections near some of them, and stray ones."""
    draw = np.random.default_rng(seed)
    cells = draw.permutation(36)[: draw.integers(0, 10)]
    truth, neutral, boxes = [], [], []
    for cell in cells:
        near = np.array([cell % 6, cell // 6]) * 100 + draw.uniform(0, 20, 2)
        box = np.concatenate([near, near + draw.uniform(10, 50, 2)])
        truth.append(box)
        neutral.append(draw.random() < 0.25)
        copies = 1 if neutral[-1] else draw.integers(0, 4)
        boxes += list(box + draw.normal(0, draw.choice([0.5, 2, 4]), (copies, 4)))
        if not neutral[-1] and draw.random() < 0.4:
            truth.append(box + draw.uniform(-6, 6, 4))
            neutral.append(False)
    for _ in range(draw.integers(0, 4)):
        near = draw.uniform(0, 600, 2)
        boxes.append(np.concatenate([near, near + draw.uniform(5, 60, 2)]))
    boxes = np.array(boxes).reshape(-1, 4)
    order = draw.permutation(len(boxes))
    confidence = draw.random(len(boxes))
    return np.array(truth).reshape(-1, 4), np.array(neutral, dtype=bool), boxes[order], confidence


def coco_evaluation(scenes, minimum_iou, truth_size, box_size, sizes):
    """pycocotools on scenes; ``*_size`` give the number that is held against the range ``sizes``."""

    def annotations(kind):
        made = []
        for index, (truth, neutral, boxes, confidence) in enumerate(scenes, start=1):
            chosen = truth if kind == "truth" else boxes
            size = truth_size(truth, neutral) if kind == "truth" else box_size(boxes)
            for k, (x1, y1, x2, y2) in enumerate(chosen.tolist()):
                entry = {
                    "id": len(made) + 1,
                    "image_id": index,
                    "category_id": 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(size[k]),
                    "iscrowd": 0,
                }
                made.append(entry if kind == "truth" else entry | {"score": float(confidence[k])})
        return made

    def coco(kind):
        made = COCO()
        made.dataset = {
            "images": [{"id": index} for index in range(1, len(scenes) + 1)],
            "categories": [{"id": 1, "name": "plate"}],
            "annotations": annotations(kind),
        }
        made.createIndex()
        return made

    evaluation = COCOeval(coco("truth"), coco("found"), "bbox")
    evaluation.params.iouThrs = np.array([minimum_iou])
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(sizes)], ["all"]
    evaluation.params.maxDets = [1000]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def coco101(curve):
    """The mean of the monotone precision at 101 recalls, pycocotools' average precision."""
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    at = np.searchsorted(curve.recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean(np.append(envelope, 0.0)[np.minimum(at, len(envelope))]))


def as_pictures(scenes):
    for index, (truth, _, boxes, confidence) in enumerate(scenes):
        found = Detections(boxes, confidence, confidence, np.ones(len(boxes), dtype=int))
        yield Picture(f"images/{index}", "s", {"plate": truth}, {"tlt": {"plate": found}})


@pytest.mark.parametrize("minimum_iou", [0.5, 0.7])
def test_matches_and_average_precision_are_those_of_pycocotools(minimum_iou):
    scenes = [scene(seed) for seed in range(300)]
    evaluation = coco_evaluation(
        scenes,
        minimum_iou,
        lambda truth, neutral: np.where(neutral, 0, 1000),
        lambda boxes: np.full(len(boxes), 1000),
        (1, 1e6),
    )
    confidences, hits, truths = [], [], 0
    for entry, (truth, neutral, boxes, confidence) in zip(evaluation.evalImgs, scenes, strict=True):
        made = match(truth, neutral, boxes, confidence, minimum_iou)
        order = np.argsort(-confidence, kind="stable")
        if entry is not None:
            np.testing.assert_array_equal(made.outcome[order] != FALSE, entry["dtMatches"][0] > 0)
            np.testing.assert_array_equal(made.outcome[order] == NEUTRAL, entry["dtIgnore"][0])
        keep = made.outcome != NEUTRAL
        confidences.append(confidence[keep])
        hits.append(made.outcome[keep] == HIT)
        truths += int((~neutral).sum())
    curve = pr_curve(np.concatenate(confidences), np.concatenate(hits), truths)
    expected = evaluation.eval["precision"][0, :, 0, 0, 0].mean()
    assert 0.2 < expected < 0.95
    assert coco101(curve) == pytest.approx(expected, abs=1e-6)
    # The integral and its 101 samples differ by less than one sample.
    assert average_precision(curve) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("between", [(10.0, 24.0), (24.0, 40.0)])
def test_average_precision_within_a_width_bin_is_that_of_a_coco_area_range(between):
    scenes = []
    for seed in range(300):
        truth, _, boxes, confidence = scene(seed)
        # One detection at most on each truth, for pycocotools lets neutral truth take only one.
        apart = [
            k for k in range(len(truth)) if (np.abs(np.delete(truth, k, 0) - truth[k]).max(axis=1) > 30).all()
        ]
        truth = truth[apart]
        nearest = (
            np.abs(boxes[:, None] - truth[None]).max(axis=2, initial=0).argmin(axis=1) if len(truth) else []
        )
        single = [k for k in range(len(boxes)) if not len(truth) or list(nearest).index(nearest[k]) == k]
        scenes.append((truth, np.zeros(len(truth), bool), boxes[single], confidence[single]))
    width = lambda boxes, *_: boxes[:, 2] - boxes[:, 0]  # noqa: E731
    evaluation = coco_evaluation(scenes, 0.5, width, width, (between[0], between[1] - 1e-9))
    rule = Rule("tlt", ("correct",), {"plate": 0.5})
    made = score(list(as_pictures(scenes)), "plate", rule, between)
    expected = evaluation.eval["precision"][0, :, 0, 0, 0].mean()
    assert 0.2 < expected < 0.99
    assert coco101(pr_curve(made.confidence, made.hit, made.total)) == pytest.approx(expected, abs=1e-6)
