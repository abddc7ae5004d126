"""A killed run leaves nothing that looks finished, and the same command goes on from the checkpoint.

A job that outlives its Snakemake is not started a second time beside itself.
"""

import os
import signal
import subprocess
import time

import pytest
from calling import environment

pytestmark = pytest.mark.slow


def wait_for(condition, running, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        assert running.poll() is None, "the run ended by itself"
        time.sleep(0.05)
    raise AssertionError(f"it did not happen in {seconds} s")


def test_killed_process_group_and_the_same_command_again(unfinished):
    unfinished.edit("config/specs/tiny/experiment_config.cfg", "num_epochs: 2", "num_epochs: 40")
    log = (unfinished.folder / "screen.txt").open("w")
    running = subprocess.Popen(
        unfinished.command("train"),
        cwd=unfinished.folder,
        env=environment(),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    status = unfinished.folder / "results/tiny/train/running.jsonl"
    try:
        # The checkpoint of the first epoch is written before the second one ends.
        wait_for(lambda: status.is_file() and "epoch 2 of" in status.read_text(), running, 300)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    trained = unfinished.folder / "results/tiny/train"
    # The status log grows while training runs; everything else comes at the end or not at all.
    assert {path.name for path in trained.iterdir() if path.is_file()} == {"running.jsonl"}

    said = unfinished.run("train")
    assert "Going on after step" in said
    assert (trained / "model.keras").is_file()
    assert not status.exists()
    history = (trained / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history[1:]] == [str(epoch) for epoch in range(1, 41)]


def test_a_job_that_outlives_snakemake_is_waited_for(unfinished):
    unfinished.edit("config/tiny.yaml", "count: 24", "count: 2000")
    wanted = "data/raw/rendered_training/source.json"
    running = subprocess.Popen(
        unfinished.command(wanted),
        cwd=unfinished.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: list(unfinished.folder.glob("data/raw/rendered_training/images/*")), running, 120)
        running.kill()
        running.wait()
        said = unfinished.run(wanted, check=False)
        assert "still at work here" in said
        assert "(render_scenes.py)" in said
        assert "Rendering the scenes" not in said
    finally:
        os.killpg(running.pid, signal.SIGKILL)
    unfinished.edit("config/tiny.yaml", "count: 2000", "count: 2")
    assert "Rendering the scenes" in unfinished.run(wanted)
