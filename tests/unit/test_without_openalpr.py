"""The run that leaves one source out: what is trained and measured on, and the spec at half the width."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from detectnet import spec

ROOT = Path(__file__).resolve().parents[2]
METRICS = "results/{run}/train/evaluation/metrics.json"
NEGATIVES = {"negatives_openalpr_gray", "negatives_road_signs"}


def planned(folder, run, *configs):
    """Words of the commands of a dry run, by script."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    done = subprocess.run(
        ["snakemake", METRICS.format(run=run), "-n", "-p", *place, "--configfile", *configs],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"python \S*scripts/(\w+)\.py (.*)", done.stdout)
    return {script: shlex.split(line) for script, line in found}


def sources(words, option, fold):
    """The sources whose shards of a fold stand behind an option."""
    start = words.index(option) + 1
    until = next(i for i, word in enumerate(words[start:], start) if word.startswith("--"))
    names = [Path(one).name.split(f"-fold-{fold:03d}-of-002") for one in words[start:until]]
    assert names and all(len(one) == 2 for one in names), "shards of the other fold"
    return {source for source, _ in names}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("clone")
    (made / "config").symlink_to(ROOT / "config")
    return made


PLATES = "config/plates.yaml"
WITHOUT = "config/plates_without_openalpr.yaml"


def test_the_real_run_keeps_the_negatives_for_measuring(folder):
    commands = planned(folder, "plates", PLATES)
    trained = sources(commands["train_detector"], "--training", 1)
    assert trained == {
        *("kaggle_car_plates", "openalpr_benchmarks", "openimages_plates", "rendered", "romanian_dashcam")
    }
    assert sources(commands["evaluate_detector"], "--unseen", 1) == NEGATIVES
    assert sources(commands["evaluate_detector"], "--validation", 0) == trained | NEGATIVES


def test_without_openalpr_every_source_has_one_fold(folder):
    commands = planned(folder, "without_openalpr", PLATES, WITHOUT)
    split = commands["split_groups"]
    fixed = {split[i + 1] for i, word in enumerate(split) if word == "--fixed"}
    others = {"kaggle_car_plates", "openimages_plates", "rendered", "romanian_dashcam", *NEGATIVES}
    assert fixed == {"openalpr_benchmarks=validation", *(f"{name}=training" for name in others)}
    assert sources(commands["evaluate_detector"], "--unseen", 1) == NEGATIVES
    assert not sources(commands["train_detector"], "--training", 1) & NEGATIVES


def test_the_spec_is_that_of_the_real_run_at_half_the_width():
    real = spec.load(ROOT / "config/specs/plates/experiment_config.cfg", "experiment").to_dict()
    half = spec.load(ROOT / "config/specs/without_openalpr/experiment_config.cfg", "experiment").to_dict()
    assert half["model_config"].pop("width_multiplier") == 0.5
    assert real["model_config"].pop("width_multiplier", 1.0) == 1.0
    for one in (real, half):
        for source in one["dataset_config"]["data_sources"]:
            source.pop("tfrecords_path")
    assert half == real
