"""Every planted mistake is found on its line, with the allowed values and the nearest name."""

from __future__ import annotations

import pytest

from detectnet.spec import SpecError, parse


def problems(text: str, kind: str = "experiment") -> list:
    with pytest.raises(SpecError) as caught:
        parse(text, kind, "spec.cfg")
    return list(caught.value.problems)


def only(text: str, kind: str = "experiment"):
    found = problems(text, kind)
    assert len(found) == 1, [one.sentence("spec.cfg") for one in found]
    return found[0]


# What is replaced, by what, the path that the problem names, words that its sentence must hold.
PLANTED = [
    pytest.param(
        "num_epochs: 120", "num_epoch: 120", "training_config.num_epoch", ["num_epochs"], id="misspelt"
    ),
    pytest.param("dbscan_eps: 0.15", "dbscan_esp: 0.15", "dbscan_esp", ["'dbscan_eps'"], id="misspelt-deep"),
    pytest.param(
        "training_config {", "trainning_config {", "trainning_config", ["'training_config'"], id="root"
    ),
    pytest.param(
        "use_batch_norm: True",
        "num_epochs: 80",
        "model_config.num_epochs",
        ["belongs in training_config"],
        id="misplaced",
    ),
    pytest.param(
        "random_seed: 42",
        "hflip_probability: 0.5",
        "hflip_probability",
        ["at the top level", "belongs in augmentation_config.spatial_augmentation"],
        id="misplaced-at-top",
    ),
    pytest.param(
        "num_epochs: 120",
        'num_epochs: "120"',
        "training_config.num_epochs",
        ["120 without quotes"],
        id="quoted-number",
    ),
    pytest.param(
        "num_epochs: 120",
        "num_epochs: 12.5",
        "training_config.num_epochs",
        ["12.5", "whole number"],
        id="fraction",
    ),
    pytest.param(
        "num_epochs: 120", "num_epochs: -1", "training_config.num_epochs", ["-1"], id="negative-unsigned"
    ),
    pytest.param(
        'arch: "resnet"', "arch: resnet", "model_config.arch", ['"resnet" in quotes'], id="unquoted-text"
    ),
    pytest.param('arch: "resnet"', 'arch: "resnett"', "model_config.arch", ["'resnet'"], id="unknown-word"),
    pytest.param("num_layers: 18", "num_layers: 20", "model_config.num_layers", ["10, 18, 34"], id="layers"),
    pytest.param(
        "mode: INTEGRATE",
        "mode: INTEGRAT",
        "average_precision_mode",
        ["'INTEGRATE'", "SAMPLE, INTEGRATE"],
        id="enum",
    ),
    pytest.param(
        "type: L1", "type: 3", "training_config.regularizer.type", ["NO_REG, L1, L2"], id="enum-number"
    ),
    pytest.param(
        "use_batch_norm: True",
        "use_batch_norm: yes",
        "model_config.use_batch_norm",
        ["true or false"],
        id="bool",
    ),
    pytest.param(
        "hflip_probability: 0.5", "hflip_probability: 1.5", "hflip_probability", ["[0, 1]"], id="range"
    ),
    pytest.param(
        "output_image_width: 960", "output_image_width: 900", "output_image_width", ["16"], id="multiple"
    ),
    pytest.param("output_image_channel: 3", "output_image_channel: 2", "channel", ["1, 3"], id="channels"),
    pytest.param(
        "class_weight: 4.0", "class_weight: -1", "target_classes[1].class_weight", ["(0, inf)"], id="weight"
    ),
    pytest.param(
        "hflip_probability: 0.5", "hflip_probability: nan", "hflip_probability", ["[0, 1]"], id="nan"
    ),
    pytest.param("soft_start: 0.1", "soft_start: 0.9", "soft_start", ["annealing"], id="soft-start-late"),
    pytest.param("zoom_min: 1.0", "zoom_min: 2.0", "zoom_min", ["zoom_max"], id="zoom"),
    pytest.param(
        "min_learning_rate: 5e-06", "min_learning_rate: 1", "min_learning_rate", ["max_"], id="rates"
    ),
    pytest.param(
        'value: "car"\n',
        'value: "cars"\n',
        "target_class_mapping[van]",
        ["'car'", "plate, car"],
        id="mapped-to-unknown",
    ),
    pytest.param(
        '{ key: "car" value: 0.7 }',
        '{ key: "cart" value: 0.7 }',
        "minimum_detection_ground_truth_overlap[car]",
        ["'cart'"],
        id="no-overlap",
    ),
    pytest.param(
        "deadzone_radius: 0.67", "deadzone_radius: { }", "deadzone_radius", ["plain value"], id="block"
    ),
    pytest.param("cov {}", "cov: 1", "model_config.objective_set.cov", ["braces"], id="no-block"),
]


