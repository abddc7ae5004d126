"""Which stages are looked at as DeepStream does, and with what of the config."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate_detector
from detectnet.config import complete
from detectnet.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "config" / "schema.yaml"
LEAST = {"run": "r", "sources": {}, "specs": dict.fromkeys(("dataset", "train", "retrain", "infer"), "x")}
SOURCE = {"adapter": "folder", "folder": "f", "licence": "mine"}


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory):
    """The arguments that the rule gives its script for every stage, parsed by the script itself."""
    folder = tmp_path_factory.mktemp("rule")
    (folder / "config").symlink_to(ROOT / "config")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = ["--dry-run", "--printshellcmds", "--snakefile", str(ROOT / "Snakefile"), "--directory"]
    wanted = "deepstream={goal: {recall: 0.9}, cluster_mode: 2, width: 1280, height: 720}"
    done = subprocess.run(
        ["snakemake", "evaluate", *options, str(folder), "--config", wanted],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [one for one in done.stdout.splitlines() if "evaluate_detector.py " in one]
    read = evaluate_detector.arguments().parse_args
    found = [read(shlex.split(line.split("evaluate_detector.py ")[1])) for line in lines]
    return {one.stage: one for one in found}


@pytest.mark.slow
def test_what_is_deployed_is_looked_at_and_comparisons_are_not(evaluations):
    for stage in ("train", "prune"):
        assert evaluations[stage].deepstream is None
    for stage in ("retrain", "onnx"):
        given = evaluations[stage]
        assert (given.deepstream, given.goal, given.cluster_mode) == (Path("data/kitti"), "recall=0.9", "2")
    # Another stream leaves the thresholds of the export alone.
    assert evaluations["retrain"].frame is None and evaluations["onnx"].frame == [1280, 720]


def config(**deepstream):
    return complete(LEAST | {"sources": {"one": SOURCE}, "deepstream": deepstream}, SCHEMA)["deepstream"]


def test_the_config_s_goals():
    assert config()["goal"] == "f1" and config()["cluster_mode"] == "auto"
    assert config(goal={"precision": "0.95"})["goal"] == {"precision": 0.95}
    assert config(cluster_mode="3")["cluster_mode"] == 3


@pytest.mark.parametrize(
    ("deepstream", "said"),
    [
        ({"goal": "f2"}, r"deepstream.goal: 'f2' cannot be used. Allowed: f1, \{precision: 0.95\}"),
        ({"goal": {"precison": 0.9}}, "precison: unknown key. Did you mean 'precision'"),
        ({"goal": {"precision": 1.5}}, "deepstream.goal.precision: 1.5"),
        ({"goal": {}}, "deepstream.goal"),
        ({"goal": {"precision": 0.9, "recall": 0.9}}, "deepstream.goal"),
        ({"cluster_mode": 0}, "deepstream.cluster_mode: '0' is not allowed"),
    ],
)
def test_goals_that_cannot_be_used_are_refused(deepstream, said):
    with pytest.raises(UserError, match=said):
        config(**deepstream)
