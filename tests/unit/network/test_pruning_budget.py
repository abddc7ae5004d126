"""Widths within a budget: against every possible choice, and on networks."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from detectnet.devices import NANO
from detectnet.errors import UserError
from detectnet.network.channels import graph, prunable_groups
from detectnet.network.cost import CostModel
from detectnet.network.pruning import protected
from detectnet.network.width_search import Budget, Curve, bound_by, cheapest, options_of, uniform

WIDTHS = np.array([8, 16, 24, 32, 40])


@pytest.fixture(scope="module")
def cost():
    """Of four convolutions one after the other, early ones with few weights and many pixels."""
    x = inputs = keras.Input((64, 64, 3))
    for number, stride in enumerate((1, 2, 2, 1)):
        x = layers.Conv2D(40, 3, strides=stride, padding="same", name=f"conv_{number}")(x)
    model = keras.Model(inputs, layers.Conv2D(5, 1, name="output")(x))
    nodes = graph(model)
    return CostModel(model, nodes, prunable_groups(nodes, protected(nodes, model, ())), NANO)


def random_curves(seed):
    """Rises that fall with the width; some convex, some with plateaus and cliffs."""
    random = np.random.default_rng(seed)
    curves = []
    for _ in range(4):
        steps = random.exponential(size=4) ** random.integers(1, 4) * (random.random(4) > 0.3)
        curves.append(Curve(WIDTHS, np.append(np.cumsum(steps)[::-1], 0.0)))
    return curves


BUDGETS = [
    Budget(parameters=0.3),
    Budget(gflop=0.02),
    Budget(milliseconds=0.1),
    Budget(parameters=0.4, gflop=0.03),
    Budget(parameters=0.5, gflop=0.04, milliseconds=0.13),
]


def everything(cost, curves, budget):
    """Of all choices within the budget the smallest sum of rises."""
    choices = np.array(list(itertools.product(range(len(WIDTHS)), repeat=4)))
    fits = budget.use(cost(WIDTHS[choices]), cost(cost.widths)).max(axis=-1) <= 1
    assert 0 < fits.sum() < len(choices)
    return min(rise(curves, WIDTHS[one]) for one in choices[fits])


def rise(curves, widths):
    return sum(curve.rises[np.searchsorted(WIDTHS, width)] for curve, width in zip(curves, widths))


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_the_choice_is_near_the_best_of_all(cost, budget):
    exact = 0
    for seed in range(40):
        curves = random_curves(seed)
        widths = cheapest(cost, curves, budget)
        assert (budget.use(cost(widths), cost(cost.widths)) <= 1).all()
        best = everything(cost, curves, budget)
        assert rise(curves, widths) <= 1.5 * best
        exact += np.isclose(rise(curves, widths), best)
    assert exact >= 0.8 * 40


def test_what_may_cost_everything_is_not_pruned(cost):
    widths = cheapest(cost, random_curves(1), Budget(parameters=1.0))
    assert (widths == 40).all()
    assert not bound_by(cost, [WIDTHS] * 4, Budget(parameters=1.0), widths)


@pytest.mark.parametrize(
    ("budget", "binding"),
    [
        (Budget(parameters=0.4, gflop=1.0), ["parameters"]),
        (Budget(parameters=1.0, gflop=0.02), ["gflop"]),
        (Budget(parameters=1.0, milliseconds=0.1), ["milliseconds"]),
        (Budget(parameters=0.9, milliseconds=0.1), ["parameters", "milliseconds"]),
    ],
    ids=str,
)
def test_the_limit_that_binds_is_named(cost, budget, binding):
    curves = [Curve(WIDTHS, np.linspace(1, 0, 5)) for _ in range(4)]
    assert bound_by(cost, [WIDTHS] * 4, budget, cheapest(cost, curves, budget)) == binding


def test_time_is_saved_early_and_parameters_late(cost):
    curves = [Curve(WIDTHS, np.linspace(1, 0, 5)) for _ in range(4)]
    fast = cheapest(cost, curves, Budget(milliseconds=0.06))
    small = cheapest(cost, curves, Budget(parameters=0.6))
    assert fast[0] < small[0] and fast[1:].sum() > small[1:].sum()


def test_uniform_widths_are_the_widest_of_one_share(cost):
    options = [np.arange(1, 41)] * 4
    for budget in BUDGETS:
        widths = uniform(cost, options, budget)
        assert len(set(widths)) == 1
        assert budget.use(cost(widths), cost(cost.widths)).max() <= 1
        assert budget.use(cost(widths + 1), cost(cost.widths)).max() > 1


def test_options_are_multiples_from_the_minimum_on_and_the_full_width():
    assert options_of(60, 8, 20).tolist() == [24, 32, 40, 48, 56, 60]
    assert options_of(16, 8, 16).tolist() == [16]
    assert options_of(10, 8, 16).tolist() == [10]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "has no limit"),
        ({"parameters": 1.2}, "up to 1"),
        ({"gflop": 0.0}, "budget.gflop: .*above 0"),
        ({"milliseconds": -1.0}, "above 0"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits, words):
    with pytest.raises(UserError, match=words):
        Budget(**limits)