@pytest.mark.parametrize(("good", "bad", "path", "words"), PLANTED)
def test_planted_mistake(experiment, line_of, good, bad, path, words):
    text = experiment.replace(good, bad, 1)
    assert text != experiment
    found = problems(text)[0]
    assert found.line == line_of(text, bad.strip())
    assert found.path.endswith(path)
    for word in words:
        assert word in found.sentence("spec.cfg")


@pytest.mark.parametrize(("good", "bad", "path", "words"), PLANTED)
def test_one_mistake_gives_one_problem(experiment, good, bad, path, words):
    """What follows from a mistake is not reported beside it."""
    found = problems(experiment.replace(good, bad, 1))
    assert len(found) == 1, [one.sentence("spec.cfg") for one in found]


def test_all_problems_are_listed_by_line(experiment):
    text = (
        experiment.replace("num_epochs: 120", "num_epoch: 120")
        .replace("hflip_probability: 0.5", "hflip_probability: 2")
        .replace('arch: "resnet"', "arch: resnet")
        .replace("deadzone_radius: 0.67", "deadzone_radius:")
    )
    found = problems(text)
    assert len(found) == 4
    assert [one.line for one in found] == sorted(one.line for one in found)


@pytest.mark.parametrize(
    "name",
    [
        "dataset_config",
        "augmentation_config",
        "postprocessing_config",
        "model_config",
        "evaluation_config",
        "cost_function_config",
        "training_config",
        "bbox_rasterizer_config",
    ],
)
def test_missing_message(experiment, name):
    start = experiment.index(f"\n{name} {{") + 1
    text = experiment[:start] + experiment[experiment.index("\n}\n", start) + 3 :]
    found = only(text)
    assert found.path == name
    assert "missing" in found.what


@pytest.mark.parametrize(
    "name", ["tfrecords_path", "max_learning_rate", "cov_radius_y", "output_image_height"]
)
def test_missing_field_is_named_with_the_line_of_its_message(experiment, line_of, name):
    lines = experiment.splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if name in line)
    value = lines[at][lines[at].index(name) :].split()[1]
    text = experiment.replace(f"{name}: {value}", "", 1)
    found = only(text)
    assert found.path.endswith(name)
    assert 0 < found.line <= at + 1


def test_missing_optimizer_and_objective(experiment):
    text = experiment.replace("  optimizer { adam { epsilon: 1e-08 beta1: 0.9 beta2: 0.999 } }\n", "")
    assert only(text).path == "training_config.optimizer"
    text = experiment.replace(
        '    objectives { name: "cov" initial_weight: 1.0 weight_target: 1.0 }\n', "", 1
    )
    assert "'cov'" in only(text).what


@pytest.mark.parametrize(
    ("section", "near"),
    [
        ("postprocessing_config {", "postprocessing_config.target_class_config[plate]"),
        ("bbox_rasterizer_config {", "bbox_rasterizer_config.target_class_config[plate]"),
        ("evaluation_box_config {", "evaluation_config.evaluation_box_config[plate]"),
    ],
)
def test_class_without_an_entry(experiment, section, near):
    start = experiment.index(section)
    text = experiment[:start] + experiment[start:].replace('key: "plate"', 'key: "plates"', 1)
    found = only(text)
    assert found.path == near
    assert "'plates'" in found.remedy


def test_class_that_nothing_is_mapped_to(experiment):
    found = only(experiment.replace('value: "car"\n', 'value: "plate"\n', 1))
    assert "nothing is mapped to target class 'car'" in found.what


