"""Requests and gauges become windows: maturity, gaps, restarts, bounds."""

import math
import random
from itertools import pairwise

import pytest

from pentameter.capacity.windows import LONGEST_LAG, SHORTEST_LAG, LoadWindows


class Feed:
    """Hands requests to the windows when they finish, and calls ``advance`` every second as the exporter does."""

    def __init__(self, start=0.0, **options):
        self.windows = LoadWindows(start, **{"shortest": 60.0, "longest": 300.0} | options)
        self.now = start
        self.out = []
        self.unfinished = []

    def arrive(self, arrival, e2e=1.0, score=0.5, good=True, margins=None, tokens=10):
        self.unfinished.append((arrival + e2e, arrival, score, good, margins or {}, tokens))

    def run(self, until, step=1.0, gauges=None):
        self.unfinished.sort(reverse=True)
        while self.now < until:
            self.now += step
            while self.unfinished and self.unfinished[-1][0] <= self.now:
                self.windows.add_request(*self.unfinished.pop()[1:])
            if gauges is not None:
                self.windows.add_gauges(self.now, *gauges)
            self.out += self.windows.advance(self.now)
        return self.out


def evenly(feed, start, end, per_second, **request):
    for i in range(int((end - start) * per_second)):
        feed.arrive(start + (i + 0.5) / per_second, **request)


def test_a_window_holds_what_arrived_in_it_whenever_it_finished():
    feed = Feed(start=1000.0)
    evenly(feed, 1000, 1060, 10, e2e=5.0)
    evenly(feed, 1060, 1120, 20, e2e=5.0)
    first, second = feed.run(1200)[:2]
    assert (first.start, first.seconds, first.arrivals, first.rate) == (1000.0, 60.0, 600, 10.0)
    assert (second.start, second.arrivals, second.rate) == (1060.0, 1200, 20.0)


def test_verdicts_and_quantiles_of_a_window():
    feed = Feed(target=0.9)
    for i in range(100):
        severity = (i + 1) / 90  # the 90th of 100 is 1
        feed.arrive(i * 0.5, score=severity, good=severity <= 1, margins={"ttft": severity, "tpot": 0.2}, tokens=i)
    (window,) = feed.run(120)
    assert (window.judged, window.good, window.attainment, window.undecided) == (100, 90, 0.9, 0)
    assert window.severity == pytest.approx(1.0, rel=0.01)
    assert window.margins == {"ttft": pytest.approx(1.0, rel=0.01), "tpot": pytest.approx(0.2, rel=0.01)}
    assert window.output_tokens == 49.5


def test_the_quantiles_are_those_of_the_target():
    feed = Feed(target=0.5)
    for i in range(100):
        feed.arrive(i * 0.5, score=(i + 1) / 100)
    (window,) = feed.run(120)
    assert window.severity == pytest.approx(0.5, rel=0.01)


def test_requests_without_verdict_and_excluded_ones_are_load_but_not_judged():
    feed = Feed()
    evenly(feed, 0, 60, 1)
    evenly(feed, 0, 60, 0.5, score=None, good=False)
    for i in range(20):
        feed.windows.add_excluded(float(i), 40)
    (window,) = feed.run(130)
    assert (window.arrivals, window.judged, window.undecided) == (110, 60, 30)
    assert window.output_tokens == pytest.approx((90 * 10 + 20 * 40) / 110)


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e9])
def test_a_figure_that_is_no_figure_counts_as_the_worst(value):
    feed = Feed()
    evenly(feed, 0, 60, 1, score=value, good=False, margins={"ttft": value})
    (window,) = feed.run(130)
    assert window.severity == pytest.approx(16, rel=0.01)
    assert window.margins["ttft"] == pytest.approx(16, rel=0.01)


def test_a_window_waits_until_nearly_all_of_it_has_finished():
    feed = Feed()
    # One in fifty takes 100 s: the next power of two is 128.
    for i in range(6000):
        feed.arrive((i + 0.5) * 0.1, e2e=100.0 if i % 50 == 0 else 2.0)
    out = feed.run(700)
    assert feed.windows.lag_seconds == 128.0
    assert out[-1].start + out[-1].seconds <= 700 - 128
    assert len(out) >= 5
    assert all(window.rate == pytest.approx(10.0) for window in out[2:])


