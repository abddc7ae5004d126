"""One mistake in every field and message of whole files, each refused on its own line.

The files in ``files/`` have one field a line, so that a line is all that a mistake changes. Nothing here asks
the tables what is right: names, types and lines come from the texts alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detectnet.spec import SpecError, parse
from detectnet.spec.kinds import ROOTS
from detectnet.spec.schema import MessageType

FILES = Path(__file__).parent / "files"
TEXTS = {path.name: path.read_text() for path in sorted(FILES.iterdir())}
_FIELD = re.compile(r"(?P<indent> *)(?P<name>\w+)(?P<rest>:? .*)")
_QUIET = {"key", "value"}


def fields() -> list[tuple[str, int, str, str]]:
    """File, 1-based line, name and what follows for every line that starts a field."""
    found = []
    for file, text in TEXTS.items():
        for number, line in enumerate(text.splitlines(), 1):
            match = _FIELD.fullmatch(line)
            if match:
                found.append((file, number, match["name"], match["rest"].removeprefix(":").strip()))
    return found


FIELDS = fields()
NAMED = [one for one in FIELDS if one[2] not in _QUIET]
SCALARS = [one for one in FIELDS if not one[3].endswith(("{", "]"))]


def label(one: tuple) -> str:
    return f"{one[0].split('.')[0]}-{one[1]}-{one[2]}"


def refused(file: str, lines: list[str]) -> list:
    with pytest.raises(SpecError) as caught:
        parse("\n".join(lines) + "\n", name=file)
    return list(caught.value.problems)


def planted(file: str, number: int, old: str, new: str) -> list:
    lines = TEXTS[file].splitlines()
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    return refused(file, lines)


def shown(found: list) -> list[str]:
    return [one.sentence("") for one in found]


def misspellings(name: str) -> list[str]:
    """A letter left out, one doubled, two swapped."""
    at = len(name) // 2
    out, doubled = name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:]
    swapped = name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    return [one for one in dict.fromkeys([out, doubled, swapped]) if one != name and one]


@pytest.mark.parametrize("one", NAMED, ids=label)
def test_misspelt_field(one):
    file, number, name, _ = one
    ways = misspellings(name)
    wrong = ways[number % len(ways)]
    found = planted(file, number, name, wrong)
    assert [problem.line for problem in found] == [number], shown(found)
    assert f"unknown field '{wrong}'" in found[0].what
    if len(name) > 2:
        assert f"'{name}'" in found[0].remedy, shown(found)


@pytest.mark.parametrize("one", [one for one in FIELDS if one[2] in _QUIET], ids=label)
def test_misspelt_key_and_value_of_a_map(one):
    file, number, name, _ = one
    found = planted(file, number, name, name[:-1])
    assert found[0].line == number, shown(found)
    assert f"'{name}'" in found[0].remedy
    assert len(found) == 1, shown(found)


def wrong_types(value: str) -> list[str]:
    if value.startswith('"'):
        return ["7", value.strip('"').split("/")[-1].replace(".", "_") or "x"]
    if value in ("true", "false"):
        return ["maybe", "2", f'"{value}"']
    if value[0].isalpha():
        return [f'"{value}"', value.lower() + "x", "77"]
    return [f'"{value}"', "many", "{ }"]


@pytest.mark.parametrize("one", SCALARS, ids=label)
def test_wrong_type(one):
    file, number, name, value = one
    ways = wrong_types(value)
    found = planted(file, number, value, ways[number % len(ways)])
    assert [problem.line for problem in found] == [number], shown(found)
    assert name in found[0].path or name in _QUIET, shown(found)


@pytest.mark.parametrize("one", [one for one in NAMED if not one[3].endswith(("{", "]"))], ids=label)
def test_misplaced_field(one):
    """Moved out of its message to the end of the file, where the name means nothing."""
    file, number, name, _ = one
    if name in ROOTS[parse(TEXTS[file]).kind].by_name:
        pytest.skip("belongs at the top level")
    lines = TEXTS[file].splitlines()
    lines.append(lines.pop(number - 1).strip())
    found = refused(file, lines)
    assert found[-1].line == len(lines), shown(found)
    assert "It belongs in" in found[-1].remedy, shown(found)
    assert len(found) == 1, shown(found)


RANGES = {
    "source_weight": "-1",
    "output_image_width": "950",
    "output_image_height": "0",
    "output_image_channel": "4",
    "min_bbox_width": "-1",
    "hflip_probability": "1.5",
    "vflip_probability": "-0.1",
    "zoom_min": "3.0",
    "zoom_max": "0.5",
    "translate_max_x": "-8",
    "rotate_probability": "2",
    "color_shift_stddev": "1.01",
    "hue_rotation_max": "361",
    "saturation_shift_max": "-0.2",
    "contrast_scale_max": "10",
    "contrast_center": "1.5",
    "coverage_threshold": "1.1",
    "minimum_bounding_box_height": "-4",
    "dbscan_eps": "2",
    "dbscan_min_samples": "-1",
    "dbscan_confidence_threshold": "-0.9",
    "nms_iou_threshold": "1.4",
    "nms_confidence_threshold": "9",
    "num_layers": "19",
    "dropout_rate": "1.1",
    "freeze_blocks": "5",
    "arch": '"resnt"',
    "width_multiplier": "0",
    "dilation": "0",
    "scale": "-35",
    "minimum_height": "10000",
    "maximum_width": "-1",
    "name": '"coverage"',
    "class_weight": "-1",
    "coverage_foreground_weight": "1.5",
    "initial_weight": "-10",
    "max_objective_weight": "1.1",
    "min_objective_weight": "0.99999",
    "cov_focal_gamma": "-1",
    "bbox_giou_weight": "-0.5",
    "batch_size_per_gpu": "0",
    "num_epochs": "0",
    "min_learning_rate": "1",
    "max_learning_rate": "0",
    "soft_start": "0.8",
    "annealing": "1.2",
    "weight": "-1",
    "epsilon": "0",
    "beta1": "1.0",
    "beta2": "1.5",
    "weight_decay": "1",
    "clip_norm": "-1",
    "initial_exponent": "-20",
    "until": "1.2",
    "width": "50",
    "height": "960",
    "ema_decay": "1",
    "cov_weight": "-1",
    "bbox_weight": "-0.1",
    "cov_center_x": "1.5",
    "cov_radius_x": "0",
    "cov_radius_y": "1.2",
    "bbox_min_radius": "-1",
    "deadzone_radius": "1.1",
    "min_width": "13",
    "crop_left": "2000",
    "objective_names": '"box"',
    "target_class_names": '"cra"',
    "num_shards": "100000",
    "partition_mode": '"sequences"',
    "val_split": "101",
    "image_extension": '".pgn"',
    "overlay_linewidth": "-2",
    "confidence_model": '"sum_cov"',
    "postproc_classes": '"persons"',
    "R": "256",
}


@pytest.mark.parametrize("one", [one for one in SCALARS if one[2] in RANGES], ids=label)
def test_out_of_range(one):
    file, number, name, value = one
    if (name == "name" and value not in ('"cov"', '"bbox"')) or (name == "crop_left" and value == "16.0"):
        pytest.skip("another field has this name")
    found = planted(file, number, value, RANGES[name])
    assert found[0].line == number, shown(found)
    assert len(found) == 1, shown(found)
    assert found[0].allowed or found[0].remedy or "larger" in found[0].what, shown(found)


TOP = ("dataset", "augmentation", "postprocessing", "model", "evaluation", "cost_function", "training")
REQUIRED = [
    *(("experiment_full.cfg", f"{name}_config") for name in (*TOP, "bbox_rasterizer")),
    ("experiment_full.cfg", "augmentation_config.preprocessing"),
    ("experiment_full.cfg", "model_config.objective_set"),
    ("experiment_full.cfg", "model_config.objective_set.bbox"),
    ("experiment_full.cfg", "model_config.objective_set.cov"),
    ("experiment_full.cfg", "training_config.learning_rate"),
    ("experiment_full.cfg", "training_config.learning_rate.soft_start_annealing_schedule"),
    ("experiment_full.cfg", "training_config.regularizer"),
    ("experiment_full.cfg", "training_config.optimizer"),
    ("experiment_full.cfg", "training_config.optimizer.adam"),
    ("inference_full.prototxt", "inferencer_config"),
    ("inference_full.prototxt", "bbox_handler_config"),
]


@pytest.mark.parametrize(("file", "path"), REQUIRED)
def test_missing_message(file, path):
    """Reported once, on the line where its parent starts; a file starts on line 1."""
    lines = TEXTS[file].splitlines()
    parent, start, at = 1, 0, 0
    for depth, name in enumerate(path.split(".")):
        start = next(i for i in range(at, len(lines)) if lines[i] == f"{'  ' * depth}{name} {{")
        parent, at = (at if depth else 1), start + 1
    end = next(i for i in range(start, len(lines)) if lines[i] == f"{'  ' * path.count('.')}}}")
    found = refused(file, lines[:start] + lines[end + 1 :])
    assert [(one.line, one.path) for one in found] == [(parent, path)], shown(found)
    assert "missing" in found[0].what


@pytest.mark.parametrize("one", [one for one in SCALARS if one[3] in ('"car"', '"person"')], ids=label)
def test_unknown_class(one):
    """A class name that differs by a letter, wherever it stands."""
    file, number, name, value = one
    own = (
        "kitti" in file or name == "output_map" or TEXTS[file].splitlines()[number - 2].endswith("mapping {")
    )
    if own or TEXTS[file].count(value) == 2:
        pytest.skip("a name of the labels or of the output, which may be any; or one word against one")
    good = value.strip('"')
    found = planted(file, number, value, f'"{good}s"')
    assert found[0].line == number, shown(found)
    assert f"'{good}'" in found[0].sentence(""), shown(found)
    assert len(found) == 1, shown(found)


def names_below(kind: MessageType, found: set[str]) -> set[str]:
    for row in kind.fields:
        found.add(row.name)
        if isinstance(row.type, MessageType):
            names_below(row.type, found)
    return found


def test_the_files_have_every_field_of_the_grammar():
    written = {name for _, _, name, _ in FIELDS}
    kinds = ("experiment", "dataset", "inference")
    known = set().union(*(names_below(ROOTS[kind], set()) for kind in kinds))
    alternative = {"tlt_config", "model", "early_stopping_annealing_schedule", "patience_steps"}
    alternative |= {"soft_start_epochs", "annealing_epochs", "validation_fold"}
    assert known - written == alternative
