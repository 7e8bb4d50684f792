"""Bucket arithmetic."""

import math

import pytest

from pentameter.histogram import mean, quantile
from pentameter.readings import Histogram

INF = math.inf


def test_a_quantile_is_interpolated_inside_its_bucket_as_promql_does():
    # 10 observations: 2 in (0, 1], 4 in (1, 2], 4 in (2, 4]. Rank 5 is the third of four in (1, 2].
    histogram = Histogram((1.0, 2.0, 4.0, INF), (2, 6, 10, 10), 20)
    assert quantile(histogram, 0.5) == 1.75
    assert quantile(histogram, 0.9) == 3.5


def test_the_first_bucket_starts_at_zero():
    assert quantile(Histogram((0.01, INF), (4, 4), 0.02), 0.5) == 0.005


def test_a_quantile_is_never_above_what_the_mean_allows():
    # 123 queue times of 10.5 microseconds on average: half of them cannot be above 21.
    queue = Histogram((0.3, 0.5, INF), (123, 123, 123), 0.0012872210008936236)
    assert quantile(queue, 0.5) == pytest.approx(2.093e-05, rel=1e-3)
    assert quantile(queue, 0.99) == pytest.approx(1.0465e-03, rel=1e-3)


def test_a_sum_that_fell_sets_no_limit():
    assert quantile(Histogram((1.0, INF), (4, 4), -6), 0.5) == 0.5


def test_empty_buckets_are_skipped():
    assert quantile(Histogram((1.0, 2.0, 3.0, INF), (0, 0, 2, 2), 5), 0.5) == 2.5


def test_a_rank_on_a_bound_is_that_bound():
    assert quantile(Histogram((1.0, 2.0, INF), (5, 10, 10), 10), 0.5) == 1.0


def test_a_quantile_above_the_highest_finite_bound_is_unknown():
    assert quantile(Histogram((1.0, INF), (8, 10), 99), 0.9) is None
    assert quantile(Histogram((1.0, INF), (8, 10), 99), 0.5) == 0.625


def test_nothing_observed_means_no_mean_and_no_quantile():
    empty = Histogram((1.0, INF), (0, 0), 0)
    assert quantile(empty, 0.5) is None
    assert mean(empty) is None


def test_the_mean_is_sum_over_count():
    assert mean(Histogram((1.0, INF), (3, 4), 6)) == 1.5


def test_a_sum_that_fell_has_no_mean():
    assert mean(Histogram((1.0, INF), (3, 4), -6)) is None


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.5])
def test_a_quantile_outside_0_to_1_is_refused(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(Histogram((1.0, INF), (1, 1), 1), q)
