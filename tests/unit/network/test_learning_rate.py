"""The learning rate against the reference's numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet.network.schedule import SoftStartAnnealing

USUAL = SoftStartAnnealing(5e-6, 5e-4, 0.1, 0.7)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 5e-6), (50, 5e-5), (100, 5e-4), (400, 5e-4), (700, 5e-4), (850, 5e-5), (1000, 5e-6)],
)
def test_rate_of_the_reference_numbers(step, expected):
    assert USUAL.rate(step, 1000) == pytest.approx(expected, rel=1e-9)


def test_without_soft_start_and_annealing_the_rate_is_the_maximum():
    flat = SoftStartAnnealing(5e-6, 5e-4, 0.0, 1.0)
    assert {flat.rate(step, 10) for step in range(11)} == {5e-4}


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_rate_stays_between_its_ends(place):
    assert 5e-6 * (1 - 1e-9) <= USUAL.rate(*place) <= 5e-4 * (1 + 1e-9)
