"""Paths of the config may hold spaces, quotes, commands of a shell; those that are no inputs, braces too."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ODD = "my $(touch owned) 'files'"
BRACED = f"{ODD} {{x}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory whose config names nothing but odd paths."""
    made = tmp_path_factory.mktemp("odd paths")
    odd = made / ODD
    shutil.copytree(ROOT / "config" / "specs" / "demo", made / BRACED)
    odd.mkdir()
    (odd / "film").mkdir()
    for name in ("film/a.jpg", "split.csv", "list.txt", "start.hdf5", "corrections.csv"):
        (odd / name).touch()
    commit, archive = "0" * 40, {"name": "all pictures.tar", "sha256": "0" * 64, "url": f"file:///{BRACED}"}
    source = {"adapter": "voc", "licence": "mine", "classes": {BRACED: "plate"}}
    upstream = {"git": f"{BRACED}/repository", "commit": commit, "files": f"{ODD}/list.txt"}
    config = {
        "run": "odd",
        "specs": {
            name: f"{BRACED}/{file}"
            for name, file in (
                ("dataset", "tlt_dataconvert_config.cfg"),
                ("train", "experiment_config.cfg"),
                ("retrain", "prunned_config.cfg"),
                ("infer", "cluster_params.json"),
            )
        },
        "sources": {
            "own": {**source, "folder": f"{BRACED}/pictures"},
            "packed": {**source, "archive": archive, "upstream": upstream},
        },
        "pretrained": {"file": f"{ODD}/start.hdf5"},
        "corrections": f"{ODD}/corrections.csv",
        "split": {"keep": f"{ODD}/split.csv"},
        "prune": {"exclude": [BRACED]},
        "audit": {"model": f"{ODD}/start.hdf5"},
        "infer": {"film": f"{ODD}/film"},
        "deepstream": {"uri": f"file:///{BRACED}/film.mp4"},
        "report": {"title": BRACED},
        "engine": {"backends": []},
    }
    (made / "odd config.yaml").write_text(yaml.safe_dump(config))
    return made


@pytest.fixture(scope="module")
def commands(folder):
    """The shell commands that Snakemake would run, by script, as the words that bash makes of them."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            *("snakemake", "all", "audit", "--dry-run", "--printshellcmds"),
            *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
            *("--configfile", str(folder / "odd config.yaml")),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        if match := re.search(r"python \S*scripts/(\w+)\.py ", line):
            found.setdefault(match[1], []).append(line[match.start() :])
    return found


@pytest.mark.parametrize(
    ("script", "option", "wanted"),
    [
        ("fetch_pretrained", "--file", f"{ODD}/start.hdf5"),
        ("pack_tfrecords", "--spec", f"{BRACED}/tlt_dataconvert_config.cfg"),
        ("pack_tfrecords", "--corrections", f"{ODD}/corrections.csv"),
        ("split_groups", "--previous", f"{ODD}/split.csv"),
        ("train_detector", "--spec", f"{BRACED}/experiment_config.cfg"),
        ("train_detector", "--initial-model", "data/pretrained/start.hdf5"),
        ("prune_detector", "--exclude", BRACED),
        ("retrain_detector", "--spec", f"{BRACED}/prunned_config.cfg"),
        ("evaluate_detector", "--spec", f"{BRACED}/prunned_config.cfg"),
        ("infer_pictures", "--spec", f"{BRACED}/prunned_config.cfg"),
        ("infer_pictures", "--cluster-params", f"{BRACED}/cluster_params.json"),
        ("infer_pictures", "--source", f"{ODD}/film"),
        ("export_onnx", "--spec", f"{BRACED}/prunned_config.cfg"),
        ("audit_labels", "--spec", f"{BRACED}/experiment_config.cfg"),
        ("audit_labels", "--model", f"{ODD}/start.hdf5"),
    ],
)
def test_a_path_reaches_the_script_as_one_word(commands, script, option, wanted):
    words = shlex.split(commands[script][-1])
    assert words[words.index(option) + 1] == wanted


def test_whole_entries_reach_their_scripts_as_one_word(commands):
    for script, option, count in (
        ("fetch_source", "--declaration", 2),
        ("convert_kitti", "--declaration", 2),
        ("write_deepstream", "--uri", 1),
        ("build_report", "--config", 1),
    ):
        assert len(commands[script]) == count
        for command in commands[script]:
            words = shlex.split(command)
            assert BRACED in words[words.index(option) + 1]


def test_bash_runs_nothing_that_a_path_holds(commands, folder, tmp_path):
    """The true judge: bash itself, with a python that only shows its words."""
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "DETECTNET_MIRROR": ""}
    for lines in commands.values():
        for line in lines:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", line],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, line
    assert not (tmp_path / "owned").exists()
    assert not (folder / "owned").exists()
