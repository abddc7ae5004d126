"""Mistakes that once passed, or were named on another line or by another name."""

from __future__ import annotations

import re

import pytest

from detectnet.spec import SpecError, parse


def only(text: str, kind: str = "experiment"):
    with pytest.raises(SpecError) as caught:
        parse(text, kind, "spec.cfg")
    found = caught.value.problems
    assert len(found) == 1, [one.sentence("spec.cfg") for one in found]
    return found[0]


@pytest.mark.parametrize(
    "rest", ['image_directory_path: "/d/"\n', 'kitti_config: "x"\nimage_directory_path: "/d/"\n']
)
def test_conversion_spec_without_a_message_is_still_one(rest):
    with pytest.raises(SpecError) as caught:
        parse("# of faces\n" + rest)
    assert caught.value.kind == "dataset"
    assert caught.value.problems[0].path == "kitti_config"


@pytest.mark.parametrize(
    ("good", "bad", "near"),
    [
        ("training_config {", "training-config {", "'training_config'"),
        ("num_epochs: 120", "num-epochs: 120", "'num_epochs'"),
        ("use_batch_norm: True", "use.batch_norm: True", "'use_batch_norm'"),
        ("arch:", "2arch:", "'arch'"),
    ],
)
def test_name_with_a_strange_letter_is_an_unknown_field(experiment, line_of, good, bad, near):
    text = experiment.replace(good, bad, 1)
    found = only(text)
    assert found.line == line_of(text, bad)
    assert near in found.remedy


@pytest.mark.parametrize(
    "field", ["output_image_channel", "zoom_min", "zoom_max", "scale", "validation_period_during_training"]
)
def test_zero_that_tao_refuses_is_out_of_range(experiment, line_of, field):
    text = re.sub(rf"\b{field}: [\d.]+", f"{field}: 0", experiment, count=1)
    found = only(text)
    assert (found.line, found.path.rpartition(".")[2]) == (line_of(text, f"{field}: 0"), field)
    assert "out of range" in found.what


@pytest.mark.parametrize("value", ["-1", "4294967296"])
def test_a_whole_number_that_does_not_fit_is_out_of_range(experiment, value):
    found = only(re.sub(r"\bnum_epochs: \d+", f"num_epochs: {value}", experiment, count=1))
    assert found.what == f"{value} is out of range."
    assert found.allowed == "a whole number in (0, inf)"


def test_inference_without_a_model(inference):
    text = inference.replace('  tlt_config { model: "/workspace/experiments/detector.tlt" }\n', "")
    absent = only(text, "inference")
    assert absent.path == "inferencer_config.tlt_config"
    assert "tlt_config or tensorrt_config" in str(absent)
    text = inference.replace('model: "/workspace/experiments/detector.tlt"', "")
    assert only(text, "inference").path == "inferencer_config.tlt_config.model"


def test_old_spelling_does_not_lend_its_line_to_the_message(inference, line_of):
    text = inference.replace(
        'output_map: "plate"\n', 'output_map: "plate"\n      confidence_threshold: 0.9\n'
    )
    text = text.replace("        dbscan_eps: 0.3\n", "")
    assert only(text, "inference").line == line_of(text, "clustering_config")


def test_list_where_one_value_belongs(experiment, line_of):
    text = experiment.replace("num_epochs: 120", "num_epochs: [120, 80]")
    found = only(text)
    assert (found.line, found.what) == (line_of(text, "num_epochs"), "no list can stand here.")


def test_mistake_in_the_alternative_that_does_not_count(experiment, line_of):
    source = 'validation_data_source { tfrecords_path: "/v/*" }'
    text = experiment.replace("validation_fold: 0", f"validation_fold: abc\n  {source}")
    assert only(text).line == line_of(text, "validation_fold")


@pytest.mark.parametrize(
    ("good", "bad", "path"),
    [
        ("max_learning_rate: 5e-04", "max_learning_rate: 1e-7", "max_learning_rate"),
        ("min_learning_rate: 5e-06", "min_learning_rate: 0.05", "min_learning_rate"),
        ("annealing: 0.7", "annealing: 0.05", "annealing"),
        ("maximum_height: 9999", "maximum_height: 3", "maximum_height"),
        ("max_objective_weight: 0.9999", "max_objective_weight: 0.00001", "max_objective_weight"),
    ],
)
def test_of_two_bounds_the_unusual_one_is_named(experiment, line_of, good, bad, path):
    text = experiment.replace(good, bad, 1)
    assert text != experiment
    found = only(text)
    assert (found.line, found.path.rpartition(".")[2]) == (line_of(text, bad), path)


def test_required_message_is_missing_beside_an_old_spelling(inference):
    start = inference.index("      clustering_config {")
    end = inference.index("}\n", start) + 2
    text = inference[:start] + "      confidence_threshold: 0.9\n" + inference[end:]
    found = only(text, "inference")
    assert found.path.endswith("[plate].clustering_config") and "missing" in found.what


@pytest.mark.parametrize(
    "field", ["dbscan_min_samples", "min_obj_height", "confidence_th", "output_map", "color"]
)
def test_misspelt_class_in_any_map_of_a_clustering_file(cluster_params, line_of, field):
    text = cluster_params.replace(f'"{field}": {{"plate"', f'"{field}": {{"palte"')
    found = only(text, "cluster_params")
    assert (found.path, found.line) == (f"{field}[palte]", line_of(text, field))
    assert "'plate'" in found.remedy


def test_lists_of_a_clustering_file(cluster_params, line_of):
    text = cluster_params.replace('["plate"]', '[\n    "plate",\n    "palte"\n  ]')
    found = only(text, "cluster_params")
    assert (found.path, found.line) == ("postproc_classes[1]", line_of(text, '"palte"'))
    for good, bad in (('["plate", "car"]', '"plate"'), ('"stride": 16', '"stride": [16]')):
        text = cluster_params.replace(good, bad)
        assert "list" in only(text, "cluster_params").what
    text = cluster_params.replace('["plate", "car"]', '["palte", "car"]')
    assert only(text, "cluster_params").path == "target_classes[0]"
