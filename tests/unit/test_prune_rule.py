"""Pruning gets the training fold where it has a budget to spend, and nothing of it otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import prune_detector

ROOT = Path(__file__).resolve().parents[2]


def command(folder, *config):
    """The arguments that the rule gives its script, parsed by the script itself."""
    if not (folder / "config").exists():
        (folder / "config").symlink_to(ROOT / "config")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = ["--dry-run", "--printshellcmds", "--snakefile", str(ROOT / "Snakefile")]
    done = subprocess.run(
        ["snakemake", "prune", *options, "--directory", str(folder), "--config", *config],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(one for one in done.stdout.splitlines() if "prune_detector.py " in one)
    return prune_detector.arguments().parse_args(line.split("prune_detector.py ")[1].split())


@pytest.mark.slow
def test_a_ratio_needs_no_pictures(tmp_path):
    given = command(tmp_path, 'prune={"ratio": 0.2, "exclude": ["conv1"]}')
    assert (given.ratio, given.threshold, given.exclude) == (0.2, None, ["conv1"])
    assert given.training is None and given.max_parameters is None


@pytest.mark.slow
def test_a_budget_is_measured_on_the_training_fold(tmp_path):
    wanted = '{"ratio": null, "budget": {"parameters": 0.15, "gflop": 3.5}, "calibration_pictures": 9}'
    given = command(tmp_path, f"prune={wanted}")
    assert (given.ratio, given.max_parameters, given.max_gflop, given.max_milliseconds) == (
        None,
        0.15,
        3.5,
        None,
    )
    assert given.calibration_pictures == 9 and given.recalibrate
    assert given.spec.is_file() or (tmp_path / given.spec).is_file()
    assert given.training and all("-fold-001-" in str(path) for path in given.training)
