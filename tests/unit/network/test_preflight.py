"""Every known cause of a mAP of zero, planted one at a time, is found and counted before training."""

import itertools

import keras
import numpy as np
import pytest
import record_files
from keras import layers

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.inputs import InputSettings, fit_boxes
from detectnet.network.loss import LossSettings, weighted
from detectnet.network.predict import index_of
from detectnet.network.preflight import Finding, preflight, settle
from detectnet.network.preflight.graph import graph_findings
from detectnet.network.preflight.labels import Labels
from detectnet.network.training import train

PLATE = (10, 20, 58, 44)
NUMBERS = itertools.count()


def picture(size=96):
    """Bytes of a picture like no other."""
    made = np.zeros((size, size, 3), np.uint8)
    made[0, 0] = next(NUMBERS) % 251, next(NUMBERS) // 251, 7
    return record_files.encoded(made)


def shard(folder, pictures, *, fold=1, size=96, name="plate", data=None):
    """Records of pictures with these lists of boxes; a box may be followed by its class."""
    path = folder / record_files.SHARD.format(source="cars", fold=fold)
    with record_files.tf.io.TFRecordWriter(str(path)) as writer:
        for number, boxes in enumerate(pictures):
            names = [box[4] if len(box) > 4 else name for box in boxes]
            frame_id = f"images/{fold}_{number}"
            writer.write(record_files.example(frame_id, boxes, names, data or picture(size), size=size))
    return path


def changed(*pairs, **words):
    """The tiny spec with words of its text replaced."""
    text = record_files.experiment(**words).to_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return spec.parse(text, "experiment", "spec.cfg")


def two_classes(experiment):
    """The same spec with a second class 'van' that is like 'plate'."""
    text = experiment.to_text()
    made, lines = [], iter(text.splitlines())
    for line in lines:
        block = [line]
        if line.strip().split(" ")[0] in (
            "target_class_mapping",
            "target_class_config",
            "target_classes",
            "minimum_detection_ground_truth_overlap",
            "evaluation_box_config",
        ):
            indent = line[: len(line) - len(line.lstrip())]
            block += list(itertools.takewhile(lambda one, end=f"{indent}}}": one != end, lines))
            block.append(f"{indent}}}")
            block += [one.replace("plate", "van") for one in block]
        made += block
    return spec.parse("\n".join(made), "experiment", "spec.cfg")


def find(tmp_path, experiment, training=((PLATE,), (PLATE,), ()), validation=((PLATE,), ()), **how):
    """Findings by cause for these boxes."""
    records = index_of(experiment, [shard(tmp_path, training, **how)])
    held_out = (
        None
        if validation is None
        else index_of(experiment, [shard(tmp_path, validation, fold=0, **how)], needed=False)
    )
    found = preflight(experiment, records, held_out)
    assert [one.severity for one in found] == sorted(one.severity for one in found)  # errors first
    return {one.cause: one for one in found}


def assert_finding(found, cause, severity, *words):
    assert cause in found, f"found only {found}"
    assert found[cause].severity == severity
    for word in words:
        assert word in found[cause].sentence()


def test_nothing_is_said_of_a_good_training(tmp_path):
    assert find(tmp_path, record_files.experiment()) == {}


# --- class mapping ---------------------------------------------------------------------------------


def test_keys_that_match_nothing_are_an_error_that_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"'plates' is near 'plate'"):
        find(tmp_path, record_files.experiment(), name="plates")


def test_one_key_of_several_that_matches_nothing_is_named_with_the_nearest(tmp_path):
    experiment = changed(
        (
            "  target_class_mapping {",
            '  target_class_mapping { key: "platse" value: "plate" }\n  target_class_mapping {',
        )
    )
    found = find(tmp_path, experiment, training=[[PLATE, (60, 60, 90, 80, "plates")]])
    assert_finding(found, "mapping-key", "warning", "1 of 2 keys", "'platse'", "the records have 'plates'")
    assert_finding(found, "mapping-near-miss", "warning", "1 objects 'plates'", "near the key 'plat")


def test_upper_case_on_either_side_is_no_mistake(tmp_path):
    experiment = changed(mapping='target_class_mapping { key: "Plate" value: "plate" }')
    assert find(tmp_path, experiment, name="PLATE") == {}


