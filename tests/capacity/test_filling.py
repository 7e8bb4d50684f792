"""Quantiles, dispersion and gauges of one window."""

import random
import statistics

import pytest

from pentameter.capacity.filling import DISPERSION_SECONDS, Gauge, OpenWindow, dispersion, quantile
from pentameter.sketch import index_of


def counted(values):
    counts = {}
    for value in values:
        counts[index_of(value)] = counts.get(index_of(value), 0) + 1
    return counts


@pytest.mark.parametrize(
    ("q", "exact"),
    # Ten values: the smallest that a share q does not exceed is the ceil(10 q)-th.
    [(0.9, 0.9), (0.901, 1.0), (0.89, 0.9), (0.5, 0.5), (0.05, 0.1), (1.0, 1.0)],
)
def test_a_quantile_is_the_smallest_value_that_the_share_does_not_exceed(q, exact):
    counts = counted([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert quantile(counts, q) == pytest.approx(exact, rel=0.01)


def test_no_quantile_of_nothing():
    with pytest.raises(ValueError, match="no values"):
        quantile({}, 0.9)


def test_the_dispersion_is_the_sample_variance_over_the_mean():
    counts = [3, 0, 7, 2, 2, 9, 1]
    assert dispersion(counts) == pytest.approx(statistics.variance(counts) / statistics.mean(counts))


def test_even_arrivals_have_no_dispersion_and_a_poisson_process_has_about_1():
    assert dispersion([4, 4, 4]) == 0
    source = random.Random(7)
    bins = [0] * 4000
    for _ in range(40_000):
        bins[source.randrange(4000)] += 1
    assert dispersion(bins) == pytest.approx(1.0, abs=0.1)


def test_no_dispersion_without_arrivals_or_with_one_count():
    assert dispersion([]) is None
    assert dispersion([5]) is None
    assert dispersion([0, 0, 0]) is None


def test_a_gauge_keeps_the_highest_and_the_mean_reading():
    gauge = Gauge()
    assert (gauge.peak, gauge.mean) == (None, None)
    for value in (0.0, 4.0, 2.0):
        gauge.read(value)
    assert (gauge.peak, gauge.mean) == (4.0, 2.0)


def test_an_objective_that_few_requests_have_is_left_out():
    window = OpenWindow(0.0, 60.0)
    window.arrivals = window.judged = 10
    window.scores = {index_of(0.5): 10}
    window.margins = {"tpot": {index_of(0.5): 5}, "e2e": {index_of(0.5): 4}}
    assert set(window.closed(0.9).margins) == {"tpot"}


def test_the_part_of_a_count_interval_at_the_end_is_left_out_of_the_dispersion():
    window = OpenWindow(0.0, 2 * DISPERSION_SECONDS + 1.0)
    window.arrivals = window.judged = 8
    window.scores = {index_of(0.5): 8}
    window.bins = [4, 4, 0]
    assert window.closed(0.9).dispersion == 0
