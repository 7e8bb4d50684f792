"""A value by load, in logarithms."""

import math

import pytest

from pentameter.drift.curve import Bin, Curve

REACH = math.log(1.12)


def curve(*points, count=12):
    return Curve.through([Bin(count, load, value) for load, value in points], REACH)


def test_between_two_loads_it_is_their_line():
    assert curve((0.05, 1.0), (0.20, 4.0)).at(0.10) == pytest.approx(2.0)


def test_at_the_edge_it_goes_on_for_half_a_step():
    line = curve((0.05, 1.0), (0.20, 4.0))
    assert line.at(0.25) == pytest.approx(5.0)
    assert line.at(0.0) == pytest.approx(0.0)
    assert line.at(0.26) is None
    assert line.at(-0.01) is None


def test_over_a_gap_nothing_is_guessed():
    line = curve((0.05, 1.0), (0.50, 10.0))
    assert line.at(0.05) == 1.0
    assert line.at(0.10) == 1.0  # without a neighbour there is no slope
    assert line.at(0.25) is None
    assert line.at(0.46) == 10.0


def test_a_single_load_speaks_for_its_likes():
    assert curve((0.05, 3.0)).at(0.08) == 3.0
    assert curve((0.05, 3.0)).at(0.2) is None
    assert curve().at(0.0) is None


def test_days_are_medians_by_their_periods():
    """A third of the periods went wrong: what they say is not believed."""
    days = [Bin(10, 0.05, 1.0), Bin(10, 0.05, 1.0), Bin(10, 0.05, 9.0)]
    assert Curve.through(days, REACH).at(0.05) == 1.0
    assert Curve.through([*days, Bin(40, 0.05, 9.0)], REACH).at(0.05) == 9.0


def test_a_load_that_was_seldom_seen_says_nothing():
    assert curve((0.05, 1.0), count=11).at(0.05) is None
