"""The rows ``correct`` equal pycocotools to 1e-6, with several classes, neutral plates and equal confidences.

``correct`` is the whole area under the monotone curve. pycocotools samples that curve at given recalls,
101 by default; with the recalls k / N of N objects its mean is the whole area, for recall rises in steps of
1 / N.
"""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectnet.detection.detections import Detections
from detectnet.detection.metrics import average_precision, pr_curve
from detectnet.detection.scoring import Picture, Rule, rows, score

CLASSES = ("bus", "car", "plate")
NEUTRAL_BELOW = 20.0


def boxes_of(draw):
    """Truths in a grid, a third of them narrower than 20 px; at most one detection near a narrow one."""
    truth, found = [], []
    for cell in draw.permutation(25)[: draw.integers(0, 8)]:
        corner = np.array([cell % 5, cell // 5]) * 100 + draw.uniform(0, 20, 2)
        wide = draw.uniform(8, 18) if draw.random() < 1 / 3 else draw.uniform(24, 60)
        box = np.concatenate([corner, corner + np.array([wide, draw.uniform(10, 40)])])
        truth.append(box)
        copies = draw.integers(0, 2) if wide < NEUTRAL_BELOW else draw.integers(0, 4)
        found += list(box + draw.normal(0, draw.choice([0.5, 2, 5]), (copies, 4)))
        if wide > 30 and draw.random() < 0.4:
            truth.append(box + draw.uniform(-4, 4, 4))
    for _ in range(draw.integers(0, 4)):
        corner = draw.uniform(0, 500, 2)
        found.append(np.concatenate([corner, corner + draw.uniform(5, 60, 2)]))
    order = draw.permutation(len(found))
    # Of two decimals: many are equal, in one picture and across pictures.
    confidence = draw.integers(1, 100, len(found)) / 100
    return np.array(truth).reshape(-1, 4), np.array(found).reshape(-1, 4)[order], confidence


def scenes(seed, count):
    draw = np.random.default_rng(seed)
    return [{name: boxes_of(draw) for name in CLASSES} for _ in range(count)]


def pictures_of(made):
    for index, scene in enumerate(made):
        found = {
            name: Detections(boxes, confidence, confidence, np.ones(len(boxes), int))
            for name, (_, boxes, confidence) in scene.items()
        }
        truth = {name: one[0] for name, one in scene.items()}
        yield Picture(f"images/{index}", "s", truth, {"tlt": found})


def coco_of(made, column):
    """pycocotools' data set of the truths (column 0) or the detections (1); narrow truths get the area 0."""
    entries = []
    for index, scene in enumerate(made, start=1):
        for number, name in enumerate(CLASSES, start=1):
            confidence = scene[name][2]
            for k, (x1, y1, x2, y2) in enumerate(scene[name][column].tolist()):
                counts = column == 1 or x2 - x1 >= NEUTRAL_BELOW
                entry = {"id": len(entries) + 1, "image_id": index, "category_id": number, "iscrowd": 0}
                entry |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": 1000.0 if counts else 0.0}
                entries.append(entry | ({"score": float(confidence[k])} if column else {}))
    coco = COCO()
    coco.dataset = {
        "images": [{"id": index + 1} for index in range(len(made))],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)],
        "annotations": entries,
    }
    coco.createIndex()
    return coco


def evaluated(made, iou, recalls=None):
    """pycocotools' precision (recalls, classes)."""
    evaluation = COCOeval(coco_of(made, 0), coco_of(made, 1), "bbox")
    evaluation.params.iouThrs = np.array([iou])
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[1, 1e6]], ["counted"]
    evaluation.params.maxDets = [1000]
    if recalls is not None:
        evaluation.params.recThrs = recalls
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][0, :, :, 0, 0]


@pytest.mark.parametrize("iou", [0.5, 0.75])
@pytest.mark.parametrize(("seed", "count"), [(0, 60), (1, 4), (2, 150)])
def test_the_area_is_that_of_pycocotools_at_every_recall_there_is(seed, count, iou):
    made = scenes(seed, count)
    rule = Rule("tlt", ("correct",), dict.fromkeys(CLASSES, iou), NEUTRAL_BELOW)
    pictures = list(pictures_of(made))
    (row,) = rows(pictures, CLASSES, rule, (32.0,))
    expected = []
    for number, name in enumerate(CLASSES):
        truths = sum(int((one[name][0][:, 2] - one[name][0][:, 0] >= NEUTRAL_BELOW).sum()) for one in made)
        precision = evaluated(made, iou, np.arange(1, truths + 1) / truths)[:, number]
        expected.append(precision.mean())
        assert row["AP"][name] == pytest.approx(expected[-1], abs=1e-6)
    assert row["mAP"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert 0.05 < row["mAP"] < 0.95


@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_the_curve_is_that_of_pycocotools_at_its_own_101_recalls(iou):
    made = scenes(3, 80)
    rule = Rule("tlt", ("correct",), dict.fromkeys(CLASSES, iou), NEUTRAL_BELOW)
    expected = evaluated(made, iou)
    for number, name in enumerate(CLASSES):
        scored = score(list(pictures_of(made)), name, rule)
        curve = pr_curve(scored.confidence, scored.hit, scored.total)
        envelope = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0.0)
        at = envelope[np.searchsorted(curve.recall, np.linspace(0, 1, 101))]
        np.testing.assert_allclose(at, expected[:, number], atol=1e-6)
        assert average_precision(curve) == pytest.approx(expected[:, number].mean(), abs=0.01)
