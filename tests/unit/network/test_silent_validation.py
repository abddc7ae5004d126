"""A validation mAP of 0 is explained by the step of the way at which everything is lost."""

import dataclasses

import numpy as np
import pytest
import record_files

from detectnet.detection import collecting
from detectnet.detection.cluster import cluster
from detectnet.detection.collecting import PictureResult
from detectnet.network import validation
from detectnet.network.diagnosis import Progress, evidence_of, likely_causes
from detectnet.network.inputs import InputSettings
from detectnet.network.loss import LossSettings
from detectnet.network.model import build_model
from detectnet.network.predict import index_of
from detectnet.network.step import EvaluationStep
from detectnet.network.validation import Validator
from detectnet.spec import contract_of

LATE = Progress(epoch=50, epochs=80, soft_start=0.1)
PLATE = np.array([[16.0, 16.0, 48.0, 32.0]])  # holds cells (1, 1) and (1, 2), its centre lies in (1, 2)


def contract(**clustering):
    made = contract_of(record_files.experiment())
    given = {**made.clustering["plate"], "dbscan_min_coverage": None, **clustering}
    return dataclasses.replace(made, clustering={"plate": given})


def result(coverage, shift=0.0, background=0.001):
    """A network that sees ``coverage`` in both cells of the plate and predicts its box, moved right."""
    cov = np.full((1, 6, 6), background, np.float32)
    cov[0, 1, 1:3] = coverage
    bbox = np.zeros((4, 6, 6), np.float32)
    x1, y1, x2, y2 = PLATE[0] + [shift, 0, shift, 0]
    for column in (1, 2):
        x, y = 16 * column + 0.5, 16.5
        bbox[:, 1, column] = np.array([x - x1, y - y1, x2 - x, y2 - y]) / 35
    return PictureResult("images/a", "cars", PLATE, ["plate"], cov, bbox)


def test_the_evidence_of_a_hand_made_picture():
    found = evidence_of([result(0.8)] * 2, 0, contract())
    assert found.greatest == pytest.approx(0.8)
    assert found.on_objects == pytest.approx(0.8)
    assert found.elsewhere == pytest.approx((0.8 + 34 * 0.001) / 35)
    assert (found.candidates, found.clusters, found.detections) == (4, 2, 2)
    assert found.summed == pytest.approx(1.6)
    assert found.tallest == pytest.approx(16, abs=1e-3)
    assert found.best_iou == pytest.approx(1, abs=1e-3)


def test_coverage_below_the_threshold_everywhere():
    causes = likely_causes([result(0.04)], contract(), LATE)
    assert "coverage is nowhere above coverage_threshold 0.05, the greatest is 0.04" in causes[0]
    assert "The network tells objects apart" in causes[0]
    assert "does not tell objects from background" in likely_causes([result(0.001)], contract(), LATE)[0]


def test_clusters_that_never_form():
    causes = likely_causes([result(0.4)], contract(), LATE)
    assert "clusters never form: 2 cells" in causes[0]
    assert "sum to 0.8 at most, a core point needs 1" in causes[0]
    assert "dbscan_min_coverage" in causes[0]


def test_clusters_below_the_height_filter():
    causes = likely_causes([result(0.8)], contract(minimum_bounding_box_height=20), LATE)
    assert (
        "all 1 clusters are dropped: the tallest has 16.0 pixels, minimum_bounding_box_height is 20"
        in causes[0]
    )


def test_boxes_that_never_reach_the_overlap():
    causes = likely_causes([result(0.8, shift=16)], contract(), LATE)
    assert "boxes are off: the best of 1 detections has IoU 0.33" in causes[0]  # 16 of 48 pixels


def test_early_in_a_training_that_is_the_first_cause_and_warnings_come_last():
    early = Progress(epoch=8, epochs=80, soft_start=0.1)
    causes = likely_causes([result(0.01)], contract(), early, ["spec.cfg: odd. Mend."])
    assert causes[0].startswith("It is too early: epoch 8 of 80, the learning rate is still rising")
    assert "coverage is nowhere" in causes[1]
    assert causes[2] == "The preflight said: spec.cfg: odd. Mend."
    assert not Progress(epoch=9, epochs=80, soft_start=0.1).early
    assert "only begun" in likely_causes([result(0.01)], contract(), Progress(8, 80, 0.0))[0]


def test_every_class_of_several_is_explained():
    made = contract()
    clustering = dict.fromkeys(("van", "plate"), made.clustering["plate"])
    two = dataclasses.replace(made, classes=("van", "plate"), clustering=clustering)
    one = result(0.4)
    both = dataclasses.replace(
        one, cov=np.concatenate([0 * one.cov, one.cov]), bbox=np.concatenate([0 * one.bbox, one.bbox])
    )
    causes = likely_causes([both], two, LATE)
    assert causes == [causes[0], "'van': there is no ground truth in the sample of 1 pictures."]
    assert causes[0].startswith("'plate': clusters never form")
    van = dataclasses.replace(both, truth_classes=["van"])
    causes = likely_causes([both, van], two, LATE)
    assert causes[0].startswith("'van': coverage is nowhere")
    assert causes[1].startswith("'plate': clusters never form")


@pytest.fixture
def validator(tmp_path):
    experiment = record_files.experiment(epochs="4")
    records = index_of(experiment, [record_files.write_shard(tmp_path, 5, seed=3)])
    loss = LossSettings.from_spec(experiment)
    model = build_model(experiment.model_config, loss.classes, 96, 96, 3)
    # an untrained network says 0.5 everywhere; this one says 0.01
    model.get_layer("output_cov").bias.assign([-4.6])
    model.get_layer("output_cov").kernel.assign(0 * model.get_layer("output_cov").kernel)
    inputs = InputSettings.from_spec(experiment)
    return Validator(experiment, EvaluationStep(model, loss), records, inputs, 4, ["noted."])


def test_an_untrained_network_is_explained_at_the_first_validation_and_at_the_end(validator, caplog):
    weights = np.array([[0.5, 0.5]])
    said = []
    for epoch in (1, 2, 3, 4):
        caplog.clear()
        assert validator.run(weights, epoch).map == 0
        if epoch >= 3:  # the trainer asks when the training is at its end, as early as that may be
            validator.explain()
            validator.explain()
        said.append([one.getMessage() for one in caplog.records if "Likely causes" in one.getMessage()])
    assert [len(one) for one in said] == [1, 0, 1, 1]
    first, last = said[0][0], said[2][0]
    assert "coverage is nowhere above coverage_threshold 0.05, the greatest is 0.00995" in first
    assert "too early" not in first + last
    assert "The preflight said: noted." in first


def test_only_the_clustering_that_is_scored_is_made(validator, monkeypatch):
    made = set()
    monkeypatch.setattr(
        collecting,
        "cluster",
        lambda boxes, coverage, how, mode: made.add(mode) or cluster(boxes, coverage, how, mode),
    )
    validator.run(np.array([[0.5, 0.5]]), 1)
    assert made == {"tlt"}


def test_pictures_are_looked_at_until_every_class_has_ground_truth(validator, monkeypatch):
    """Of five pictures with the sample's size 1: the first, and the first with a van."""
    names = iter([["plate"], ["plate"], ["plate", "van"], ["van"], []])
    monkeypatch.setattr(validation, "SAMPLE", 1)
    monkeypatch.setattr(
        validation,
        "picture_result",
        lambda *_: dataclasses.replace(result(0.01), truth_classes=next(names)),
    )
    sample = []
    list(validator._results(np.zeros((1, 2)), sample))
    assert [one.truth_classes for one in sample] == [["plate"], ["plate", "van"]]
