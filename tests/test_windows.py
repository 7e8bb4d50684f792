"""Rolling windows: resets, gaps, irregular scrapes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.readings import Histogram
from pentameter.windows import Continuity, Interval, Track, Window

MINUTE, HOUR = Window("1m", 60), Window("1h", 3600)
SAME, UNKNOWN, RESTARTED, FOREIGN = Continuity.SAME, Continuity.UNKNOWN, Continuity.RESTARTED, Continuity.FOREIGN


def track(*readings, windows=(MINUTE, HOUR), continuity=SAME):
    made = Track(windows)
    for time, tokens in readings:
        made.observe(time, {"tokens": tokens}, {}, continuity)
    return made


def histogram(*counts, total=0.0):
    return Histogram((1.0, 2.0, math.inf), counts, total)


def test_nothing_is_known_before_a_second_reading():
    assert track().interval(MINUTE) is None
    assert track((0, 100)).interval(MINUTE) is None


def test_the_first_reading_is_a_baseline_and_earns_nothing():
    interval = track((0, 100_000), (10, 100_050)).interval(MINUTE)
    assert (interval.seconds, interval.delta("tokens"), interval.rate("tokens")) == (10, 50, 5)


def test_a_window_covers_its_length_and_no_more():
    made = track(*((t, 10 * t) for t in range(301)))
    interval = made.interval(MINUTE)
    assert (interval.seconds, interval.delta("tokens")) == (60, 600)


def test_an_hour_is_right_to_its_resolution():
    made = track(*((t, 7 * t) for t in range(8000)))
    interval = made.interval(HOUR)
    assert 3600 <= interval.seconds <= 3660
    assert interval.rate("tokens") == 7


def test_an_hour_of_scrapes_keeps_few_points():
    made = track(*((t, t) for t in range(8000)))
    assert len(made._rings["1h"]) <= 82


def test_irregular_scrapes_give_exact_rates():
    made = track((0, 0), (1, 3), (7.5, 22.5), (8, 24), (31, 93), (59, 177), (80, 240))
    interval = made.interval(MINUTE)
    # Back to the last point kept at or before 80 - 60 = 20; the one at 8 came too soon after 7.5 to be kept.
    assert interval.seconds == 72.5
    assert interval.rate("tokens") == 3


def test_a_scrape_every_fifteen_seconds_still_fills_a_minute():
    made = track(*((t, 2 * t) for t in range(0, 301, 15)))
    assert made.interval(MINUTE).seconds == 60


def test_after_a_long_outage_the_window_starts_anew():
    made = track((0, 0), (1, 10), (2, 20), (1000, 9_000_000))
    assert made.interval(MINUTE) is None
    made.observe(1001, {"tokens": 9_000_010}, {}, SAME)
    assert made.interval(MINUTE) == Interval(1, {"tokens": 10}, {})
    # The hour knows what happened in the outage, only not when.
    assert made.interval(HOUR).delta("tokens") == 9_000_010


def test_a_short_outage_inside_the_window_is_bridged():
    made = track(*((t, t) for t in range(61)), *((t, t) for t in range(90, 101)))
    interval = made.interval(MINUTE)
    assert (interval.seconds, interval.delta("tokens")) == (60, 60)


def test_a_restart_counts_from_zero():
    made = track((0, 1000), (1, 1010))
    assert made.observe(2, {"tokens": 4}, {}, RESTARTED) == 1
    assert made.interval(MINUTE).delta("tokens") == 14


def test_a_restart_is_believed_even_where_the_counter_is_higher_than_before():
    made = track((0, 10), (1, 12))
    made.observe(2, {"tokens": 500}, {}, RESTARTED)
    assert made.interval(MINUTE).delta("tokens") == 502


def test_without_word_of_the_process_one_falling_counter_means_a_restart_of_all():
    made = Track([MINUTE])
    made.observe(0, {"tokens": 1000, "requests": 3}, {}, UNKNOWN)
    made.observe(1, {"tokens": 10, "requests": 4}, {}, UNKNOWN)
    interval = made.interval(MINUTE)
    assert (interval.delta("tokens"), interval.delta("requests")) == (10, 4)


def test_in_a_living_process_a_counter_that_falls_earns_nothing():
    made = Track([MINUTE])
    made.observe(0, {"tokens": 1000, "requests": 3}, {}, SAME)
    assert made.observe(1, {"tokens": 900, "requests": 4}, {}, SAME) == 1
    made.observe(2, {"tokens": 905, "requests": 4}, {}, SAME)
    interval = made.interval(MINUTE)
    assert (interval.delta("tokens"), interval.delta("requests")) == (5, 1)


def test_another_processs_history_earns_nothing():
    made = track((0, 1000), (1, 1010))
    made.observe(2, {"tokens": 8_000_000}, {}, FOREIGN)
    made.observe(3, {"tokens": 8_000_001}, {}, SAME)
    assert made.interval(MINUTE).delta("tokens") == 11


def test_a_counter_that_appears_later_counts_from_zero():
    made = track((0, 0), (1, 1))
    made.observe(2, {"tokens": 2, "request_success/abort": 1}, {}, SAME)
    assert made.interval(MINUTE).total("request_success") == 1


def test_a_counter_missing_from_one_page_is_caught_up_with():
    made = track((0, 0), (1, 10))
    made.observe(2, {}, {}, SAME)
    assert made.interval(MINUTE).delta("tokens") is None
    made.observe(3, {"tokens": 30}, {}, SAME)
    assert made.interval(MINUTE).delta("tokens") == 30


def test_a_counter_missing_over_a_restart_is_not_credited_its_old_value():
    made = track((0, 0), (1, 1000))
    made.observe(2, {}, {}, RESTARTED)
    made.observe(3, {"tokens": 5}, {}, SAME)
    assert made.interval(MINUTE).delta("tokens") == 1005


def test_a_reading_that_is_not_younger_is_ignored():
    made = track((5, 10), (6, 20))
    assert made.observe(6, {"tokens": 99}, {}, SAME) == 0
    assert made.observe(2, {"tokens": 99}, {}, SAME) == 0
    assert made.interval(MINUTE).delta("tokens") == 10


def test_histograms_are_subtracted_bucket_by_bucket():
    made = Track([MINUTE])
    made.observe(0, {}, {"ttft": histogram(1, 2, 3, total=9)}, SAME)
    made.observe(10, {}, {"ttft": histogram(2, 5, 7, total=19)}, SAME)
    assert made.interval(MINUTE).histograms["ttft"] == histogram(1, 3, 4, total=10)


def test_new_bucket_bounds_start_a_new_histogram():
    made = Track([MINUTE])
    made.observe(0, {}, {"ttft": histogram(1, 2, 3, total=9)}, UNKNOWN)
    other = Histogram((0.5, math.inf), (4, 6), 3.0)
    made.observe(1, {}, {"ttft": other}, RESTARTED)
    assert made.interval(MINUTE).histograms["ttft"] == other


def test_a_falling_sum_is_no_restart():
    # The server's wall clock stepped back: durations came out negative, the counts are sound.
    made = Track([MINUTE])
    made.observe(0, {"tokens": 5}, {"ttft": histogram(1, 2, 3, total=9)}, UNKNOWN)
    assert made.observe(1, {"tokens": 6}, {"ttft": histogram(1, 2, 4, total=-3591)}, UNKNOWN) == 0
    interval = made.interval(MINUTE)
    assert interval.delta("tokens") == 1
    assert interval.histograms["ttft"].sum == -3600


def test_what_is_drained_adds_up_to_the_whole():
    made = Track([MINUTE])
    drained = 0.0
    for time, tokens in ((0, 100), (1, 110), (2, 140), (3, 20), (4, 25)):
        made.observe(time, {"tokens": tokens}, {}, UNKNOWN)
        interval = made.drain()
        drained += interval.delta("tokens") if interval else 0
    assert drained == 10 + 30 + 20 + 5
    assert made.drain() is None


def gauged(*readings, windows=(MINUTE, HOUR)):
    """Return a track of (time, requests running) and of a histogram that does not change."""
    made = Track(windows)
    for time, running in readings:
        made.observe(time, {"tokens": time}, {"ttft": histogram(1, 2, 3)}, SAME, gauges={"running": running})
    return made


def ends(interval):
    return dict(interval.gauges_before), dict(interval.gauges_after)


def test_an_interval_knows_what_the_gauges_read_at_its_two_ends():
    made = gauged(*((t, 1000 + t) for t in range(101)))
    assert ends(made.interval(MINUTE)) == ({"running": 1040}, {"running": 1100})
    assert ends(made.interval(HOUR)) == ({"running": 1000}, {"running": 1100})


def test_a_reading_between_two_points_of_a_ring_gives_the_end_and_no_beginning():
    made = gauged((0, 5), (0.1, 6), (0.2, 7))
    assert ends(made.interval(MINUTE)) == ({"running": 5}, {"running": 7})


def test_what_is_drained_knows_its_two_ends():
    made = gauged((0, 5), (1, 6))
    assert ends(made.drain()) == ({"running": 5}, {"running": 6})
    made.observe(2, {"tokens": 2}, {}, SAME, gauges={"running": 7})
    assert ends(made.drain()) == ({"running": 6}, {"running": 7})


def test_without_gauges_the_ends_are_empty():
    assert ends(track((0, 0), (1, 1)).interval(MINUTE)) == ({}, {})


def test_another_process_takes_away_what_the_gauges_read_before():
    made = gauged((0, 5), (1, 6))
    made.drain()
    made.observe(2, {"tokens": 9}, {}, FOREIGN, gauges={"running": 7})
    made.observe(3, {"tokens": 9}, {}, SAME, gauges={"running": 8})
    assert ends(made.interval(MINUTE)) == ({}, {"running": 8})
    assert ends(made.drain()) == ({}, {"running": 8})
    for time in range(4, 70):
        made.observe(time, {"tokens": 9}, {}, SAME, gauges={"running": time})
    assert ends(made.interval(MINUTE)) == ({"running": 9}, {"running": 69})
    assert ends(made.interval(HOUR))[0] == {}


def test_other_bucket_bounds_take_away_what_the_gauges_read_before():
    made = gauged((0, 5), (1, 6))
    made.observe(2, {"tokens": 0}, {"ttft": Histogram((0.5, math.inf), (4, 6), 3.0)}, RESTARTED, gauges={"running": 7})
    assert ends(made.interval(MINUTE)) == ({}, {"running": 7})
    assert made.drain().gauges_before == {}


def test_a_glitch_takes_away_what_the_gauges_read_before():
    made = gauged((0, 5), (1, 6))
    made.observe(2, {"tokens": 0}, {}, SAME, gauges={"running": 7})
    assert made.interval(MINUTE).gauges_before == {}


@pytest.mark.parametrize("continuity", [RESTARTED, UNKNOWN])
def test_a_restart_leaves_what_the_gauges_read_before(continuity):
    # What ran before the restart never finishes after it; it may still have finished in the interval.
    made = gauged((0, 5), (1, 6))
    made.observe(2, {"tokens": 0}, {"ttft": histogram(0, 0, 0)}, continuity, gauges={"running": 7})
    assert ends(made.interval(MINUTE)) == ({"running": 5}, {"running": 7})


@given(
    st.lists(
        st.tuples(st.floats(0.05, 200), st.integers(0, 10_000), st.sampled_from(list(Continuity))),
        min_size=2,
        max_size=60,
    )
)
def test_no_history_makes_a_negative_or_absurd_increase(steps):
    made = Track([MINUTE])
    time, raw, earned = 0.0, 0, 0
    previous = None
    for gap, tokens, continuity in steps:
        time += gap
        raw = tokens
        made.observe(time, {"tokens": raw}, {}, continuity)
        if previous is not None and continuity is not FOREIGN:
            if continuity is RESTARTED or (continuity is UNKNOWN and raw < previous):
                earned += raw
            else:
                earned += max(0, raw - previous)
        previous = raw
        interval = made.interval(MINUTE)
        if interval is not None:
            assert 0 < interval.seconds <= 75.0001
            assert 0 <= interval.delta("tokens") <= earned


@pytest.mark.parametrize("continuity", [SAME, UNKNOWN])
def test_the_increase_over_the_whole_life_is_the_difference_of_the_ends(continuity):
    made = track(*((t, t * t) for t in range(50)), continuity=continuity)
    assert made.interval(HOUR).delta("tokens") == 49 * 49
