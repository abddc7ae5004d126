"""The first training depends on the weights that it starts from, wherever they are named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "start.hdf5").write_bytes(b"weights")
    return tmp_path


def dry_run(folder, *config, show=("--dry-run", "--printshellcmds", "--quiet", "host")):
    """What Snakemake would do for the training, with its shell commands unless something else is shown."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return subprocess.run(
        ["snakemake", "train", *show, *place, "--config", *config],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )


def own_spec(folder, file):
    """The demo's experiment spec with a ``pretrained_model_file``, and how to name it."""
    text = (ROOT / "config/specs/demo/experiment_config.cfg").read_text()
    assert text.count("model_config {") == 1
    given = text.replace("model_config {", f'model_config {{\n  pretrained_model_file: "{file}"')
    (folder / "own.cfg").write_text(given)
    demo = "config/specs/demo"
    names = {"dataset": f"{demo}/tlt_dataconvert_config.cfg", "retrain": f"{demo}/prunned_config.cfg"}
    return f"specs={json.dumps({**names, 'train': 'own.cfg', 'infer': f'{demo}/cluster_params.json'})}"


def test_a_file_in_the_config_is_fetched_and_handed_to_the_training(folder):
    done = dry_run(folder, 'pretrained={"file": "start.hdf5", "name": "mine.hdf5"}')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--file start.hdf5 --mirror" in done.stdout
    assert "--out data/pretrained/mine.hdf5" in done.stdout
    assert "--initial-model data/pretrained/mine.hdf5 " in done.stdout


def test_the_specs_own_file_is_an_input_of_the_training(folder):
    done = dry_run(folder, own_spec(folder, "start.hdf5"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fetch_pretrained" not in done.stdout
    assert "--initial-model start.hdf5 " in done.stdout
    graph = dry_run(folder, own_spec(folder, "start.hdf5"), show=("--filegraph",)).stdout
    node = next(part for part in graph.split("<table") if ">train_detector<" in part)
    assert ">start.hdf5<" in node[: node.index("train/model.keras")]


def test_without_any_the_training_starts_at_random(folder):
    done = dry_run(folder, "run=other")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fetch_pretrained" not in done.stdout and "--initial-model data" not in done.stdout


@pytest.mark.parametrize("place", ["config", "spec"])
def test_a_missing_file_stops_before_anything_runs(folder, place):
    missing = 'pretrained={"file": "none.hdf5"}' if place == "config" else own_spec(folder, "none.hdf5")
    done = dry_run(folder, missing)
    assert done.returncode != 0
    where = "pretrained.file" if place == "config" else "own.cfg:"
    assert "the weights to start from do not exist: none.hdf5" in done.stderr + done.stdout
    assert where in done.stderr + done.stdout
