"""A server that has become slower is noticed."""

from dataclasses import replace

import pytest

from capacity.made import DAY, day, window
from pentameter.capacity.change import recent_if_refuted, recent_if_slower
from pentameter.capacity.estimate import Limits

LIMITS = Limits(backlog_seconds=1.0)


def with_last_hour(factor, count=12, rate=5.0):
    """Return a day and an hour after it with a severity that many times that of the same rate before."""
    # At 5 of 10 requests/s the severity is 1 / 1.5.
    later = [window(rate, at=DAY + 300.0 * i, severity=factor / 1.5) for i in range(count)]
    return day(8.0, 10.0) + later


def slower(windows):
    return recent_if_slower(windows, [1.0] * len(windows))


@pytest.mark.parametrize(("factor", "noticed"), [(1.0, False), (1.25, False), (1.35, True), (3.0, True), (0.3, False)])
def test_a_third_slower_at_the_same_rate_is_noticed(factor, noticed):
    assert (slower(with_last_hour(factor)) is not None) == noticed


def test_what_is_kept_is_the_last_hour():
    kept = slower(with_last_hour(2.0))
    assert [w.start for w in kept] == [w.start for w in with_last_hour(2.0) if w.start >= DAY + 11 * 300 - 3600]


def test_five_windows_are_no_evidence():
    windows = day(8.0, 10.0)
    earlier = [w for w in windows if w.start < DAY - 4000]
    assert slower(earlier + with_last_hour(2.0, count=5)[288:]) is None
    assert slower(earlier + with_last_hour(2.0, count=6)[288:]) is not None


def test_a_rate_that_was_never_seen_before_compares_with_nothing():
    assert slower(with_last_hour(3.0, rate=9.0)) is None


def test_windows_of_another_mix_compare_with_nothing():
    windows = with_last_hour(2.0)
    assert recent_if_slower(windows, [1.0] * 288 + [0.0] * 12) is None
    assert recent_if_slower(windows, [0.0] * 288 + [1.0] * 12) is None


def test_near_the_threshold_severity_is_no_measure():
    # At 9.9 of 10 requests/s the severity is expected to be 0.99.
    windows = day(11.0, 10.0) + with_last_hour(5.0, rate=9.9)[288:]
    assert slower(windows) is None


def test_no_windows_have_no_past():
    assert slower([]) is None
    assert recent_if_refuted([], 5.0, LIMITS) is None


def queued(finished_per_second, count=12, waiting=100.0):
    """Return an hour that always has a queue."""
    return [
        replace(window(9.0, at=300.0 * i), waiting_at_start=waiting, finished=int(300 * finished_per_second))
        for i in range(count)
    ]


def test_a_server_with_a_queue_that_finishes_less_than_the_bound_refutes_it():
    windows = queued(5.0)
    assert recent_if_refuted(windows, 5.1, LIMITS) == windows
    assert recent_if_refuted(windows, 5.0, LIMITS) is None
    assert recent_if_refuted(windows, None, LIMITS) is None


def test_a_server_without_a_queue_finishes_what_comes_and_refutes_nothing():
    assert recent_if_refuted(queued(5.0, waiting=0.0), 8.0, LIMITS) is None


def test_six_windows_with_a_queue_at_both_ends_are_needed():
    assert recent_if_refuted(queued(5.0, count=6), 8.0, LIMITS) is None
    assert recent_if_refuted(queued(5.0, count=7), 8.0, LIMITS) is not None
    worked_off = [*queued(5.0, count=6), replace(queued(5.0, count=7)[6], waiting_at_start=0.0)]
    assert recent_if_refuted(worked_off, 8.0, LIMITS) is None
