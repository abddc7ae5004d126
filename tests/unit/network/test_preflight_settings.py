"""Known causes of a mAP of zero in targets, clustering, numbers and loaded networks, planted singly."""

import keras
import numpy as np
import pytest
import record_files
from keras import layers
from preflight_cases import LOW, PLATE, assert_finding, changed, find, shard, two_classes

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.inputs import InputSettings, fit_boxes
from detectnet.network.predict import index_of
from detectnet.network.preflight import Finding, settle
from detectnet.network.preflight.graph import graph_findings
from detectnet.network.preflight.labels import Labels
from detectnet.network.training import train

TINY = ("bbox_min_radius: 1", "bbox_min_radius: 0.01")
THIN = [("cov_radius_x: 0.4", "cov_radius_x: 0.01"), ("cov_radius_y: 0.4", "cov_radius_y: 0.01")]


def test_a_class_whose_targets_are_empty_is_dead(tmp_path):
    # the ellipse shrinks to 0.1 cells around (32, 32): between the sample points, at 1/8 and 7/8 of a cell
    found = find(tmp_path, changed(TINY, *THIN), [[(16, 16, 48, 48)]], [[PLATE]])
    assert_finding(
        found, "dead-class", "error", "1 of 1 boxes of 'plate'", "cover no cell", "bbox_min_radius"
    )


def test_a_threshold_above_every_coverage_is_an_error(tmp_path):
    found = find(tmp_path, changed(("coverage_threshold: 0.05", "coverage_threshold: 1")))
    assert_finding(found, "coverage-threshold", "error", "2 of 2", "the greatest is 1")


def test_a_core_point_that_no_box_can_make_is_an_error(tmp_path):
    """By hand: a box of 16 x 8 pixels gets the semi-axes 0.6 and 0.3 cells, an area of 0.57 of the 1 needed.

    One of 96 x 48 pixels gets 1.2 and 0.6, an area of 2.3.
    """
    small, large = [[(40, 40, 56, 48)], [(20, 20, 36, 28)]], [[(0, 20, 96, 68)]]
    line = next(one for one in record_files.experiment().to_text().splitlines() if "min_coverage" in one)
    experiment = changed(("bbox_min_radius: 1", "bbox_min_radius: 0.3"), (f"{line}\n", ""))
    found = find(tmp_path, experiment, small, large)
    assert_finding(found, "no-cluster", "error", "2 of 2", "needs 1 of", "dbscan_min_samples", "sum is 0.5")
    found = find(tmp_path, experiment, [*small, *large], large)
    assert_finding(found, "no-cluster", "warning", "2 of 3", "sum is 2.")


def test_an_eps_of_zero_never_makes_a_cluster(tmp_path):
    found = find(tmp_path, changed(("dbscan_eps: 0.3", "dbscan_eps: 0")))
    assert_finding(found, "no-cluster", "error", "dbscan_eps 0,")


# --- numbers of the spec ---------------------------------------------------------------------------

COLD = ("soft_start: 0.1", "soft_start: 0")
SETTINGS = [
    ([("max_learning_rate: 0.002", "max_learning_rate: 0.5")], "learning-rate", "warning", "diverge"),
    (
        [("max_learning_rate: 0.002", "max_learning_rate: 0.01"), COLD],
        "learning-rate",
        "warning",
        "soft start",
    ),
    (
        [("max_learning_rate: 0.002", "max_learning_rate: 6e-06")],
        "learning-rate",
        "warning",
        "3 steps at max_learning_rate 6e-06 together move a weight by 1.8e-05 at most",
    ),
    ([("min_learning_rate: 5e-06", "min_learning_rate: 0.002")], "learning-rate", "warning", "never changes"),
    ([("use_batch_norm: true", "use_batch_norm: false")], "no-batch-norm", "warning", "use_batch_norm"),
    ([("scale: 35", "scale: 16")], "box-coding", "warning", "scale 16"),
    ([("offset: 0.5", "offset: 0")], "box-coding", "warning", "offset 0"),
    ([("foreground_weight: 0.05", "foreground_weight: 0.99999")], "dead-class", "warning", "background"),
    ([("foreground_weight: 0.05", "foreground_weight: 1e-05")], "dead-class", "warning", "objects count"),
    (
        [
            ("objective_weight: 0.9999", "objective_weight: 0"),
            ("objective_weight: 0.0001", "objective_weight: 0"),
        ],
        "dead-objective",
        "error",
        "between",
    ),
    ([("weight_target: 10", "weight_target: 0")], "dead-objective", "warning", "'bbox' of 'plate'"),
    (
        [("initial_weight: 1\n", "initial_weight: 0\n"), ("enable_autoweighting: true", "")],
        "dead-objective",
        "error",
        "'cov' of 'plate'",
    ),
    ([("zoom_max: 1.2", "zoom_max: 20")], "augmentation", "warning", "scaled by 20"),
    ([("zoom_min: 0.9", "zoom_min: 0.01")], "augmentation", "warning", "scaled by 0.01"),
    ([("zoom_min: 0.9", "zoom_min: 0.9 translate_max_x: 960")], "augmentation", "warning", "960 of 96"),
    ([("zoom_min: 0.9", "zoom_min: 0.9 rotate_rad_max: 25")], "augmentation", "warning", "0.436 is 25 deg"),
    ([("weight: 3e-09", "weight: 3")], "regularizer", "error", "outweighs the cost"),
    ([("weight: 3e-09", "weight: 0.1")], "regularizer", "warning", "outweighs the cost"),
    ([("    value: 0.5\n", "    value: 1\n")], "overlap", "warning", "an IoU of 1 on"),
]


