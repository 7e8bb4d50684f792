"""Pool adjacent violators against hand-computed fits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.capacity.isotonic import antitonic, last_at_least


def test_what_falls_already_is_left_alone():
    assert antitonic([0.9, 0.5, 0.5, 0.1], [1, 2, 3, 4]) == pytest.approx([0.9, 0.5, 0.5, 0.1])


def test_one_violation_becomes_the_weighted_mean_of_its_two_neighbours():
    # By hand: 0.4 (weight 1) before 0.8 (weight 3) -> (0.4 + 2.4) / 4 = 0.7 twice.
    assert antitonic([1.0, 0.4, 0.8, 0.2], [1, 1, 3, 1]) == pytest.approx([1.0, 0.7, 0.7, 0.2])


def test_pooling_goes_back_as_far_as_it_must():
    # By hand: 3, 2, 4: 2 and 4 pool to 3, which does not exceed the 3 before; then 9 pools with all: 18 / 4.
    assert antitonic([3, 2, 4, 9], [1, 1, 1, 1]) == pytest.approx([4.5, 4.5, 4.5, 4.5])


def test_sklearn_docs_like_example_turned_round():
    # R: -isoreg(-c(5, 9, 1, 10, 3))$yf = pools (5, 9) -> 7 and (1, 10) -> 5.5, then 3.
    assert antitonic([5, 9, 1, 10, 3], [1] * 5) == pytest.approx([7, 7, 5.5, 5.5, 3])


def test_as_many_weights_as_values():
    with pytest.raises(ValueError, match="zip"):
        antitonic([1, 2], [1])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), min_size=1, max_size=40))
def test_the_fit_never_rises_and_keeps_the_weighted_mean(pairs):
    values, weights = zip(*pairs, strict=True)
    fit = antitonic(values, weights)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(fit))
    total = sum(v * w for v, w in pairs)
    assert sum(f * w for f, w in zip(fit, weights, strict=True)) == pytest.approx(total, abs=1e-9 * sum(weights))


@pytest.mark.parametrize(("level", "expected"), [(0.95, 0), (0.9, 2), (0.5, 3), (0.05, 4), (0.99, -1)])
def test_the_last_place_that_reaches_a_level(level, expected):
    assert last_at_least([0.96, 0.9, 0.9, 0.7, 0.1], level) == expected


def test_nothing_reaches_nothing():
    assert last_at_least([], 0.9) == -1
