"""Checkpoints: kept, dropped, and never half."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detectnet.errors import UserError
from detectnet.network.checkpoints import Checkpoints, State, only_trainer

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def arrays(value):
    return {"00000": np.full((3, 2), value, np.float32), "00001": np.array(value)}


@pytest.fixture
def store(tmp_path):
    return Checkpoints(tmp_path, "a" * 64)


def test_state_and_arrays_come_back_as_they_were(store):
    state = State(
        step=5, objective_weights=[[0.1, 0.9]], best_score=[0.5, -0.1], history=[{"epoch": 1, "mAP": None}]
    )
    store.save(arrays(1.5), state)
    found, back = store.restore()
    assert back == state
    assert found["00000"].dtype == np.float32
    assert all(np.array_equal(found[key], value) for key, value in arrays(1.5).items())


def test_the_newest_two_and_the_best_are_kept(store):
    best = State(step=10, best_epoch=1)
    store.save_best(arrays(9), best)
    for step in (10, 20, 30, 40):
        store.save(arrays(step), State(step=step))
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "best.npz",
        "step-000000030.npz",
        "step-000000040.npz",
    ]
    assert store.restore()[1].step == 40
    assert store.restore_best(best)[1] == best


def test_what_lies_after_the_checkpoint_gone_on_from_is_dropped(store):
    for step in (1, 2, 30, 40):
        store.save(arrays(step), State(step=step))
    store.save(arrays(3), State(step=3))
    assert [path.name for path in store.folder.iterdir()] == ["step-000000003.npz"]


@pytest.mark.parametrize("damage", ["cut", "gone", "older"])
def test_without_its_best_weights_a_checkpoint_is_passed_over(store, damage, caplog):
    """Else the last weights would be taken for the best."""
    states = [State(step=1), State(step=2, best_epoch=2)]
    store.save_best(arrays(2), states[1])
    for state in states:
        store.save(arrays(state.step), state)
    assert store.restore()[1].step == 2
    path = store.folder / "best.npz"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "gone":
        path.unlink()
    else:
        store.save_best(arrays(1), State(step=1, best_epoch=1))
    assert store.restore()[1].step == 1
    assert "of epoch 2, are lost" in caplog.text
    with pytest.raises(UserError, match="best weights, of epoch 2"):
        store.restore_best(states[1])


def test_best_weights_newer_than_the_checkpoint_are_no_harm(store):
    """A stop between the two is common; the epoch is trained again and its weights written again."""
    store.save(arrays(1), State(step=1, best_epoch=1))
    store.save_best(arrays(2), State(step=2, best_epoch=2))
    assert store.restore()[1].step == 1


@pytest.mark.parametrize("damage", [b"", None])
def test_a_damaged_file_is_passed_over_for_the_one_before(store, damage):
    for step in (1, 2):
        store.save(arrays(step), State(step=step))
    last = store.folder / "step-000000002.npz"
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert store.restore()[1].step == 1


def test_half_written_files_are_never_looked_at(store):
    store.save(arrays(1), State(step=1))
    (store.folder / ".step-000000002.x.part.npz").write_bytes(b"half")
    assert store.restore()[1].step == 1


def test_another_spec_starts_afresh_says_so_and_leaves_the_old_ones(store, tmp_path, caplog):
    store.save(arrays(1), State(step=1))
    with caplog.at_level(logging.INFO, logger="detectnet"):
        other = Checkpoints(tmp_path, "b" * 64)
    assert "Starting afresh" in caplog.text
    assert "changed code" in caplog.text
    assert other.restore() is None
    assert store.restore()[1].step == 1


def test_clearing_removes_these_checkpoints_and_no_others(store, tmp_path):
    other = Checkpoints(tmp_path, "b" * 64)
    for one in (store, other):
        one.save(arrays(1), State(step=1))
        one.save_best(arrays(1), State(step=1))
    store.clear()
    store.clear()
    assert store.restore() is None
    assert not store.folder.exists()
    assert other.restore()[1].step == 1


def test_the_folder_is_free_again_when_its_trainer_is_killed(tmp_path):
    folder = tmp_path / "checkpoints"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from detectnet.network.checkpoints import only_trainer\n"
        "with only_trainer(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True, cwd=SCRIPTS
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {holder.pid} ") as caught, only_trainer(folder):
            pytest.fail("two trainers at once")
        assert str(tmp_path) in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()
    with only_trainer(folder):
        assert "process" in (folder / "lock").read_text()
