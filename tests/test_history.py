"""The last hour of the status page's figures."""

import math
import sys

import pytest

from pentameter.dimensions.computation import MFU
from pentameter.dimensions.timing import RUNNING
from pentameter.history import History
from pentameter.snapshot import Snapshot
from pentameter.status_figures import Place

BOOT = 5000.0


def running(value, server="a"):
    return RUNNING(value, server, "m", "0")


def at(seconds, *samples):
    return Snapshot(samples, (), 1_000_000.0 + seconds, BOOT + seconds)


def fed(*moments, interval=1.0, **options):
    """Return a history that took one snapshot per moment, with so many requests running; None: no sample at all."""
    history = History(interval, **options)
    for seconds, value in moments:
        history.take(at(seconds, *([] if value is None else [running(value)])))
    return history


def known(points):
    return [None if math.isnan(point) else point for point in points]


def values(history):
    return {series.place.server: known(points) for series, points in history.hour().series}


def test_before_the_first_snapshot_there_is_nothing():
    history = History()
    assert history.length == 0
    assert history.hour().series == []


def test_a_point_is_kept_every_ten_seconds():
    history = fed(*((second, second) for second in range(26)))
    # The points are of the snapshots that come first after -5, 5, 15 and 25 seconds.
    assert values(history) == {"a": [0, 5, 15, 25]}
    assert history.wall == 1_000_025.0


@pytest.mark.parametrize("late", [-0.4, 0.0, 0.4])
def test_a_snapshot_that_comes_somewhat_early_or_late_leaves_no_gap(late):
    moments = [(10 * number + (late if number % 2 else -late), number + 1) for number in range(6)]
    assert values(fed(*moments, interval=10.0)) == {"a": [1, 2, 3, 4, 5, 6]}


def test_snapshots_rarer_than_ten_seconds_set_the_pace():
    history = fed((0, 1), (60, 2), (120, 3), interval=60.0)
    assert (history.step, history.size) == (60.0, 60)
    assert values(history) == {"a": [1, 2, 3]}


def test_a_figure_that_is_missing_is_a_gap_and_not_a_zero():
    assert values(fed((0, 7), (10, None), (20, 0))) == {"a": [7, None, 0]}


def test_time_without_snapshots_is_a_gap():
    assert values(fed((0, 7), (40, 8))) == {"a": [7, None, None, None, 8]}


def test_a_series_that_begins_later_is_unknown_before():
    history = fed((0, 1))
    history.take(at(10, running(2), running(3, "b")))
    assert values(history) == {"a": [1, 2], "b": [None, 3]}


def test_after_an_hour_the_oldest_point_goes():
    history = fed(*((10 * number, number) for number in range(365)))
    [points] = values(history).values()
    assert points == list(range(5, 365))
    assert history.length == history.size == 360


def test_after_more_than_an_hour_without_snapshots_nothing_old_is_left():
    history = fed((0, 1), (10, 2), (10 * 1000, 3))
    assert values(history) == {"a": [None] * 359 + [3]}


def test_a_gap_that_goes_round_the_ring_is_blank_from_end_to_end():
    history = fed(*((10 * number, number) for number in range(300)), (10 * 450, 450))
    [points] = values(history).values()
    assert points == list(range(91, 300)) + [None] * 150 + [450]


def test_a_server_that_is_gone_for_an_hour_is_let_go():
    history = fed((0, 1))
    history.take(at(10, running(2, "b")))
    assert history.places() == {("a", "m"), ("b", "m")}
    for number in range(2, 361):
        history.take(at(10 * number, running(2, "b")))
    assert history.places() == {("b", "m")}


def test_another_basis_is_another_series():
    history = History()
    history.take(at(0, MFU(0.3, "a", "m", "0", "1m", "all", "vllm")))
    history.take(at(10, MFU(0.2, "a", "m", "0", "1m", "all", "model")))
    hour = history.hour().series
    assert {series.how: known(points) for series, points in hour} == {"vllm": [0.3, None], "model": [None, 0.2]}
    assert all(series.place == Place("a", "m", "0") for series, _ in hour)


def test_names_without_end_do_not_fill_the_memory():
    history = History(max_series=3)
    for number in range(10):
        history.take(at(10 * number, *(running(1, f"{number}-{other}") for other in range(2))))
    assert len(history.hour().series) == 3
    assert history.left_out == 2
    history.take(at(110, running(5, "0-0")))
    assert history.left_out == 0


def test_a_series_takes_eight_bytes_a_point():
    history = fed((0, 1))
    [ring] = history._rings.values()
    assert 360 * 8 <= sys.getsizeof(ring.points) <= 360 * 8 + 200


def test_the_version_changes_with_every_point_and_only_then():
    history = fed((0, 1))
    first = history.version
    history.take(at(1, running(2)))
    assert history.version == first
    history.take(at(10, running(2)))
    assert history.version != first


def test_a_clock_that_is_set_does_not_bend_the_line():
    history = History()
    for number, wall in enumerate((1000.0, 1010.0, 400.0, 410.0)):
        history.take(Snapshot((running(number),), (), wall, BOOT + 10 * number))
    assert values(history) == {"a": [0, 1, 2, 3]}


def test_an_hour_that_was_handed_out_does_not_change():
    history = fed((0, 1))
    hour = history.hour()
    history.take(at(10, running(2)))
    assert hour.length == 1
    assert [list(points) for _, points in hour.series] == [[1]]


def test_the_hour_of_one_server_and_model_can_be_asked_for():
    history = History()
    history.take(at(0, running(1), running(2, "b")))
    assert [series.place.server for series, _ in history.hour("b").series] == ["b"]
    assert [series.place.server for series, _ in history.hour("a", "m").series] == ["a"]
    assert history.hour("a", "other").series == []
