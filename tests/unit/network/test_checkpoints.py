"""Checkpoints: kept, dropped, and never half."""

import logging

import numpy as np
import pytest

from detectnet.network.checkpoints import Checkpoints, State


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
    store.save_best(arrays(9), State(step=10))
    for step in (10, 20, 30, 40):
        store.save(arrays(step), State(step=step))
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "best.npz",
        "step-000000030.npz",
        "step-000000040.npz",
    ]
    assert store.restore()[1].step == 40
    assert store.restore_best()[1].step == 10


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
    assert other.restore() is None
    assert store.restore()[1].step == 1
