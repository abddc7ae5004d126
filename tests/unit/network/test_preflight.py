"""Known causes of a mAP of zero in labels, classes, folds and pictures, planted one at a time."""

import pytest
import record_files
from preflight_cases import LOW, PLATE, assert_finding, changed, find, picture, shard, two_classes

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.predict import index_of
from detectnet.network.preflight import preflight
from detectnet.network.training import train


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
    with pytest.raises(UserError, match=r"validation fold is empty.*\(fold in the config\)"):
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