def test_a_class_without_boxes_is_named(tmp_path):
    experiment = two_classes(record_files.experiment())
    found = find(tmp_path, experiment)
    assert_finding(found, "class-without-boxes", "warning", "'van'", "target_class_mapping")
    assert_finding(found, "mapping-key", "warning", "'van'")


def test_no_object_at_all_is_an_error(tmp_path):
    found = find(tmp_path, record_files.experiment(), training=[[], []])
    assert_finding(found, "class-without-boxes", "error", "training records hold 2 pictures with 0 objects")


@pytest.mark.parametrize("boxes", [[], [(*PLATE, "dontcare")]])
def test_a_validation_without_objects_stops_no_training(tmp_path, boxes):
    found = find(tmp_path, record_files.experiment(), validation=[boxes])
    assert set(found) == {"class-without-boxes"}
    assert_finding(
        found,
        "class-without-boxes",
        "warning",
        "validation records hold 1 pictures with 0 objects",
        "no mAP, and the last weights are kept",
    )


# --- size filters ----------------------------------------------------------------------------------

LOW = (10, 20, 58, 30)  # 48 x 10
EVERY_FILTER = [
    (("minimum_height: 4", "minimum_height: 11"), "size-filter", "evaluation_box_config[plate]"),
    (("maximum_width: 999", "maximum_width: 47"), "size-filter", "evaluation_box_config[plate]"),
    (
        ("minimum_bounding_box_height: 3", "minimum_bounding_box_height: 10"),
        "height-filter",
        "not higher than 10",
    ),
    (
        ("evaluation_config {", "evaluation_config { minimum_width_neutral: 49"),
        "neutral-width",
        "than 49 pixels",
    ),
    (("preprocessing {", "preprocessing { min_bbox_height: 11"), "box-small", "smaller than 1 x 11"),
    (("preprocessing {", "preprocessing { min_bbox_width: 49"), "box-small", "smaller than 49 x 1"),
]


@pytest.mark.parametrize(("change", "cause", "word"), EVERY_FILTER, ids=lambda one: str(one)[:40])
def test_boxes_that_a_size_filter_takes_are_counted_and_all_of_them_are_an_error(
    tmp_path, change, cause, word
):
    experiment = changed(change)
    found = find(tmp_path, experiment, [[LOW], [LOW]], [[LOW], [LOW], [LOW]])
    assert_finding(found, cause, "error", "3 of 3 boxes", word)
    tall = (10, 20, 56, 50) if "maximum_width" in str(change) else (2, 20, 60, 50)
    found = find(tmp_path, experiment, [[LOW], [tall]], [[LOW], [tall], [tall]])
    assert_finding(found, cause, "warning", "1 of 3 boxes", word)


def of_van(*pairs):
    """The tiny spec with two classes, changed for the second alone, the van."""
    text = two_classes(record_files.experiment()).to_text()
    for message, old, new in pairs:
        first = text.index(old, text.index(f"\n{message} {{"))
        at = text.index(old, first + 1)
        text = text[:at] + new + text[at + len(old) :]
    return spec.parse(text, "experiment", "spec.cfg")


THIN_VAN = [
    ("bbox_rasterizer_config", "cov_radius_x: 0.4", "cov_radius_x: 0.01"),
    ("bbox_rasterizer_config", "cov_radius_y: 0.4", "cov_radius_y: 0.01"),
    ("bbox_rasterizer_config", "bbox_min_radius: 1", "bbox_min_radius: 0.01"),
]
OF_ONE_CLASS = [
    ("size-filter", [("evaluation_config", "minimum_height: 4", "minimum_height: 90")]),
    (
        "height-filter",
        [("postprocessing_config", "minimum_bounding_box_height: 3", "minimum_bounding_box_height: 90")],
    ),
    ("no-cluster", [("postprocessing_config", "dbscan_eps: 0.3", "dbscan_eps: 0")]),
    ("coverage-threshold", [("postprocessing_config", "coverage_threshold: 0.05", "coverage_threshold: 1")]),
    ("dead-class", THIN_VAN),
]