def test_names_of_classes_are_compared_with_their_case(experiment):
    found = problems(experiment.replace('name: "car"', 'name: "Car"'))
    assert any("'Car'" in one.sentence("") and "'car'" in one.sentence("") for one in found)


@pytest.mark.parametrize(("patience", "epochs"), [(9, 120), (121, 120)])
def test_patience_is_between_a_validation_and_the_whole_training(experiment, line_of, patience, epochs):
    text = early_stopping(experiment, patience)
    found = only(text)
    assert (found.line, found.path.rpartition(".")[2]) == (line_of(text, "patience_steps"), "patience_steps")
    assert f"10 (validation_period_during_training) to {epochs} (num_epochs)" in found.allowed


def early_stopping(text: str, patience: int) -> str:
    return (
        text.replace("soft_start_annealing_schedule", "early_stopping_annealing_schedule")
        .replace("soft_start: 0.1", "soft_start_epochs: 3")
        .replace("annealing: 0.7", f"annealing_epochs: 5 patience_steps: {patience}")
    )


@pytest.mark.parametrize("patience", [10, 40, 120])
def test_early_stopping_is_a_schedule(experiment, patience):
    rate = parse(early_stopping(experiment, patience)).training_config.learning_rate
    assert rate.early_stopping_annealing_schedule.patience_steps == patience
    assert not rate.has("soft_start_annealing_schedule")


@pytest.mark.parametrize(
    ("good", "bad", "path"),
    [
        ('partition_mode: "random"', 'partition_mode: "randon"', "kitti_config.partition_mode"),
        ("val_split: 14", "val_split: 101", "kitti_config.val_split"),
        ("num_partitions: 2", "num_partitions: 3", "kitti_config.num_partitions"),
        (
            '  root_directory_path: "/workspace/experiments/training"\n',
            "",
            "kitti_config.root_directory_path",
        ),
    ],
)
def test_mistakes_of_a_conversion_spec(dataset, good, bad, path):
    assert only(dataset.replace(good, bad, 1), "dataset").path == path


def test_coco_lists_must_match_the_partitions():
    names = 'img_dir_names: ["val", "train"] annotation_files: "val.json"'
    text = f'coco_config {{ root_directory_path: "/c" {names} }}'
    assert only(text, "dataset").path == "coco_config.annotation_files"


def test_conversion_spec_without_a_format():
    assert (
        only("sample_modifier_config { num_duplicates: 1 }", "dataset").allowed
        == "kitti_config or coco_config"
    )


def test_inference_class_without_entry_or_default(inference):
    start = inference.index("  classwise_bbox_handler_config", inference.index('key: "plate"'))
    text = inference[:start] + inference[inference.rindex("}") :]
    found = only(text, "inference")
    assert found.path.endswith("[car]") and "none named 'default'" in found.what
    close = inference.replace('key: "default"', 'key: "cars"')
    found = only(close, "inference")
    assert found.path.endswith("[cars]") and "'car'" in found.remedy
    assert close.splitlines()[found.line - 1].strip() == 'key: "cars"'


def test_cluster_params_mistakes(cluster_params, line_of):
    text = cluster_params.replace('"default": 0.15', '"bus": 0.15')
    assert "'car'" in only(text, "cluster_params").what
    text = cluster_params.replace('"plate": 0.3', '"plate": 3')
    found = only(text, "cluster_params")
    assert (found.path, found.line) == ("dbscan_eps[plate]", line_of(text, "dbscan_eps"))
    text = cluster_params.replace("confidence_th", "confidence_thr")
    assert "'confidence_th'" in only(text, "cluster_params").remedy


def test_only_a_distance_in_pixels_may_exceed_one(cluster_params, line_of):
    far = cluster_params.replace('"plate": 0.3', '"plate": 7.8')
    spec = parse(far.replace('"IOU"', '"MSE"'), "cluster_params")
    assert (spec.dbscan_criterion, spec.dbscan_eps["plate"]) == ("MSE", 7.8)
    found = only(far, "cluster_params")
    assert (found.path, found.line) == ("dbscan_eps[plate]", line_of(far, "dbscan_eps"))
    assert found.allowed == "a number in [0, 1]"
    assert "IOU, MSE" in only(cluster_params.replace('"IOU"', '"L2"'), "cluster_params").allowed
