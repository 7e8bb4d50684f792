"""Histograms of finished requests: bounds that hold the thresholds, and counting by them."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as OfficialHistogram

from pentameter.readings import Histogram
from pentameter.record_histograms import NEAR, SCORE_BOUNDS, CumulativeHistogram, latency_bounds
from pentameter.records import FinishedRequest
from pentameter.slo import Slo, Verdict, judge

LATENCIES = ("ttft", "tpot", "e2e")
latencies = st.sampled_from(LATENCIES)
thresholds = st.lists(st.floats(1e-4, 1e4), max_size=4)
durations = st.floats(1e-6, 1e5)

DECADE = (1.0, 1.4, 1.9, 2.7, 3.7, 5.2, 7.2)
"""10 ** (k / 7), rounded to two digits."""


def test_without_an_slo_the_bounds_are_the_same_seven_in_every_decade():
    bounds = latency_bounds("ttft", [])
    assert bounds[:8] == (0.001, 0.0014, 0.0019, 0.0027, 0.0037, 0.0052, 0.0072, 0.01)
    assert bounds[21:28] == DECADE
    assert bounds[28:] == (10.0, 14.0, 19.0, 27.0, 37.0, 52.0, 72.0, 100.0, 140.0, 190.0)


@pytest.mark.parametrize(
    ("latency", "lowest", "highest", "number"),
    [("ttft", 0.001, 190.0, 38), ("tpot", 0.00052, 10.0, 31), ("e2e", 0.01, 2700.0, 39)],
)
def test_each_latency_has_its_range(latency, lowest, highest, number):
    bounds = latency_bounds(latency, [])
    assert (bounds[0], bounds[-1], len(bounds)) == (lowest, highest, number)


def test_a_threshold_its_half_and_its_double_are_bounds_in_place_of_what_is_near_to_them():
    bounds = latency_bounds("ttft", [0.2])
    # 0.19 is nearer to 0.2 than a tenth; 0.1 is half of it already; 0.37 is nearer to 0.4 than a tenth.
    assert [bound for bound in bounds if 0.05 < bound < 0.6] == [0.052, 0.072, 0.1, 0.14, 0.2, 0.27, 0.4, 0.52]


def test_thresholds_that_are_near_to_each_other_are_both_kept():
    bounds = latency_bounds("tpot", [0.05, 0.0501, 0.05])
    assert [bound for bound in bounds if 0.04 < bound < 0.06] == [0.05, 0.0501]


def test_a_threshold_comes_before_half_or_twice_another():
    assert [bound for bound in latency_bounds("e2e", [10.0, 21.0]) if 19.5 < bound < 23] == [21.0]


@given(latencies, thresholds)
@example("ttft", [1.0])
@example("e2e", [10**4])
def test_every_threshold_is_a_bound_and_only_thresholds_are_near_to_each_other(latency, given_thresholds):
    bounds = latency_bounds(latency, given_thresholds)
    assert set(given_thresholds) <= set(bounds)
    assert list(bounds) == sorted(set(bounds))
    for lower, upper in pairwise(bounds):
        assert upper > NEAR * lower or {lower, upper} <= set(given_thresholds)


@given(latencies, thresholds)
def test_half_and_twice_a_threshold_are_bounds_or_near_to_one(latency, given_thresholds):
    bounds = latency_bounds(latency, given_thresholds)
    for threshold in given_thresholds:
        for mark in (threshold / 2, threshold * 2):
            assert any(mark <= NEAR * bound and bound <= NEAR * mark for bound in bounds)


@given(latencies, thresholds)
def test_no_bucket_within_the_range_is_wide(latency, given_thresholds):
    # 2.7 / 1.9 is the widest step of the scale, and each of its ends may have given way to a mark.
    plain = latency_bounds(latency, [])
    bounds = [bound for bound in latency_bounds(latency, given_thresholds) if plain[0] <= bound <= plain[-1]]
    assert all(upper <= 2.7 / 1.9 * NEAR**2 * lower for lower, upper in pairwise(bounds))


@pytest.mark.parametrize("latency", LATENCIES)
def test_bounds_print_short(latency):
    assert all(len(repr(bound)) <= 7 for bound in latency_bounds(latency, [0.15, 0.035, 2.5]))


def test_another_latency_has_no_bounds():
    with pytest.raises(KeyError):
        latency_bounds("inter_token", [])


def test_counting_is_cumulative_and_a_value_on_a_bound_is_in_its_bucket():
    histogram = CumulativeHistogram((0.1, 0.2, 0.4))
    for value in (0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.5, 9.0):
        histogram.observe(value)
    reading = histogram.reading()
    assert (reading.bounds, reading.counts) == ((0.1, 0.2, 0.4, math.inf), (2.0, 4.0, 6.0, 8.0))
    assert reading.sum == pytest.approx(10.65)
    assert reading.count == 8


def test_before_the_first_value_there_are_empty_buckets():
    assert CumulativeHistogram((1.0,)).reading() == Histogram((1.0, math.inf), (0.0, 0.0), 0.0)


def test_a_reading_does_not_change_when_counting_goes_on():
    histogram = CumulativeHistogram((1.0,))
    reading = histogram.reading()
    histogram.observe(0.5)
    assert reading.count == 0


def test_a_value_may_be_counted_several_times_at_once():
    histogram = CumulativeHistogram(SCORE_BOUNDS)
    histogram.observe(16.0, 3)
    histogram.observe(0.5, 2)
    assert histogram.reading().counts == (0.0, *(2.0,) * 11, 5.0)
    assert histogram.reading().sum == 49.0


@given(st.lists(durations | st.sampled_from(latency_bounds("ttft", [0.2]))))
def test_buckets_are_those_of_the_official_client(values):
    bounds = latency_bounds("ttft", [0.2])
    official = OfficialHistogram("latency_seconds", "", buckets=bounds, registry=CollectorRegistry())
    histogram = CumulativeHistogram(bounds)
    for value in values:
        official.observe(value)
        histogram.observe(value)
    (family,) = official.collect()
    expected = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
    assert list(histogram.reading().counts) == expected
    assert histogram.reading().sum == next(sample.value for sample in family.samples if sample.name.endswith("_sum"))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_and_leaves_no_trace(value):
    histogram = CumulativeHistogram((1.0,))
    with pytest.raises(ValueError, match="cannot be counted"):
        histogram.observe(value)
    assert histogram.reading() == Histogram((1.0, math.inf), (0.0, 0.0), 0.0)


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (1.0, 1.0), (1.0, math.inf)])
def test_bounds_that_do_not_ascend_are_refused(bounds):
    with pytest.raises(ValueError, match="must ascend"):
        CumulativeHistogram(bounds)


def test_the_scores_have_a_bound_at_exactly_one():
    assert SCORE_BOUNDS == (0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 8)


def just_around(threshold):
    return (math.nextafter(threshold, 0), threshold, math.nextafter(threshold, math.inf))


@given(st.floats(1e-4, 1e3).flatmap(lambda t: st.tuples(st.just(t), st.sampled_from(just_around(t)) | durations)))
@example((math.nextafter(2.0, 0), 2.0))
@example((0.1, 0.1))
def test_the_buckets_at_the_threshold_and_at_a_score_of_one_count_whom_the_verdict_calls_good(threshold_and_value):
    threshold, value = threshold_and_value
    assume(value / threshold < 16)
    slo = Slo("chat", {"ttft": threshold})
    judgement = judge(slo, FinishedRequest("plugin", 0.0, e2e=value, output_tokens=1, ttft=value))
    bounds = latency_bounds("ttft", [threshold])
    seconds, scores = CumulativeHistogram(bounds), CumulativeHistogram(SCORE_BOUNDS)
    seconds.observe(value)
    scores.observe(judgement.score)
    good = float(judgement.verdict is Verdict.GOOD)
    assert seconds.reading().counts[bounds.index(threshold)] == good
    assert scores.reading().counts[SCORE_BOUNDS.index(1)] == good
