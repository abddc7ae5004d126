"""`specs.infer` of the workflow's config: either kind of settings, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prepared import ROOT, SPECS

DEMO = "config/specs/demo"
NAMES = {
    "dataset": f"{DEMO}/tlt_dataconvert_config.cfg",
    "train": f"{DEMO}/experiment_config.cfg",
    "retrain": f"{DEMO}/prunned_config.cfg",
}


def planned(folder, infer):
    """What the workflow would type for its inference."""
    command = ["snakemake", "infer", "--dry-run", "--printshellcmds", "--quiet", "host"]
    specs = f"specs={json.dumps({**NAMES, 'infer': infer})}"
    return subprocess.run(
        [*command, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--config", specs],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inference.prototxt", "cluster_params.json"])
def test_both_kinds_of_settings_drive_the_rule(tmp_path, name):
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / name).write_text(SPECS[name])
    done = planned(tmp_path, name)
    assert done.returncode == 0, done.stderr
    assert f"--cluster-params {name}" in done.stdout + done.stderr


@pytest.mark.slow
def test_another_kind_of_spec_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    done = planned(tmp_path, NAMES["train"])
    assert done.returncode != 0
    assert "does not say how inference clusters" in done.stdout + done.stderr
