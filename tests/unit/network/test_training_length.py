"""How long a training is, in steps and in processor time."""

from types import SimpleNamespace

import pytest
import record_files

from detectnet.network import trainer
from detectnet.network.checkpoints import State
from detectnet.network.schedule import steps_of_epoch


@pytest.mark.parametrize(
    ("training", "pictures", "steps"),
    [("", 17, 5), ("", 16, 4), ("", 1, 1), ("steps_per_epoch: 3", 17, 3), ("steps_per_epoch: 9", 1, 9)],
)
def test_an_epoch_draws_every_picture_once_or_has_the_steps_that_the_spec_gives(training, pictures, steps):
    config = record_files.experiment(training=training, batch="4").training_config
    assert steps_of_epoch(config, pictures) == steps


def test_the_processor_time_goes_on_from_the_checkpoint(monkeypatch):
    """100 s are known of the run before; 7 s pass before the first checkpoint, 5 s more before the second."""
    clock = iter([40.0, 47.0, 52.0])
    monkeypatch.setattr(trainer.time, "process_time", lambda: next(clock))
    saved = []
    checkpoints = SimpleNamespace(
        restore=lambda: ({}, State(cpu_seconds=100.0)),
        save=lambda arrays, state: saved.append(state.cpu_seconds),
    )
    plan = SimpleNamespace(loss=SimpleNamespace(initial_weight=[(1.0, 1.0)]), batch=4, total_steps=9)
    network = SimpleNamespace(weights=[])
    step = SimpleNamespace(
        losses=("loss",), model=network, average=None, optimizer=SimpleNamespace(variables=[])
    )
    made = trainer.Trainer(plan, step, None, None, None, checkpoints)
    made.restore()
    made._save()
    made._save()
    assert saved == [107.0, 112.0]
