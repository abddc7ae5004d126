"""The same targets as jobs of a real Slurm: the same files, also when jobs and nodes die."""

import subprocess
import threading
import time

import pytest
from calling import environment
from conftest import TINY, Project, copy_project
from slurm import Cluster, slurm_cluster

pytestmark = pytest.mark.slow

CLUSTER = ["--workflow-profile", "profiles/slurm"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm_cluster(tmp_path_factory.mktemp("slurm") / "cluster") as started:
        yield started


def submitted(project: Project, *targets: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["snakemake", *targets, *CLUSTER, "--configfile", TINY],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said_by(process: subprocess.Popen, seconds: float = 600) -> str:
    said, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, said[-5000:]
    return said


def first_running(cluster: Cluster, rule: str) -> str:
    """Number of the first job of a rule that runs."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        for number, state, comment in cluster.jobs():
            if state == "RUNNING" and rule in comment:
                return number
        time.sleep(0.1)
    raise AssertionError(f"no job of {rule} ran")


def records(project: Project) -> dict[str, bytes]:
    folder = project.folder / "results/tiny/tfrecords"
    made = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    return made | {"split.csv": (project.folder / "results/tiny/split.csv").read_bytes()}


def test_a_cluster_makes_the_same_records_though_a_job_is_cancelled(cluster, finished, tmp_path):
    project = copy_project(tmp_path / "project")
    process = submitted(project, "dataset")
    cancel = threading.Thread(
        target=lambda: subprocess.run(["scancel", first_running(cluster, "letterbox_pictures")], check=True)
    )
    cancel.start()
    said = said_by(process)
    cancel.join()
    assert "Trying to restart job" in said
    assert records(project) == records(finished)
