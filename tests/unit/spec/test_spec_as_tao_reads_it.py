"""Files that TAO refuses or reads in another way, and class names that one part of a file alone has."""

import json
import math

import pytest

from detectnet.spec import OtherKindError, SpecError, notes_of, parse


def told(text, path):
    return [one for one in notes_of(parse(text)) if one.path == path]


def problems(text):
    with pytest.raises(SpecError) as caught:
        parse(text)
    return caught.value.problems


# --- a loaded graph --------------------------------------------------------------------------------

TEMPLATE = {
    "use_pooling": "true",
    "use_batch_norm": "true",
    "all_projections": "true",
    "freeze_bn": "true",
    "freeze_blocks": "9",
    "num_layers": "11",
    "arch": '"resnt"',
    "width_multiplier": "0.5",
}


def with_model(experiment, fields):
    start = experiment.index("model_config {") + len("model_config {")
    end = experiment.index("objective_set", start)
    given = "".join(f"\n  {name}: {value}" for name, value in fields.items())
    return f"{experiment[:start]}{given}\n  {experiment[end:]}"


def test_with_load_graph_the_templates_fields_have_no_effect_and_may_say_anything(experiment):
    text = with_model(experiment, TEMPLATE | {"load_graph": "true"})
    for name in TEMPLATE:
        (found,) = told(text, f"model_config.{name}")
        assert found.no_effect and "load_graph" in found.text, name
        assert text.splitlines()[found.line - 1].strip().startswith(f"{name}:")
    with pytest.raises(SpecError, match=r'unknown value "resnt"'):
        parse(with_model(experiment, TEMPLATE))


@pytest.mark.parametrize("load_graph", [True, False])
def test_new_heads_are_allowed_on_a_loaded_graph_alone(experiment, load_graph):
    fields = {"num_layers": "18", "use_batch_norm": "true", "allow_loaded_model_modification": "true"}
    text = with_model(experiment, fields | {"load_graph": str(load_graph).lower()})
    found = told(text, "model_config.allow_loaded_model_modification")
    assert [one.no_effect for one in found] == [] if load_graph else [True]


# --- what TAO refuses, or reads in another way ---------------------------------------------------------

SCALING = "cost_scaling { initial_exponent: 20 increment: 0.005 decrement: 1 }"


def with_scaling(experiment, scaling):
    """The spec with this message instead of its own."""
    head, _, rest = experiment.partition("training_config {")
    before, found, after = rest.partition("cost_scaling {")
    rest = before + after[after.index("}") + 1 :] if found else rest
    return f"{head}training_config {{\n  {scaling}\n{rest}"


def test_a_missing_cost_scaling_is_noted_and_works(experiment):
    path = "training_config.cost_scaling"
    (found,) = told(with_scaling(experiment, ""), path)
    assert "TAO refuses this file" in found.text and not found.no_effect
    assert [one.no_effect for one in told(with_scaling(experiment, SCALING), path)] == [True]
    # a file with fields that TAO does not know is not meant for it
    ours = with_scaling(experiment, "mixed_bfloat16: true")
    assert told(ours, path) == []


@pytest.mark.parametrize("field", ["initial_exponent: 20", "increment: 0.005", "decrement: 1"])
def test_a_cost_scaling_of_zero_is_noted(experiment, field):
    name = field.partition(":")[0]
    text = with_scaling(experiment, SCALING.replace(field, f"{name}: 0"))
    (found,) = told(text, f"training_config.cost_scaling.{name}")
    assert "TAO refuses this file" in found.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class_weight: 1.0", "class_weight: 0"),
        ("coverage_foreground_weight: 0.05", "coverage_foreground_weight: 0"),
        ("coverage_foreground_weight: 0.05", "coverage_foreground_weight: 1"),
    ],
)
def test_weights_of_the_cost_outside_taos_range_are_refused(experiment, old, new):
    text = experiment.replace(old, new, 1)
    (found,) = problems(text)
    assert new.partition(":")[0] in text.splitlines()[found.line - 1] and "out of range" in found.what


@pytest.mark.parametrize(("angle", "far"), [(0.7, False), (math.pi, False), (25.0, True)])
def test_the_unit_of_a_rotation_is_said(experiment, angle, far):
    path = "augmentation_config.spatial_augmentation.rotate_rad_max"
    text = experiment.replace("zoom_min: 1.0", f"rotate_rad_max: {angle} zoom_min: 1.0")
    (found,) = told(text, path)
    assert "degrees" in found.text and f"{math.degrees(angle):.3g}" in found.text
    assert ("more than half a turn" in found.text) == far
    assert told(text.replace(f"{angle} zoom", "0 zoom"), path) == []
    # a file with fields that TAO does not know says nothing to TAO
    ours = text.replace("training_config {", "training_config { mixed_bfloat16: true")
    assert bool(told(ours, path)) == far


def test_stretched_pictures_are_said(experiment):
    text = experiment.replace("min_bbox_width: 1.0", "enable_auto_resize: true")
    (found,) = told(text, "augmentation_config.preprocessing.enable_auto_resize")
    assert "stretched" in found.text and "rules" in found.text


