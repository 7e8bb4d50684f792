"""For how long a server has cost money."""

import pytest

from pentameter.cost_meter import CostClock
from pentameter.readings import VllmReading
from pentameter.windows import Window

ACTIVE = {"active": 1.0}
LOST = {"unobserved": 1.0}


def clock():
    return CostClock([Window("1m", 60.0)])


def page(monotonic, *, start=None, wall=None):
    return VllmReading("a", monotonic, 1e9 + monotonic if wall is None else wall, start, (), {})


def test_time_passes_from_the_first_page_on():
    one = clock()
    assert one.advance(5.0, LOST).tick is None
    one.take(page(10.0))
    assert one.advance(12.0, ACTIVE).tick.deltas == {"active": 2.0, "unobserved": 0.0}
    assert one.advance(15.0, {"active": 0.5, "idle": 0.5}).tick.deltas["idle"] == 1.5


def test_an_outage_costs_as_much_as_work():
    one = clock()
    one.take(page(0.0))
    one.advance(1.0, ACTIVE)
    one.silence(0.0)
    assert one.advance(101.0, LOST).tick.deltas["unobserved"] == 100.0


def test_the_start_of_a_process_that_was_watched_is_warm_up_and_unobserved():
    one = clock()
    one.silence(100.0)  # looked for in vain since then
    # The process began 70 seconds before its first page.
    one.take(page(200.0, start=1e9 + 130))
    tick = one.advance(201.0, ACTIVE).tick
    assert tick.deltas == {"unobserved": pytest.approx(70.0), "warmup": pytest.approx(70.0), "active": 1.0}


def test_a_warm_up_is_no_longer_than_it_was_watched_whatever_the_clocks_say():
    one = clock()
    one.silence(190.0)
    one.take(page(200.0, start=1.0))
    assert one.advance(200.0, ACTIVE).tick.deltas["warmup"] == 10.0


def test_a_start_in_the_future_of_a_clock_that_is_wrong_takes_no_time():
    one = clock()
    one.silence(100.0)
    one.take(page(200.0, start=2e9))
    assert "warmup" not in one.advance(201.0, ACTIVE).tick.deltas


def test_a_restart_costs_its_warm_up_once():
    one = clock()
    one.take(page(0.0, start=1e9 - 5000))
    one.advance(10.0, ACTIVE)
    one.silence(10.0)
    assert one.advance(100.0, LOST).tick.deltas["unobserved"] == 90.0
    one.take(page(100.0, start=1e9 + 40))
    deltas = one.advance(101.0, ACTIVE).tick.deltas
    assert deltas == {"active": 1.0, "unobserved": 0.0, "warmup": pytest.approx(60.0)}


def test_an_outage_of_the_same_process_is_no_warm_up():
    one = clock()
    one.take(page(0.0, start=1e9 - 5000))
    one.silence(0.0)
    one.take(page(100.0, start=1e9 - 5000))
    assert "warmup" not in one.advance(101.0, ACTIVE).tick.deltas


def test_a_process_that_ran_before_the_last_page_of_another_has_no_warm_up():
    one = clock()
    one.take(page(0.0, start=1e9 - 5000))
    one.silence(0.0)
    one.take(page(1.0, start=1e9 - 4000), foreign=True)
    assert "warmup" not in one.advance(2.0, ACTIVE).tick.deltas


def test_a_server_that_runs_already_when_it_is_first_asked_has_no_warm_up():
    one = clock()
    one.take(page(100.0, start=1e9 + 99))
    assert "warmup" not in one.advance(101.0, ACTIVE).tick.deltas


def test_seconds_are_held_until_they_can_be_priced():
    one = clock()
    one.take(page(0.0))
    assert one.advance(10.0, ACTIVE, hold=True).tick is None
    assert one.advance(11.0, ACTIVE).tick.deltas["active"] == 11.0


def test_a_clock_that_stands_still_costs_nothing():
    one = clock()
    one.take(page(10.0))
    one.advance(20.0, ACTIVE)
    assert one.advance(20.0, ACTIVE).tick is None
    assert one.advance(19.0, ACTIVE).tick is None
    assert one.advance(21.0, ACTIVE).tick.deltas["active"] == 1.0
