"""TAO's two average precisions: loops over scalars on random cases, and each of its traps by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectnet.detection.cluster import ClusterSettings, cluster
from detectnet.detection.detections import Detections
from detectnet.detection.metrics import FALSE, HIT, match_tao
from detectnet.detection.scoring import Picture, Rule, rows

EVERY_SIZE = (0.0, 9999.0, 0.0, 9999.0)


def found_of(boxes, confidence):
    confidence = np.array(confidence, dtype=float)
    return Detections(
        np.array(boxes, dtype=float).reshape(-1, 4), confidence, confidence, np.ones(len(confidence), int)
    )


def picture(stem, truth, found):
    """``truth``: class -> boxes, ``found``: class -> (boxes, confidences)."""
    return Picture(
        f"images/{stem}",
        "s",
        {name: np.array(boxes, dtype=float).reshape(-1, 4) for name, boxes in truth.items()},
        {"tlt": {name: found_of(*one) for name, one in found.items()}},
    )


def values(pictures, ious, limits=None, least=None):
    """Average precision by kind and class, with the mean of all classes under ``mAP``."""
    limits = limits or dict.fromkeys(ious, EVERY_SIZE)
    rule = Rule("tlt", ("tao-integrate", "tao-sample"), ious, limits=limits, least=least)
    made = rows(pictures, list(ious), rule, (32.0,))
    return {row["ap"]: {**row["AP"], "mAP": row["mAP"]} for row in made}


def of_plates(pictures, iou=0.5, **changes):
    made = values(pictures, {"plate": iou}, **changes)
    return made["tao-integrate"]["plate"], made["tao-sample"]["plate"]


def plain_iou(a, b):
    """Both ends of a box belong to it."""
    wide = min(a[2], b[2]) - max(a[0], b[0]) + 1
    high = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if wide <= 0 or high <= 0:
        return 0.0
    area = sum((one[2] - one[0] + 1) * (one[3] - one[1] + 1) for one in (a, b))
    return wide * high / (area - wide * high)


def plain_outcomes(pictures, name, iou, limits, least):
    """Hit or not of all detections of all pictures, the most confident first, and the ground truths."""

    def fits(box):
        wide, high = box[2] - box[0], box[3] - box[1]
        return limits[0] <= wide <= limits[1] and limits[2] <= high <= limits[3]

    truths, found = {}, []
    for index, one in enumerate(pictures):
        truths[index] = [[round(v) for v in box] for box in one.truth[name].tolist() if fits(box)]
        given_ = one.found["tlt"][name]
        for box, confidence in zip(given_.boxes.tolist(), given_.confidence.tolist(), strict=True):
            if fits(box) and confidence >= least:
                found.append((float(np.float32(confidence)), index, [round(v) for v in box]))
    taken, outcomes = set(), []
    for _, index, box in sorted(found, key=lambda one: -one[0]):
        best, which = -1.0, None
        for k, truth in enumerate(truths[index]):
            if plain_iou(box, truth) > best:
                best, which = plain_iou(box, truth), (index, k)
        outcomes.append(which is not None and best >= iou and which not in taken)
        taken |= {which} if outcomes[-1] else set()
    return outcomes, sum(map(len, truths.values()))


def plain_ap(outcomes, truths):
    """(INTEGRATE, SAMPLE), step by step."""
    if not truths or not outcomes:
        return 0.0, 0.0
    hits = list(itertools.accumulate(outcomes))
    precision = [hit / (k + 1) for k, hit in enumerate(hits)]
    recall = [hit / truths for hit in hits]
    sample = 0.0
    for point in np.linspace(0, 1, 11).tolist():
        sample += max((p for p, r in zip(precision, recall, strict=True) if r >= point), default=0.0) / 11
    levels = sorted(set(recall))
    best, area = 0.0, 0.0
    for low, high in reversed(list(itertools.pairwise(levels))):
        best = max(best, *(p for p, r in zip(precision, recall, strict=True) if r == low))
        area += best * (high - low)
    return area, sample


def random_pictures(seed, count):
    draw = np.random.default_rng(seed)
    made = []
    for index in range(count):
        truth, found = {}, {}
        for name in ("car", "plate"):
            near = draw.uniform(0, 100, (draw.integers(0, 5), 2)).repeat(draw.integers(1, 3), axis=0)
            boxes = np.hstack([near, near + draw.uniform(5, 50, near.shape)])
            boxes += draw.normal(0, 2, boxes.shape)
            copies = np.concatenate([boxes, boxes[::2], draw.uniform(0, 100, (draw.integers(0, 3), 4))])
            copies += draw.normal(0, draw.choice([0.3, 3]), copies.shape)
            copies[:, 2:] = np.maximum(copies[:, :2], copies[:, 2:])
            # Halves are rounded to even, and many confidences are equal.
            boxes, copies = np.round(boxes * 2) / 2, np.round(copies * 2) / 2
            truth[name] = boxes
            found[name] = (copies, draw.integers(1, 20, len(copies)) / 10)
        made.append(picture(index, truth, found))
    return made


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from([0.3, 0.5, 0.7]), st.booleans())
def test_both_kinds_equal_loops_over_scalars(seed, count, iou, cut):
    pictures = random_pictures(seed, count)
    ious = {"car": iou, "plate": 0.5}
    limits = {"car": (0, 9999, 0, 9999), "plate": (10, 40, 8, 30)}
    least = {"car": 0.0, "plate": 0.7 if cut else 0.0}
    made = values(pictures, ious, limits, least)
    expected = {
        name: plain_ap(*plain_outcomes(pictures, name, ious[name], limits[name], least[name]))
        for name in ious
    }
    for column, kind in enumerate(("tao-integrate", "tao-sample")):
        for name, one in expected.items():
            assert made[kind][name] == pytest.approx(one[column], abs=1e-12)
        mean = (expected["car"][column] + expected["plate"][column]) / 2
        assert made[kind]["mAP"] == pytest.approx(mean, abs=1e-12)


def line(count, size=20):
    return [(40.0 * k, 0.0, 40.0 * k + size, size) for k in range(count)]


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_perfect_detector_gets_one_object_less(count):
    boxes = line(count)
    perfect = [picture(0, {"plate": boxes}, {"plate": (boxes, np.linspace(0.9, 0.5, count))})]
    integrate, sample = of_plates(perfect)
    assert integrate == pytest.approx((count - 1) / count)
    assert sample == pytest.approx(1.0)


@pytest.mark.parametrize(("hits", "truths"), [(3, 10), (6, 10), (7, 10), (3, 5), (6, 20), (12, 20), (14, 20)])
def test_a_recall_of_three_six_or_seven_tenths_misses_its_own_point(hits, truths):
    boxes = line(truths)
    partly = [picture(0, {"plate": boxes}, {"plate": (boxes[:hits], np.linspace(0.9, 0.5, hits))})]
    tenths = 10 * hits // truths
    assert of_plates(partly)[1] == pytest.approx(tenths / 11), "not tenths + 1"


def test_the_size_filter_hits_detections_as_well_as_ground_truth():
    # The truth is 20 px wide and its detection 9: without the filter a hit at IoU 0.45 and above.
    pictures = [
        picture(0, {"plate": line(1)}, {"plate": ([(0, 0, 9, 20)], [0.9])}),
        picture(1, {"plate": line(2)}, {"plate": (line(2), [0.8, 0.7])}),
    ]
    assert of_plates(pictures, iou=0.4)[1] == pytest.approx(1.0)
    # Recall 2/3 reaches seven of the eleven points.
    limits = {"plate": (10, 9999, 0, 9999)}
    assert of_plates(pictures, iou=0.4, limits=limits)[1] == pytest.approx(7 / 11)
    narrow = {"plate": (0, 15, 0, 9999)}
    assert of_plates(pictures, iou=0.4, limits=narrow) == (0.0, 0.0), "no ground truth is left"


def test_the_size_filter_comes_before_rounding():
    # 19.6 is below 20, although it is rounded to 20.
    box = [(0.0, 0.0, 19.6, 30.0)]
    one = [picture(0, {"plate": box}, {"plate": (box, [0.9])})]
    assert of_plates(one, limits={"plate": (20, 9999, 0, 9999)})[1] == 0.0
    assert of_plates(one, limits={"plate": (19, 9999, 0, 9999)})[1] == 1.0


def test_the_second_detection_of_an_object_is_false_even_beside_a_free_one():
    truth, boxes = [(0, 0, 99, 99), (30, 0, 129, 99)], [(0, 0, 99, 99), (10, 0, 109, 99)]
    pictures = [picture(0, {"plate": truth}, {"plate": (boxes, [0.9, 0.8])})]
    # One hit of two, then a false one; recall 1/2 reaches six points.
    assert of_plates(pictures) == (0.0, pytest.approx(6 / 11))


def test_classes_without_ground_truth_pull_the_mean_down():
    boxes = line(2)
    pictures = [picture(0, {"plate": boxes, "car": []}, {"plate": (boxes, [0.9, 0.8]), "car": ([], [])})]
    made = values(pictures, {"plate": 0.5, "car": 0.5})
    assert made["tao-sample"] == {"plate": 1.0, "car": 0.0, "mAP": 0.5}
    assert made["tao-integrate"]["mAP"] == 0.25


def test_confidences_that_single_precision_cannot_tell_apart_keep_their_order():
    near = 0.5 + 1e-9
    assert np.float32(near) == np.float32(0.5)
    boxes = line(2)
    # The false one comes first and is a hair less confident.
    pictures = [picture(0, {"plate": boxes[:1]}, {"plate": ([boxes[1], boxes[0]], [0.5, near])})]
    assert of_plates(pictures)[1] == pytest.approx(0.5)
    made = match_tao(np.array(boxes[:1]), np.array([(0, 0, 20, 18), boxes[0]]), np.array([0.5, near]), 0.5)
    assert made.outcome.tolist() == [HIT, FALSE]


def test_tao_counts_what_dbscan_finds_from_the_threshold_of_nms_on():
    # Sums of 1.8, 1.2 and 0.6; TAO's evaluator cuts none of them at dbscan_confidence_threshold 1.5.
    swapped = ClusterSettings(dbscan_confidence_threshold=1.5)
    boxes = line(3)
    pictures = [picture(0, {"plate": boxes}, {"plate": (boxes, [1.8, 1.2, 0.6])})]
    least = {"plate": swapped.tao_least("tlt")}
    assert of_plates(pictures, least=least) == (pytest.approx(2 / 3), 1.0)
    meant = {"plate": swapped.dbscan_confidence_threshold}
    assert of_plates(pictures, least=meant) == (0.0, pytest.approx(4 / 11))


def test_a_lone_cell_is_noise_and_so_its_object_is_missed():
    settings_ = ClusterSettings(dbscan_eps=0.2, dbscan_min_samples=0.05)
    boxes = np.array([line(1)[0]] * 2)
    assert len(cluster(boxes[:1], np.array([0.99]), settings_)) == 0
    assert cluster(boxes, np.array([0.6, 0.6]), settings_).confidence.tolist() == [1.2], "a sum"


def test_mean_cov_of_a_single_cell_is_no_number_and_so_no_detection():
    settings_ = ClusterSettings(dbscan_eps=0.2, dbscan_min_coverage=0.05, confidence_model="mean_cov")
    boxes = np.array([line(1)[0]] * 2)
    for coverage in ([0.9], [0.9, 0.9]):
        assert len(cluster(boxes[: len(coverage)], np.array(coverage), settings_, "tlt-infer")) == 0
    (one,) = cluster(boxes, np.array([0.9, 0.5]), settings_, "tlt-infer").confidence
    assert one == pytest.approx(0.5)