def test_without_slow_requests_the_lag_is_the_shortest():
    feed = Feed()
    evenly(feed, 0, 300, 5)
    feed.run(300)
    assert feed.windows.lag_seconds == SHORTEST_LAG


def test_what_finishes_after_its_window_is_counted_as_late():
    feed = Feed()
    evenly(feed, 0, 300, 5)
    feed.arrive(3.0, e2e=250.0)
    feed.run(300)
    assert feed.windows.late == 1
    assert sum(window.arrivals for window in feed.out if window.start == 0) == 300


def test_no_window_is_handed_out_while_requests_are_stuck():
    feed = Feed()
    evenly(feed, 0, 60, 10)
    feed.run(60)
    # From 60 s on 20 requests are in flight and none finishes, until all do at once at 400 s.
    for i in range(100):
        feed.arrive(60.5 + i, e2e=340.0 - i, score=8.0, good=False)
    feed.run(399, gauges=(20.0, 80.0, 0.5))
    # The gauges fall to nothing a little before the records come.
    assert [window.start for window in feed.out] == []
    feed.run(1000, gauges=(0.0, 0.0, 0.0))
    assert [(w.start, w.arrivals, w.good) for w in feed.out[:2]] == [(0.0, 600, 600), (60.0, 60, 0)]
    assert feed.windows.late == 0


def test_an_idle_server_holds_nothing_back():
    feed = Feed()
    evenly(feed, 0, 60, 10)
    assert len(feed.run(60 + SHORTEST_LAG, gauges=(0.0, 0.0, 0.0))) == 1


def test_a_window_of_few_requests_is_not_handed_out():
    feed = Feed()
    for i in range(9):
        feed.arrive(i)
    for i in range(10):
        feed.arrive(60 + i)
    assert [window.start for window in feed.run(400)] == [60.0]


def test_little_traffic_gets_longer_windows():
    busy, quiet = Feed(), Feed()
    evenly(busy, 0, 1800, 10)
    evenly(quiet, 0, 1800, 2.5)
    # 300 requests wanted at half of the highest rate: 600 / 2.5 = 240 s.
    assert {window.seconds for window in busy.run(1800)} == {60.0}
    quiet.run(1800)
    assert quiet.windows.window_seconds == 240.0
    assert quiet.out[-1].seconds == 240.0
    sparse = Feed()
    evenly(sparse, 0, 3600, 0.2)
    sparse.run(3600)
    assert sparse.windows.window_seconds == 300.0


def test_windows_follow_each_other_without_gap_or_overlap():
    feed = Feed()
    source = random.Random(3)
    moment = 0.0
    while moment < 5000:
        moment += source.expovariate(1.5)
        feed.arrive(moment, e2e=source.expovariate(0.2))
    out = feed.run(5200, step=2.0)
    assert all(a.start + a.seconds == b.start for a, b in pairwise(out))


def test_whoever_arrived_before_we_watched_is_ignored():
    feed = Feed(start=1000.0)
    evenly(feed, 990, 1010, 5, e2e=20.0)
    (window,) = feed.run(1200)
    assert window.arrivals == 50
    assert feed.windows.late == 0


def test_gauges_of_a_window_and_the_queue_at_its_start():
    windows = LoadWindows(0.0, shortest=60.0, longest=60.0)
    windows.add_gauges(1.0, 4.0, 7.0, 0.25)
    windows.add_gauges(30.0, 10.0, 0.0, 0.75)
    windows.add_gauges(59.0, None, None, None)
    for i in range(20):
        windows.add_request(float(i), 0.5, True, {}, 1)
    out = []
    for now in range(20, 200, 10):
        out += windows.advance(float(now))
    (window,) = out
    assert (window.waiting_at_start, window.running_peak, window.running_mean) == (7.0, 10.0, 7.0)
    assert (window.kv_peak, window.kv_mean) == (0.75, 0.5)


def test_a_queue_seen_only_late_in_a_window_is_not_the_one_at_its_start():
    windows = LoadWindows(0.0, shortest=60.0, longest=60.0)
    windows.add_gauges(40.0, 0.0, 7.0, 0.25)
    for i in range(20):
        windows.add_request(float(i), 0.5, True, {}, 1)
    out = [window for now in range(20, 200, 10) for window in windows.advance(float(now))]
    assert [window.waiting_at_start for window in out] == [None]


