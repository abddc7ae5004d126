"""What an evaluation chose for DeepStream gets into the contract, and a threshold on top of it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from small_networks import contract

from detectnet.contract import Contract
from detectnet.deploy.bundle import with_best_threshold, with_deepstream, with_threshold
from detectnet.detection.cluster import detect_deepstream
from detectnet.detection.settings import DeepStreamSettings
from detectnet.errors import UserError

NMS = {"cluster_mode": 2, "pre_cluster_threshold": 0.35, "nms_iou_threshold": 0.25, "topk": 20}
DBSCAN = {
    "cluster_mode": 1,
    "pre_cluster_threshold": 0.1,
    "eps": 0.6,
    "min_boxes": 2,
    "dbscan_min_score": 0.7,
}


def metrics(folder, classes, **more):
    path = folder / "metrics.json"
    content = {"deployed": {"threshold": 0.5}, "results": [], **more}
    path.write_text(
        json.dumps(content if classes is None else {**content, "deepstream": {"classes": classes}})
    )
    return path


def test_the_choice_is_sealed_for_every_class_in_their_order(tmp_path):
    wanted = contract()
    sealed = with_deepstream(wanted, metrics(tmp_path, {"car": DBSCAN, "plate": NMS}))
    assert list(sealed.deepstream) == ["plate", "car"]
    assert NMS.items() <= sealed.deepstream["plate"].items()
    assert DBSCAN.items() <= sealed.deepstream["car"].items()
    # Nothing is left to a default of whoever reads it.
    fields = {one.name for one in dataclasses.fields(DeepStreamSettings)}
    assert all(set(one) == fields | {"cluster_mode"} for one in sealed.deepstream.values())
    assert dataclasses.replace(sealed, deepstream={}) == wanted
    assert Contract.from_json(json.loads(json.dumps(sealed.to_json()))) == sealed


def test_without_a_choice_nothing_is_sealed(tmp_path):
    wanted = contract()
    assert with_deepstream(wanted, metrics(tmp_path, None)) == wanted
    assert with_deepstream(wanted, metrics(tmp_path, None, deepstream=None)) == wanted


def test_the_threshold_of_tlt_s_clustering_leaves_the_choice_alone(tmp_path):
    # TLT's threshold is of sums of coverages, what is deployed in DeepStream of single ones.
    figures = {"headline": {"threshold": 0.5}, "deployed": {"threshold": 0.35}}
    path = metrics(tmp_path, {"plate": NMS, "car": NMS}, **figures)
    sealed = with_deepstream(with_best_threshold(contract(), path), path)
    assert sealed.clustering["plate"]["dbscan_confidence_threshold"] == 0.5
    assert sealed.deepstream["plate"]["pre_cluster_threshold"] == 0.35


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({"plate": NMS}, r"deepstream.classes: the classes are \['plate'\]. Allowed: car, plate"),
        ({"plate": NMS, "car": {**NMS, "topkk": 3}}, "unknown field 'topkk'.*Did you mean 'topk'"),
        ({"plate": NMS, "car": {**NMS, "cluster_mode": 7}}, "cluster_mode is 7"),
        ({"plate": NMS, "car": {"topk": 3}}, "cluster_mode is None"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(tmp_path, classes, said):
    with pytest.raises(UserError, match=said):
        with_deepstream(contract(), metrics(tmp_path, classes))


@pytest.mark.parametrize(
    ("mode", "name"),
    [(1, "deepstream-dbscan"), (2, "deepstream-nms"), (3, "deepstream-hybrid"), (4, "deepstream-none")],
)
@pytest.mark.parametrize("threshold", [0.05, 0.55])
def test_a_threshold_holds_for_deepstream_too(mode, name, threshold):
    wanted = contract(classes=("plate",))
    cov = np.zeros((1, wanted.grid_height, wanted.grid_width), np.float32)
    # Objects of one cell each, far apart, so that each is a detection with the coverage of its cell.
    cov[0, 1, [0, 2, 4]] = 0.1, 0.3, 0.8
    bbox = np.full((4, *cov.shape[1:]), 7 / 35, np.float32)
    chosen = {"cluster_mode": mode, "pre_cluster_threshold": 0.2, "eps": 0.5, "min_boxes": 1}
    chosen["dbscan_min_score"] = 0.4
    made = with_threshold(dataclasses.replace(wanted, deepstream={"plate": chosen}), threshold)
    settings = {field: value for field, value in made.deepstream["plate"].items() if field != "cluster_mode"}
    found = detect_deepstream(cov, bbox, made, {"plate": DeepStreamSettings(**settings)}, name)["plate"]
    expected = [one for one in (0.8, 0.3, 0.1) if one > threshold]
    np.testing.assert_allclose(found.confidence, expected, rtol=1e-6)
    assert made.deepstream["plate"]["cluster_mode"] == mode
