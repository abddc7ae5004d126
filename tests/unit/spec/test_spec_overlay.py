"""An overlay sets the fields that it names, nothing else, and refuses what leads nowhere."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet import spec
from detectnet.errors import UserError
from detectnet.spec import SpecError
from detectnet.spec.overlay import overlaid

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "config/specs/demo/experiment_config.cfg").read_text()
BASE = spec.parse(TEXT, "experiment", "base.cfg")


def edited(old, new):
    """The independent truth: the file's text with one piece replaced, read as any other file."""
    assert TEXT.count(old) == 1, old
    return spec.parse(TEXT.replace(old, new), "experiment")


def only_line(name):
    return next(line for line in TEXT.splitlines() if line.strip().startswith(f"{name}:"))


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        (
            "training_config.num_epochs: 7",
            only_line("num_epochs"),
            "num_epochs: 7",
        ),
        ("random_seed: 5", only_line("random_seed"), "random_seed: 5"),
        (
            "training_config.ema_decay: 0.999",
            "training_config {",
            "training_config { ema_decay: 0.999",
        ),
        (
            "augmentation_config.mixing.paste_probability: 0.3",
            "augmentation_config {",
            "augmentation_config { mixing { paste_probability: 0.3 }",
        ),
        (
            "augmentation_config.mixing { paste_probability: 0.3, paste_max: 2 }",
            "augmentation_config {",
            "augmentation_config { mixing { paste_probability: 0.3 paste_max: 2 }",
        ),
        (
            "evaluation_config.evaluation_box_config.plate.minimum_width: 5",
            only_line("minimum_width"),
            "minimum_width: 5",
        ),
        (
            "cost_function_config.target_classes.plate.objectives.bbox.initial_weight: 3",
            'name: "bbox"\n      ' + TEXT.split('name: "bbox"\n      ')[1].splitlines()[0],
            'name: "bbox" initial_weight: 3',
        ),
        (
            "evaluation_config.minimum_detection_ground_truth_overlap.plate: 0.6",
            'minimum_detection_ground_truth_overlap {\n    key: "plate"\n    value: 0.5',
            'minimum_detection_ground_truth_overlap { key: "plate" value: 0.6',
        ),
        (
            "training_config.input_stages { until: 0.5 width: 160 height: 160 }"
            "training_config.input_stages { until: 0.8 width: 240 height: 240 }",
            "training_config {",
            "training_config { input_stages { until: 0.5 width: 160 height: 160 }"
            " input_stages { until: 0.8 width: 240 height: 240 }",
        ),
    ],
)
def test_a_line_is_as_good_as_an_edit_of_the_file(line, old, new):
    assert overlaid(BASE, [line]) == edited(old, new)


def test_a_list_is_replaced_by_all_that_one_line_gives():
    name = "augmentation_config.spatial_augmentation.resampling"
    made = overlaid(BASE, [f"{name}: [AREA, LINEAR]"])
    assert made.augmentation_config.spatial_augmentation.resampling == ["AREA", "LINEAR"]
    again = overlaid(made, [f"{name}: NEAREST"])
    assert again.augmentation_config.spatial_augmentation.resampling == ["NEAREST"]


def test_a_message_in_braces_is_the_whole_message():
    made = overlaid(BASE, ["augmentation_config.color_augmentation { grey_probability: 0.2 }"])
    assert made.augmentation_config.color_augmentation.to_text() == "grey_probability: 0.2\n"


def test_of_fields_that_exclude_each_other_the_new_one_stays():
    rates = "min_learning_rate: 1e-05 max_learning_rate: 0.001 annealing_epochs: 2 patience_steps: 2"
    lines = [
        "evaluation_config.validation_period_during_training: 1",
        f"training_config.learning_rate.early_stopping_annealing_schedule {{ {rates} }}",
    ]
    rate = overlaid(BASE, lines).training_config.learning_rate
    assert rate.has("early_stopping_annealing_schedule") and not rate.has("soft_start_annealing_schedule")


def test_later_lines_see_what_earlier_ones_did():
    lines = [
        "augmentation_config.mixing { paste_max: 4 }",
        "augmentation_config.mixing.paste_probability: 0.5",
    ]
    mixing = overlaid(BASE, lines).augmentation_config.mixing
    assert (mixing.paste_max, mixing.paste_probability) == (4, 0.5)


def test_the_message_itself_stays_as_it_was_and_comes_back_without_lines():
    before = BASE.to_text()
    assert overlaid(BASE, []) is BASE
    overlaid(BASE, ["training_config.num_epochs: 7"])
    assert BASE.to_text() == before


@given(st.integers(1, 1000), st.floats(0, 0.999), st.booleans())
def test_any_value_in_range_comes_out_as_it_went_in(epochs, decay, grey):
    lines = [
        f"training_config.num_epochs: {epochs}",
        f"training_config.ema_decay: {decay!r}",
        f"training_config.mixed_bfloat16: {str(grey).lower()}",
    ]
    made = overlaid(BASE, lines).training_config
    assert (made.num_epochs, made.ema_decay, made.mixed_bfloat16) == (epochs, decay, grey)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "training_config.ema_decai: 0.9",
            "'training_config' has no field 'ema_decai'. Did you mean 'ema_decay'?",
        ),
        ("trainin_config.ema_decay: 0.9", "Did you mean 'training_config'?"),
        (
            "augmentation_config.preprocessing.zoom_max: 2",
            "It belongs in augmentation_config.spatial_augmentation.",
        ),
        (
            "cost_function_config.target_classes.plat.class_weight: 2",
            "no entry with the name 'plat'. Did you mean 'plate'?",
        ),
        (
            "evaluation_config.evaluation_box_config.plat.minimum_width: 2",
            "no entry with the key 'plat'. Did you mean 'plate'?",
        ),
        ("training_config.num_epochs.more: 2", "'num_epochs' is a plain value, nothing is below it"),
        ("cost_function_config.target_classes.plate { }", "Name a field of it."),
        ("training_config.num_epochs", "not protobuf text"),
        ("training_config.input_stages: []", "no field is set"),
        ("", "no field is set"),
        ("training_config.ema_decay: 2", "training_config.ema_decay: 2 is out of range"),
        ("training_config.num_epochs: many", "training_config.num_epochs: many is not a whole number"),
        ("training_config.optimizer { }", "adam"),
        (
            "augmentation_config.spatial_augmentation.zoom_min: 5",
            "zoom_min 5 is larger than zoom_max",
        ),
    ],
)
def test_a_mistake_is_refused_where_the_config_has_it(line, said):
    with pytest.raises(UserError) as raised:
        overlaid(BASE, [line], "ablation.changes.mine")
    assert said in str(raised.value)
    assert str(raised.value).startswith("ablation.changes.mine:")


def test_no_error_names_a_line_of_no_file():
    with pytest.raises(SpecError) as raised:
        overlaid(BASE, ["training_config.input_stages { until: 1 width: 3200 height: 160 }"], "mine")
    said = str(raised.value).split("\n", 1)[1].strip()
    assert said.startswith("mine training_config.input_stages[0].width: 3200 is larger than")
    assert said.endswith("at most 320 (output_image_width).")
    assert overlaid(BASE, ["random_seed: 2"], "mine").where("random_seed") == "mine random_seed"