@pytest.mark.parametrize(("changes", "cause", "severity", "word"), SETTINGS, ids=lambda one: str(one)[:40])
def test_numbers_with_which_nothing_is_learned(tmp_path, changes, cause, severity, word):
    found = find(tmp_path, changed(*changes))
    assert set(found) == {cause}
    assert_finding(found, cause, severity, word, "spec.cfg:")


@pytest.mark.parametrize("rate", ["0", "-1"])
def test_a_learning_rate_that_is_not_above_zero_is_refused(rate):
    with pytest.raises(UserError, match="max_learning_rate"):
        changed(("max_learning_rate: 0.002", f"max_learning_rate: {rate}"))


def test_a_class_weight_of_nearly_nothing(tmp_path):
    experiment = two_classes(record_files.experiment())
    text = experiment.to_text().replace("class_weight: 1", "class_weight: 1e-06", 1)
    found = find(tmp_path, spec.parse(text, "experiment"), [[PLATE, (5, 50, 50, 90, "van")]], [[PLATE]])
    assert_finding(found, "dead-class", "warning", "'plate' has class_weight 1e-06")


@pytest.mark.parametrize(
    "weight", ["class_weight: 0", "foreground_weight: 0", "foreground_weight: 1", "class_weight: -1"]
)
def test_weights_of_the_cost_that_tao_refuses(weight):
    name, _, _ = weight.partition(":")
    usual = {"class_weight": "class_weight: 1", "foreground_weight": "foreground_weight: 0.05"}[name]
    with pytest.raises(UserError, match=rf"{name}: .* is out of range. Allowed: a number in \(0, (inf|1)\)"):
        changed((f"{usual}\n", f"{weight}\n"))


# --- a loaded graph --------------------------------------------------------------------------------


def network(strides=(2, 2, 2, 2), size=96, classes=1, padding="valid"):
    tensor = inputs = keras.Input((size, size, 3))
    for stride in strides:
        if padding == "valid":
            tensor = layers.ZeroPadding2D(1)(tensor)
        tensor = layers.Conv2D(4, 3, strides=stride, padding=padding)(tensor)
    return keras.Model(inputs, [layers.Conv2D(4 * classes, 1)(tensor), layers.Conv2D(classes, 1)(tensor)])


@pytest.mark.parametrize(
    ("how", "cause", "severity", "word"),
    [
        ({"strides": (2, 2, 2)}, "graph-stride", "error", "(12, 12)"),
        ({"size": 112}, "graph-shape", "error", "(112, 112, 3)"),
        ({"classes": 2}, "graph-shape", "error", "2 classes"),
        ({"padding": "same"}, "graph-padding", "warning", "4 layers"),
    ],
)
def test_a_loaded_network_that_does_not_go_with_the_spec(how, cause, severity, word):
    found = {
        one.cause: one for one in graph_findings(record_files.experiment(), network(**how), "model.keras")
    }
    assert set(found) == {cause}
    assert_finding(found, cause, severity, word, "model.keras")


def test_a_loaded_network_that_fits_is_left_alone():
    assert not list(graph_findings(record_files.experiment(), network(), "model.keras"))


# --- what becomes of findings ----------------------------------------------------------------------


def test_all_errors_come_in_one_list_and_warnings_are_said(caplog):
    made = [
        Finding(kind, f"cause-{kind}-{n}", f"{n} boxes", "here", "Do.")
        for kind in ("error", "warning")
        for n in (1, 2)
    ]
    with pytest.raises(UserError) as caught:
        settle(made)
    assert "cause-error-1" in str(caught.value)
    assert "cause-error-2" in str(caught.value)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert settle(made[2:]) == made[2:]


def test_a_training_that_would_come_to_nothing_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr("detectnet.network.training.Trainer", lambda *_: pytest.fail("training began"))
    training, validation = shard(tmp_path, [[LOW]]), shard(tmp_path, [[LOW]], fold=0)
    experiment = changed(("minimum_bounding_box_height: 3", "minimum_bounding_box_height: 10"), COLD)
    with pytest.raises(UserError, match=r"height-filter"):
        train(experiment, [training], [validation], tmp_path / "out")
    assert not list((tmp_path / "out").glob("checkpoints/**/*.npz"))


PREPARED = [
    "",
    "enable_auto_resize: true",
    "scale_width: 0.5 scale_height: 0.75",
    "crop_left: 8 crop_right: 104 crop_bottom: 96",
]


@pytest.mark.parametrize("words", PREPARED)
def test_labels_lie_where_the_input_pipeline_puts_them(tmp_path, words):
    experiment = changed(("preprocessing {", f"preprocessing {{ {words}"))
    records = index_of(experiment, [shard(tmp_path, [[(20, 40, 100, 80), PLATE], [], [PLATE]], size=192)])
    inputs = InputSettings.from_spec(experiment)
    labels = Labels.of(records, inputs)
    expected = np.concatenate([fit_boxes(frame, inputs) for frame in records.frames])
    assert np.allclose(labels.boxes, expected, atol=1e-4)
    assert labels.frame.tolist() == [0, 0, 2]
