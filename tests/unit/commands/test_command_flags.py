"""Every flag of NVIDIA's commands is taken, in all its spellings; no other is."""

import os
import re
import subprocess
import sys
import time
import tomllib

import pytest
from prepared import ROOT, typed

from detectnet.commands.main import COMMANDS, command_line

PROGRAMS = {
    "dataset_convert": "tlt-dataset-convert",
    "train": "tlt-train",
    "evaluate": "tlt-evaluate",
    "prune": "tlt-prune",
    "inference": "tlt-infer",
    "export": "tlt-export",
}
# From NVIDIA's documentation of TLT 1.0 to TAO 5.
FLAGS = {
    "dataset_convert": "-d --dataset_export_spec -o --output_filename -f --validation_fold -r --results_dir "
    "-v",
    "train": "-e --experiment_spec_file -r --results_dir -n --model_name -k --key -v --verbose "
    "--enable_determinism --gpus --gpu_index --num_processes --use_amp",
    "evaluate": "-e --experiment_spec -m --model -k --key -f --framework --use_training_set -r --results_dir "
    "-v --verbose --gpu_index",
    "prune": "-m --model -pm --pretrained_model -o --output_file -k --key -n --normalizer "
    "-eq --equalization_criterion -pg --pruning_granularity -pth --pruning_threshold -nf --min_num_filters "
    "-el --excluded_layers --results_dir -v --verbose",
    "inference": "-e --experiment_spec -i --image_dir -k --key -o -r --results_dir -b --batch_size -m "
    "--model -v -cp --cluster_params_file -bs -lw",
    "export": "-m --model -k --key -o --output_file -e --experiment_spec --gen_ds_config --onnx_route "
    "--target_opset --static_batch_size --data_type --cal_data_file --cal_image_dir --cal_cache_file "
    "--cal_json_file --batches --batch_size --max_batch_size --min_batch_size --opt_batch_size "
    "--max_workspace_size --engine_file -s --strict_type_constraints --force_ptq --export_module --outputs "
    "-v --verbose",
}
PAGE = (ROOT / "docs" / "migration.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_all_of_nvidias_flags_are_taken(name):
    assert set(FLAGS[name].split()) <= set(command_line(name, "x").options)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_lists_each_flag_in_its_commands_table(name):
    tables = dict(re.findall(r"^\| (.+?) \| here \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE))
    title = f"`{PROGRAMS[name]}`, `detectnet {name}`"
    listed = set(re.findall(r"`(--?[a-z_]+)`", tables[title] + tables["every command"]))
    assert listed == set(command_line(name, "x").options) - {"-h", "--help"}


def test_each_command_has_its_entry_point_and_its_program():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"detectnet", *PROGRAMS.values()}
    for name, program in PROGRAMS.items():
        shown = typed(f"{program} --help", ROOT)
        assert shown.status == 0
        assert shown.said.startswith(f"usage: {program} ")
        assert typed(f"detectnet {name} --help", ROOT).said.startswith(f"usage: detectnet {name} ")


@pytest.mark.parametrize("program", ["detectnet", *PROGRAMS.values()])
def test_help_is_fast_and_needs_no_tensorflow(program):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts[program].split(":")
    code = (
        f"import sys; sys.argv = [{program!r}, '--help']\nfrom {module} import {function}\n"
        f"try: {function}()\nexcept SystemExit: print(sorted({{'tensorflow', 'numpy'}} & {{*sys.modules}}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    best = 9.0
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        best = min(best, time.perf_counter() - started)
    assert done.stdout.splitlines()[-1] == "[]"
    assert best < 1.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "tlt-train --experiment_spc a -r b",
            "unknown flag '--experiment_spc'. Did you mean '--experiment_spec'",
        ),
        ("tlt-train -e a -r b --result_dir=c", "unknown flag '--result_dir'. Did you mean '--results_dir'"),
        ("tlt-train yolo_v3 -e a -r b", "the task 'yolo_v3' is not made here; allowed: detectnet_v2"),
        ("tlt-train -e a -r b c", "the word 'c' belongs to no flag"),
        ("tlt-train -r b", "the following arguments are required: -e"),
        ("tlt-export ssd -m a -o b", "the task 'ssd' is not made here"),
        ("tlt-prune -m a -o b -pth much", "invalid float value: 'much'"),
        ("tlt-train -e a -results=oo", "unknown flag '-results'. Did you mean '--results_dir'"),
        ("tlt-infer -e a -i b -o c -lw 0", "'0' is not a whole number of at least 1"),
        ("tlt-infer -e a -cp b -i c -o d", "-cp names b, but a is given already"),
        ("tlt-infer -e a -i c -o d -r e", "-r names e, but d is given already"),
        ("detectnet trian -e a", "there is no command 'trian'. Did you mean 'train'"),
        ("detectnet", "required: COMMAND"),
    ],
)
def test_what_no_command_understands(line, message, tmp_path):
    done = typed(line, tmp_path)
    assert done.status == 2
    assert message in done.said


