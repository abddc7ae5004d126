"""A job that outlives its Snakemake is found, named, and not joined by a second one."""

import os
import re
import subprocess
import sys

import pytest

from detectnet.errors import UserError
from detectnet.running import hold, job_prefix, jobs_at_work


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "my clone $(x)" / ".snakemake" / "running"


@pytest.fixture
def job(lock, tmp_path):
    """A bash as Snakemake starts it, whose script waits for its standard input to close."""
    lock.parent.mkdir(parents=True)
    lock.touch()
    script = tmp_path / "train_something.py"
    script.write_text("import sys; print('up', flush=True); sys.stdin.read()")
    command = f"{job_prefix(lock)}{sys.executable} {script}; true"
    running = subprocess.Popen(["bash", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"up\n"
    yield running
    running.communicate()


def test_jobs_that_are_at_work_are_named(lock, job):
    found = jobs_at_work(lock)
    assert found[job.pid] == "bash"
    assert sorted(found.values()) == ["bash", "train_something.py"]
    with pytest.raises(UserError, match=r"at work here: .*\d+ \(train_something\.py\)") as raised:
        hold(lock)
    assert re.search(rf"\b{job.pid} \(bash\)", str(raised.value))


def test_when_they_have_ended_the_lock_is_free(lock, job):
    job.communicate()
    assert jobs_at_work(lock) == {}
    assert hold(lock) is not None


def test_a_second_holder_gets_nothing_while_the_first_lives(lock):
    first = hold(lock)
    code = "import pathlib, sys, detectnet.running as r; print(r.hold(pathlib.Path(sys.argv[1])))"
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def other():
        done = subprocess.run([sys.executable, "-c", code, lock], env=paths, capture_output=True, check=True)
        return done.stdout.decode().strip()

    assert other() == "None"
    first.close()
    assert other() != "None"
