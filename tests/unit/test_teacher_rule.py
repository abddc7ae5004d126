"""A retraining with distillation learns from the network before pruning; without it no rule has a teacher."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEACHER = "results/demo/train/model.keras"


def commands(folder, target, *config):
    """The training commands that Snakemake would run for a target."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    made = subprocess.run(
        ["snakemake", target, "--dry-run", "--printshellcmds", "--quiet", "host", *place, *config],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    assert made.returncode == 0, made.stdout + made.stderr
    lines = [line for line in made.stdout.splitlines() if "train_detector.py" in line and "--spec" in line]
    return {"retrain" if "retrain_detector.py" in line else "train": line for line in lines}


def own_spec(folder, name, lesson):
    text = (ROOT / f"config/specs/demo/{name}.cfg").read_text()
    assert text.count("training_config {") == 1
    path = folder / f"{name}.cfg"
    path.write_text(text.replace("training_config {", f"training_config {{\n  distillation {{ {lesson} }}"))
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    return tmp_path


def test_without_distillation_there_is_no_teacher(folder):
    made = commands(folder, "retrain")
    assert made.keys() == {"train", "retrain"}
    assert not any("--teacher" in one for one in made.values())


def test_the_retrained_network_learns_from_the_graphs_own(folder):
    own = own_spec(folder, "prunned_config", 'teacher_model_file: "elsewhere.keras"')
    made = commands(folder, "retrain", "--config", f"specs={{retrain: {own}}}")
    assert f" --teacher {TEACHER} " in made["retrain"]
    assert "--teacher" not in made["train"]


def test_the_first_training_learns_from_the_file_of_its_spec(folder):
    (folder / "wide.keras").write_bytes(b"model")
    own = own_spec(folder, "experiment_config", 'teacher_model_file: "wide.keras"')
    made = commands(folder, "train", "--config", f"specs={{train: {own}}}")
    assert " --teacher wide.keras " in made["train"]
