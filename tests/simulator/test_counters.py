"""Histograms count as Prometheus's do."""

from __future__ import annotations

from pentameter.simulator.counters import CountingHistogram, EngineCounters, token_bounds


def test_an_observation_on_a_bound_belongs_to_that_bound():
    histogram = CountingHistogram((1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)
    assert histogram.buckets == [1, 2, 1]
    assert (histogram.count, histogram.sum) == (4, 7.0)


def test_one_value_can_be_observed_many_times_at_once():
    histogram = CountingHistogram((0.01, 0.025))
    histogram.observe(0.02, times=50)
    assert (histogram.buckets, histogram.count, histogram.sum) == ([0, 50, 0], 50, 1.0)


def test_token_bounds_go_up_to_the_longest_sequence():
    assert token_bounds(16_384)[-4:] == (1000.0, 2000.0, 5000.0, 10_000.0)
    assert token_bounds(20_000)[-1] == 20_000.0


def test_a_fresh_engine_is_awake_and_has_counted_nothing():
    counters = EngineCounters(max_model_len=2048)
    assert counters.sleep_state["awake"] == 1
    assert counters.finished == 0
    assert counters.waiting_by_reason == {"capacity": 0, "deferred": 0}