def test_a_sequence_needs_its_file(dataset):
    (found,) = problems(dataset.replace('"random"', '"sequence"'))
    assert found.path == "kitti_config.kitti_sequence_to_frames_file" and "missing" in found.what
    assert "partition_mode" in found.remedy


# --- a spec of another kind --------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["experiment", "dataset", "inference", "cluster_params"])
@pytest.mark.parametrize("wanted", ["experiment", "dataset", "inference", "cluster_params"])
def test_a_spec_of_another_kind_is_named_before_its_fields(request, given, wanted):
    text = request.getfixturevalue(given)
    if given == wanted:
        assert parse(text, wanted).kind == wanted
        return
    titles = {
        "experiment": "an experiment spec",
        "dataset": "a dataset conversion spec",
        "inference": "an inference spec",
        "cluster_params": "a clustering file",
    }
    with pytest.raises(OtherKindError) as caught:
        parse(text, wanted, "given.cfg")
    said = str(caught.value)
    assert (
        said.startswith(f"given.cfg: this is {titles[given]}")
        and f"{titles[wanted]}" in said.split("and ")[-1]
    )
    assert "unknown field" not in said


# --- names of classes ----------------------------------------------------------------------------------


def test_a_target_class_in_another_case_than_everywhere_else(experiment):
    lines = experiment.splitlines()
    text = experiment.replace('name: "car"', 'name: "CAR"')
    (found,) = problems(text)
    assert lines[found.line - 1].strip() == 'name: "car"' and "'car'" in found.remedy


@pytest.mark.parametrize("name", ["plaet", "zebra", "pl8"])
def test_default_does_not_stand_in_for_a_misspelt_target_class(inference, name):
    text = inference.replace('target_classes: "plate"', f'target_classes: "{name}"')
    (found,) = problems(text)
    assert text.splitlines()[found.line - 1].strip() == f'target_classes: "{name}"'
    assert found.path == "inferencer_config.target_classes[0]" and "'plate'" in found.remedy


@pytest.mark.parametrize("name", ["plaet", "zebra"])
def test_a_misspelt_target_class_of_a_clustering_file_is_one_problem(cluster_params, name):
    text = cluster_params.replace('"target_classes": ["plate"', f'"target_classes": ["{name}"')
    (found,) = problems(text)
    assert found.path == "target_classes[0]" and "'plate'" in found.remedy
    assert "target_classes" in text.splitlines()[found.line - 1]


MAPS = [
    "dbscan_eps",
    "dbscan_min_samples",
    "min_cov_to_cluster",
    "min_obj_height",
    "confidence_model",
    "color",
]


@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize("name", ["plaet", "zebra"])
def test_the_only_free_key_is_the_only_class_without_one(cluster_params, field, name):
    """``car`` has an entry, ``plate`` alone has none: the other key is its own, whatever it looks like."""
    content = json.loads(cluster_params)
    content[field] = {"car": content[field]["default"], **content[field]}
    content[field][name] = content[field].pop("plate")
    text = json.dumps(content, indent=1)
    (found,) = problems(text)
    assert f'"{name}"' in text.splitlines()[found.line - 1] and found.path == f"{field}[{name}]"
    assert "'plate'" in found.remedy


def test_a_class_that_has_only_the_default_is_no_mistake(inference, cluster_params):
    assert parse(inference).kind == "inference" and parse(cluster_params).kind == "cluster_params"


@pytest.mark.parametrize(("colour", "near"), [("grn", "green"), ("#12345", ""), ("bleu", "blue")])
def test_a_colour_that_there_is_not(cluster_params, colour, near):
    text = cluster_params.replace('"green"', f'"{colour}"')
    (found,) = problems(text)
    assert found.path == "color[plate]" and colour in text.splitlines()[found.line - 1]
    assert near in found.remedy


def test_a_field_that_slipped_into_a_map_is_misplaced(cluster_params):
    content = json.loads(cluster_params)
    content["dbscan_eps"]["min_cov_to_cluster"] = content.pop("min_cov_to_cluster")["plate"]
    text = json.dumps(content, indent=1)
    (found,) = problems(text)
    assert '"min_cov_to_cluster"' in text.splitlines()[found.line - 1]
    assert "is a field, not a class" in found.what and "top level" in found.remedy


@pytest.mark.parametrize("field", ["gpu_index: -1", "n_batches: -1", "batch_size: -1"])
def test_counts_below_zero_are_refused(inference, field):
    calibrator = "tensorrt_config { calibrator_config { batch_size: 8 n_batches: 8 } }"
    text = inference.replace('tlt_config { model: "/workspace/experiments/detector.tlt" }', calibrator)
    name = field.partition(":")[0]
    old = {"gpu_index": "gpu_index: 0", "n_batches": "n_batches: 8", "batch_size": "batch_size: 8"}[name]
    assert parse(text).kind == "inference"
    (found,) = problems(text.replace(old, field))
    assert found.path.endswith(name) and "out of range" in found.what