def test_a_time_without_records_spoils_every_window_that_it_may_have_touched():
    feed = Feed()
    evenly(feed, 0, 1200, 10, e2e=20.0)
    feed.run(600)
    feed.windows.invalidate(590.0, 600.0)
    starts = [window.start for window in feed.run(1300)]
    # Those that were still open at 590 s are gone, the one that 600 s falls into as well.
    assert 480.0 in starts
    assert not {540.0} & set(starts)
    assert 660.0 in starts


def test_a_pause_of_the_exporter_is_a_time_without_records():
    feed = Feed()
    evenly(feed, 0, 2000, 10, e2e=2.0)
    feed.run(600)
    feed.run(700, step=100.0)
    starts = [window.start for window in feed.run(2000)]
    assert 480.0 in starts
    assert not [start for start in starts if 510.0 < start < 700.0]
    assert min(start for start in starts if start > 510.0) < 800.0


def test_a_very_long_pause_leaves_no_trail_of_empty_windows():
    feed = Feed()
    evenly(feed, 0, 60, 12)
    evenly(feed, 1_000_000, 1_000_180, 12)
    feed.run(60)
    feed.run(1_000_000, step=999_940.0)
    out = feed.run(1_000_500)
    assert [window.start for window in out] == [1_000_000.0, 1_000_060.0, 1_000_120.0]


def test_after_a_reset_only_what_arrives_later_counts():
    feed = Feed()
    evenly(feed, 0, 400, 12, e2e=1.0)
    feed.run(80)
    feed.windows.reset(80.0)
    out = feed.run(500)
    assert [window.start for window in out] == [80.0, 140.0, 200.0, 260.0, 320.0, 380.0]
    assert [window.arrivals for window in out[1:5]] == [720] * 4


def test_records_lost_up_to_now_spoil_the_window_that_is_open_as_well():
    feed = Feed()
    evenly(feed, 0, 1200, 12)
    feed.run(620)
    # Lost until a moment that lies in a window which does not exist yet.
    feed.windows.invalidate(615.0, 690.0)
    starts = [window.start for window in feed.run(1300)]
    assert not [start for start in starts if 560.0 < start < 690.0]
    assert 720.0 in starts


def test_time_that_stands_still_or_runs_back_changes_nothing():
    windows = LoadWindows(100.0, shortest=60.0)
    assert windows.advance(100.0) == []
    assert windows.advance(50.0) == []
    windows.add_request(100.0, 0.5, True, {}, 1)
    assert windows.late == 0


def test_an_arrival_in_the_future_is_no_load():
    windows = LoadWindows(0.0, shortest=60.0, longest=60.0)
    windows.add_request(500.0, 0.5, True, {}, 1)
    out = [window for now in range(1, 900) for window in windows.advance(float(now))]
    assert out == []


def test_what_finishes_in_a_window_is_counted_there_whenever_it_arrived():
    feed = Feed()
    evenly(feed, 0, 60, 12, e2e=15.0)
    evenly(feed, 60, 120, 24, e2e=15.0)
    first, second = feed.run(200)[:2]
    assert (first.arrivals, second.arrivals) == (720, 1440)
    # 45 s of the first rate; then 15 s of the first and 45 s of the second.
    assert first.finished == pytest.approx(45 * 12, abs=24)
    assert second.finished == pytest.approx(15 * 12 + 45 * 24, abs=24)


def test_memory_does_not_follow_the_traffic():
    feed = Feed()
    source = random.Random(5)
    for i in range(40_000):
        feed.arrive(i * 0.001, e2e=0.5, score=source.lognormvariate(-1, 1), margins={"ttft": source.random()})
    feed.run(40)
    window = feed.windows._newest
    assert window.arrivals > 39_000
    assert len(window.scores) + len(window.margins["ttft"]) < 900


def test_open_windows_are_bounded_however_slow_the_requests():
    feed = Feed()
    evenly(feed, 0, 9000, 0.5, e2e=4000.0)
    feed.run(9000, step=5.0, gauges=(100.0, 0.0, 0.5))
    assert feed.windows.lag_seconds == LONGEST_LAG
    assert len(feed.windows._windows) <= 2 + (LONGEST_LAG + 4000) / 60
