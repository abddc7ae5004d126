"""The learning rate against the reference's numbers, and early stopping against an example worked by hand."""

import pytest
import record_files
from hypothesis import given
from hypothesis import strategies as st

from detectnet.errors import UserError
from detectnet.network.schedule import EarlyStopping, Patience, SoftStartAnnealing, schedule_of

USUAL = SoftStartAnnealing(5e-6, 5e-4, 0.1, 0.7)
NEW = Patience()


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 5e-6), (50, 5e-5), (100, 5e-4), (400, 5e-4), (700, 5e-4), (850, 5e-5), (1000, 5e-6)],
)
def test_rate_of_the_reference_numbers(step, expected):
    assert USUAL.rate(step, 1000, NEW) == pytest.approx(expected, rel=1e-9)


def test_without_soft_start_and_annealing_the_rate_is_the_maximum():
    flat = SoftStartAnnealing(5e-6, 5e-4, 0.0, 1.0)
    assert {flat.rate(step, 10, NEW) for step in range(11)} == {5e-4}


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_rate_stays_between_its_ends(place):
    assert 5e-6 * (1 - 1e-9) <= USUAL.rate(*place, NEW) <= 5e-4 * (1 + 1e-9)


def test_a_schedule_of_fixed_length_does_not_look_at_validation():
    assert USUAL.validated(NEW, 10, 1, 0.5) == NEW


# Ten steps an epoch, two epochs of soft start, two of annealing, patience for three.
EARLY = EarlyStopping(1e-6, 1e-2, soft_start=2, annealing=2, patience=3, steps_per_epoch=10)


def after(costs, schedule=EARLY):
    """The patience after each of these epochs' validation costs; None is no validation."""
    patience, seen = NEW, []
    for epoch, cost in enumerate(costs, start=1):
        if cost is not None:
            patience = schedule.validated(patience, 10 * epoch, epoch, cost)
        seen.append(patience)
    return seen


def test_the_rate_rises_then_waits_then_falls_then_waits():
    def rate(step, annealing_step=None):
        return EARLY.rate(step, 1000, Patience(annealing_step=annealing_step))

    assert [rate(step) for step in (0, 5, 10, 15, 20, 500)] == pytest.approx(
        [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-2]
    )
    falling = [rate(step, 50) for step in (49, 50, 55, 60, 65, 70, 300)]
    assert falling == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-6])


def test_without_soft_start_the_rate_starts_at_the_maximum():
    assert EarlyStopping(1e-6, 1e-2, 0, 2, 3, 10).rate(0, 1000, NEW) == pytest.approx(1e-2)


def test_patience_first_begins_the_annealing_and_then_stops():
    seen = after([1.0, 0.9, 0.95, 0.92, 0.91, 0.905, 0.93, 0.94, 0.95])
    assert seen[3] == Patience(0.9, 2)
    # epoch 5 is the third without 0.9: the best is 0.91 from here, though 0.9 was better
    assert seen[4] == Patience(0.91, 5, annealing_step=50)
    assert seen[5] == Patience(0.905, 6, annealing_step=50)
    assert seen[7] == Patience(0.905, 6, annealing_step=50)
    assert seen[8] == Patience(0.905, 6, annealing_step=50, stopped=True)


def test_training_does_not_stop_before_the_annealing_is_done():
    long = EarlyStopping(1e-6, 1e-2, soft_start=0, annealing=6, patience=1, steps_per_epoch=10)
    seen = after([1.0] * 9, long)
    assert seen[1].annealing_step == 20
    assert [one.stopped for one in seen] == [False] * 7 + [True] * 2  # 8 epochs - 2 = 6


def test_a_better_cost_renews_the_patience_and_an_equal_one_does_not():
    seen = after([1.0, 0.9, 0.8, 0.7, 0.6])
    assert seen[-1] == Patience(0.6, 5)
    assert after([1.0] * 4)[-1].annealing_step == 40


def test_patience_is_counted_in_epochs_with_validation_now_and_then():
    seen = after([None, 1.0, None, 1.0, None, 1.0])
    assert [one.annealing_step for one in seen] == [None] * 5 + [60]


def early_spec(values="soft_start_epochs: 1 annealing_epochs: 2 patience_steps: 2", epochs="6", **words):
    given = f"min_learning_rate: 5e-6 max_learning_rate: 2e-3 {values}"
    schedule = f"early_stopping_annealing_schedule {{ {given} }}"
    return record_files.experiment(epochs=epochs, schedule=schedule, **words)


def test_the_spec_chooses_the_schedule():
    assert schedule_of(early_spec(), 7) == EarlyStopping(5e-6, 2e-3, 1, 2, 2, 7)
    assert schedule_of(record_files.experiment(), 7) == SoftStartAnnealing(5e-6, 2e-3, 0.1, 0.7)


@pytest.mark.parametrize(("patience", "epochs", "period"), [(1, "6", "2"), (7, "6", "1")])
def test_patience_that_cannot_work_is_refused(patience, epochs, period):
    values = f"annealing_epochs: 2 patience_steps: {patience}"
    with pytest.raises(UserError, match="patience"):
        schedule_of(early_spec(values, epochs, period=period), 7)