@pytest.mark.parametrize(
    ("cause", "changes"), OF_ONE_CLASS, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_takes_all_boxes_of_one_class_is_an_error_only_if_no_other_class_is_left(
    tmp_path, cause, changes
):
    van = (16, 16, 48, 48, "van")
    found = find(tmp_path, of_van(*changes), [[PLATE, van]], [[PLATE, van]])
    assert_finding(found, cause, "warning", "1 of 1 boxes of 'van'")
    assert set(found) == {cause}
    found = find(tmp_path, of_van(*changes), [[van]], [[van]])
    assert_finding(found, cause, "error", "1 of 1 boxes of 'van'")  # 'plate' has no boxes at all


def test_an_objective_that_weighs_nothing_in_one_class_only_is_no_error(tmp_path):
    text = two_classes(record_files.experiment()).to_text().replace("enable_autoweighting: true", "")
    text = text.replace("initial_weight: 1\n", "initial_weight: 0\n", 1)
    boxes = [[PLATE, (5, 50, 50, 90, "van")]]
    found = find(tmp_path, spec.parse(text, "experiment"), boxes, boxes)
    assert_finding(found, "dead-objective", "warning", "'cov' of 'plate'")


# --- loss masks ------------------------------------------------------------------------------------


def masked(label_filter, more="", experiment=None):
    text = (experiment or record_files.experiment()).to_text()
    configs = f"objective_label_filter_configs {{ label_filter {{ {label_filter} }} }}"
    return spec.parse(f"{text}loss_mask_label_filter {{ {configs} {more} }}", "experiment", "spec.cfg")


WIDE = "bbox_dimensions_label_filter { min_width: 40 }"


def test_a_mask_over_every_object_of_a_class_is_an_error(tmp_path):
    found = find(tmp_path, masked(WIDE))
    assert set(found) == {"masked-class"}
    assert_finding(found, "masked-class", "error", "2 of 2 boxes of 'plate'", "never learned", "spec.cfg:")
    assert find(tmp_path, masked(WIDE), [[PLATE], [(10, 20, 40, 44)]]) == {}
    assert find(tmp_path, masked(WIDE, "mask_multiplier: 0.1")) == {}
    assert find(tmp_path, masked(WIDE, "preserve_ground_truth: true")) == {}
    found = find(tmp_path, masked('source_class_label_filter { source_class_names: "Plate" }'))
    assert_finding(found, "masked-class", "error", "2 of 2 boxes of 'plate'")


def test_a_mask_over_one_class_of_two_is_a_warning(tmp_path):
    boxes = [[PLATE, (5, 50, 35, 90, "van")]]
    experiment = masked(WIDE, experiment=two_classes(record_files.experiment()))
    found = find(tmp_path, experiment, boxes, boxes)
    assert set(found) == {"masked-class"}
    assert_finding(found, "masked-class", "warning", "1 of 1 boxes of 'plate'")


def test_names_of_a_filter_that_no_object_has_are_named_with_the_nearest(tmp_path):
    names = 'source_class_label_filter { source_class_names: "dontcaer" source_class_names: "tree" }'
    training = [[PLATE, (60, 60, 90, 80, "dontcare")], [(60, 60, 90, 80, "Tree")]]
    found = find(tmp_path, masked(names), training)
    assert set(found) == {"mask-name"}
    assert_finding(found, "mask-name", "warning", "'dontcaer'", "They have 'dontcare'", "spec.cfg:")


# --- training against validation -------------------------------------------------------------------


def test_an_empty_validation_is_said(tmp_path):
    found = find(tmp_path, record_files.experiment(), validation=None)
    assert_finding(found, "validation-empty", "warning", "no pictures to validate on")


def test_an_empty_validation_fold_stops_before_anything_is_read(tmp_path):
    empty = tmp_path / record_files.SHARD.format(source="cars", fold=0)
    empty.touch()
    with pytest.raises(UserError, match="validation fold is empty"):
        train(record_files.experiment(), [tmp_path / "not there"], [empty], tmp_path / "out")


def test_validation_on_training_pictures_is_counted(tmp_path):
    experiment = record_files.experiment()
    one, other = [shard(tmp_path, [[PLATE]] * count, fold=fold) for fold, count in ((1, 3), (0, 2))]
    training, validation = index_of(experiment, [one]), index_of(experiment, [one, other])
    found = {one.cause: one for one in preflight(experiment, training, validation)}
    assert_finding(found, "validation-overlap", "warning", "3 of 5")
    found = {one.cause: one for one in preflight(experiment, training, training)}
    assert_finding(found, "validation-is-training", "error", "all 3")


def test_the_same_bytes_under_another_name_are_the_same_picture(tmp_path):
    found = find(tmp_path, record_files.experiment(), data=picture())
    assert_finding(found, "validation-is-training", "error", "all 2")


def test_the_same_name_with_other_bytes_is_said(tmp_path):
    experiment = record_files.experiment()
    sets = [index_of(experiment, [shard(tmp_path, [[PLATE]])]) for _ in range(2)]
    found = {one.cause: one for one in preflight(experiment, *sets)}
    assert set(found) == {"validation-namesakes"}
    assert_finding(found, "validation-namesakes", "warning", "1 of 1")


def test_data_sets_that_all_count_from_zero_are_no_namesakes(tmp_path):
    experiment = record_files.experiment()
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    sets = [index_of(experiment, [shard(folder, [[PLATE]])]) for folder in folders]
    assert preflight(experiment, *sets) == []


# --- pictures --------------------------------------------------------------------------------------


def test_larger_pictures_are_cut_and_what_lies_outside_is_lost(tmp_path):
    boxes = [[PLATE, (100, 100, 140, 130)], []]
    found = find(tmp_path, record_files.experiment(), boxes, boxes, size=144)
    assert_finding(found, "picture-cut", "warning", "2 of 2 pictures", "1 of 2 boxes", "enable_auto_resize")
    resized = changed(("preprocessing {", "preprocessing { enable_auto_resize: true"))
    assert find(tmp_path, resized, boxes, boxes, size=144) == {}


def test_all_boxes_beyond_the_cut_are_an_error(tmp_path):
    found = find(tmp_path, record_files.experiment(), [[(100, 100, 140, 130)]], size=144)
    assert_finding(found, "class-without-boxes", "error", "with 1 objects", "'plate'")


def test_of_a_crop_that_the_spec_asks_for_only_lost_boxes_are_said(tmp_path):
    crop = "crop_left: 48 crop_top: 48 crop_right: 144 crop_bottom: 144"
    experiment = changed(("preprocessing {", f"preprocessing {{ {crop}"))
    inside = [[(60, 60, 100, 90)]]
    assert find(tmp_path, experiment, inside, inside, size=192) == {}
    found = find(tmp_path, experiment, [[*inside[0], (1, 1, 40, 40)]], inside, size=192)
    assert_finding(found, "picture-cut", "warning", "1 of 2 boxes lie outside the crop")
    assert "enable_auto_resize" not in found["picture-cut"].sentence()


def test_smaller_pictures_are_padded(tmp_path):
    found = find(tmp_path, record_files.experiment(), size=80)
    assert_finding(found, "picture-padded", "warning", "smaller than the network's 96 x 96")


def test_pictures_that_cannot_be_used_are_counted(tmp_path):
    found = find(tmp_path, record_files.experiment(), data=b"no picture")
    assert_finding(found, "picture-unusable", "error", "2 of 2", "cannot be decoded")


def test_an_input_that_is_no_multiple_of_the_stride_is_refused():
    with pytest.raises(UserError, match="16"):
        changed(("output_image_width: 96", "output_image_width: 100"))


# --- labels ----------------------------------------------------------------------------------------


def test_boxes_outside_and_boxes_that_stand_twice_are_counted(tmp_path):
    boxes = [[PLATE, PLATE, (-40, 1, -10, 20)], [PLATE]]
    found = find(tmp_path, record_files.experiment(), boxes)
    assert_finding(found, "box-outside", "warning", "1 of 4 boxes lie outside their pictures")
    assert_finding(found, "box-twice", "warning", "1 of 4 boxes")


# --- targets and clustering ------------------------------------------------------------------------

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


def test_a_class_of_weight_0_is_never_learned(tmp_path):
    text = two_classes(record_files.experiment()).to_text()
    experiment = spec.parse(text.replace("class_weight: 1\n", "class_weight: 0\n", 1), "experiment")
    loss = LossSettings.from_spec(experiment)
    assert (loss.classes, loss.class_weight) == (("plate", "van"), (0, 1))
    assert float(weighted(np.array([[5.0, 5.0], [1.0, 1.0]]), np.ones((2, 2)), loss)) == 2
    boxes = [[PLATE, (5, 50, 50, 90, "van")]]
    found = find(tmp_path, experiment, boxes, boxes)
    assert_finding(found, "dead-class", "warning", "'plate' has class_weight 0 of 1")


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