@pytest.mark.parametrize(
    "words",
    [
        "-d s.cfg -o out",
        "detectnet_v2 -d s.cfg -o out",
        "--dataset-export-spec s.cfg --output-filename out",
        "--dataset_export_spec=s.cfg --output-filename=out",
    ],
)
def test_spellings_of_one_command_line(words):
    args = command_line("dataset_convert", "x").parse(words.split())
    assert (str(args.dataset_export_spec), str(args.output_filename)) == ("s.cfg", "out")


def test_nvidias_defaults_of_pruning():
    args = command_line("prune", "x").parse(["-m", "a", "-o", "b"])
    assert (args.normalizer, args.equalization_criterion) == ("max", "union")
    assert (args.pruning_granularity, args.pruning_threshold, args.min_num_filters) == (8, 0.1, 16)
    assert args.excluded_layers == []


def test_excluded_layers_are_many():
    args = command_line("prune", "x").parse(["-m", "a", "-el", "one", "two", "-el", "three", "-o", "b"])
    assert args.excluded_layers == ["one", "two", "three"]


def test_a_flag_without_effect_takes_its_value_and_a_negative_number():
    args = command_line("export", "x").parse(
        ["-k", "flp", "--max_batch_size", "-1", "-s", "a.hdf5", "-o", "b"]
    )
    assert set(args.unneeded) == {"-k", "--max_batch_size", "-s"}
    assert args.word == "a.hdf5"


def test_only_numbers_are_joined_to_a_short_flag():
    line = command_line("inference", "x")
    args = line.parse(["-e", "a", "-e", "a", "-i", "b", "-o", "c", "-b4", "-lw2"])
    assert args.line_width == 2
    assert set(args.unneeded) == {"-b"}
    assert command_line("prune", "x").parse(["-m", "a", "-o", "b", "-pth0.25"]).pruning_threshold == 0.25


@pytest.mark.parametrize(
    "before", ["--gpu_index 0", "--gpu_index 0 1", "--gpus 2", "-g 1", "--gpu_index=0 1"]
)
def test_a_model_may_follow_the_numbers_of_the_devices(before):
    args = command_line("export", "x").parse([*before.split(), "a.hdf5", "-o", "b"])
    assert args.word == "a.hdf5"
    assert set(args.unneeded) == {before.partition(" ")[0].partition("=")[0]}


def test_the_log_may_be_named_as_nvidia_does(tmp_path):
    done = typed("tlt-train -e nix.cfg -r out --log_file logs/train.log", tmp_path)
    assert done.status == 1
    assert "no such file" in (tmp_path / "logs/train.log").read_text()
    assert typed("tlt-train -r out --log_file logs/parse.log", tmp_path).status == 2
    assert "are required: -e" in (tmp_path / "logs/parse.log").read_text()


def test_detectnet_v2_may_stand_before_the_command(tmp_path):
    assert typed("detectnet detectnet_v2 export --help", tmp_path).status == 0
    assert typed("detectnet dataset-convert --help", tmp_path).status == 0
