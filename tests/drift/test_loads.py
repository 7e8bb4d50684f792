"""The table of a figure by load: what is matched, what ages, what a disk or a clock does to it."""

import json
import math

import pytest

from pentameter.drift.loads import LoadTable

DAY, STEP = 86_400.0, 300.0
START = 20_000 * DAY


def cost_of(load):
    """A fixed price: the more is carried, the less each costs."""
    return 4.0 / load


def load_at(clock):
    return 100.0 * (1.5 + math.sin(2 * math.pi * clock / DAY))


def run(table, first, days, factor=1.0, traffic=1.0, step=STEP):
    """Let days of traffic pass; return the moment of their end."""
    count = int(days * DAY / step)
    for i in range(count):
        clock = START + first * DAY + i * step
        load = traffic * load_at(clock)
        table.add(clock, load, factor * cost_of(load))
    return START + (first + days) * DAY - step


def test_before_three_days_are_past_nothing_is_said():
    table = LoadTable()
    now = run(table, 0, 4.9)
    assert (table.days, table.rolling(now).ratio) == (3, pytest.approx(1.0, abs=1e-3))
    table = LoadTable()
    now = run(table, 0, 3.9)
    assert (table.days, table.rolling(now)) == (2, table.rolling(now + 1))
    assert table.rolling(now).ratio is None
    assert table.rolling(now).periods == 0


def test_the_last_day_is_no_past_yet():
    table = LoadTable()
    run(table, 0, 4)
    now = run(table, 4, 1.4, factor=1.2)
    assert table.days == 4  # 0 to 3, which ended a day ago and more
    assert table.rolling(now).ratio == pytest.approx(1.2, rel=1e-3)


def test_a_change_shows_when_half_of_a_day_has_it():
    table = LoadTable()
    run(table, 0, 7)
    assert table.rolling(run(table, 7, 0.45, factor=1.2)).ratio == pytest.approx(1.0, abs=2e-3)
    assert table.rolling(run(table, 7.45, 0.1, factor=1.2)).ratio > 1.15


def test_less_traffic_at_the_same_price_is_no_change_though_each_costs_more():
    table = LoadTable()
    run(table, 0, 7)
    now = run(table, 7, 1, traffic=0.7)
    assert table.rolling(now).ratio == pytest.approx(1.0, abs=2e-3)
    assert table.rolling(now).periods < 288  # the lowest loads have no like


def test_a_load_that_was_never_seen_is_not_held_against_anything():
    table = LoadTable()
    run(table, 0, 7)
    now = run(table, 7, 1, traffic=10)
    assert (table.rolling(now).ratio, table.rolling(now).periods) == (None, 0)


def test_a_new_level_becomes_the_past_after_half_of_the_horizon():
    table = LoadTable(horizon_days=6)
    run(table, 0, 8, step=1200)
    assert table.rolling(run(table, 8, 3, factor=1.2, step=1200)).ratio == pytest.approx(1.2, rel=1e-2)
    assert table.rolling(run(table, 11, 4, factor=1.2, step=1200)).ratio == pytest.approx(1.0, abs=1e-2)


def test_a_pinned_table_is_not_overtaken_by_the_present():
    baseline, table = LoadTable(), LoadTable(horizon_days=6)
    run(baseline, 0, 3, step=1200)
    table.pin(baseline)
    now = run(table, 0, 15, factor=1.2, step=1200)
    assert table.rolling(now).ratio == pytest.approx(1.0, abs=1e-2)
    assert table.pinned(now).ratio == pytest.approx(1.2, rel=1e-2)
    assert LoadTable().pinned(now) is None


def test_a_table_that_is_pinned_late_holds_the_last_day_against_it_at_once():
    baseline, table = LoadTable(), LoadTable()
    run(baseline, 0, 3)
    now = run(table, 0, 1, factor=1.1)
    table.pin(baseline)
    assert table.pinned(now).ratio == pytest.approx(1.1, rel=1e-2)


def test_a_day_without_traffic_ends_the_answer_and_forgets_nothing():
    table = LoadTable()
    now = run(table, 0, 7)
    assert table.rolling(now + DAY).periods == 0
    later = run(table, 300, 1)
    assert table.days == 7
    assert table.rolling(later).ratio == pytest.approx(1.0, abs=1e-3)


def test_the_horizon_counts_days_with_traffic():
    table = LoadTable(horizon_days=5)
    run(table, 0, 12, step=1200)
    assert table.days == 5


def test_a_table_outlives_a_restart_within_a_day():
    whole, first, second = LoadTable(), LoadTable(), LoadTable()
    run(whole, 0, 7.5)
    run(first, 0, 7.25)
    second.restore(json.loads(json.dumps(first.to_state())))
    now = run(second, 7.25, 0.25)
    assert second.days == whole.days
    assert second.rolling(now).ratio == pytest.approx(whole.rolling(now).ratio, abs=1e-4)
    assert second.rolling(now).periods == whole.rolling(now).periods


def test_other_steps_of_the_load_can_read_the_days_of_before():
    wide, narrow = LoadTable(match_ratio=0.12), LoadTable(match_ratio=0.05)
    run(narrow, 0, 6)
    wide.restore(narrow.to_state())
    assert wide.rolling(run(wide, 6, 1)).ratio == pytest.approx(1.0, abs=1e-2)


def test_three_weeks_are_a_few_kilobytes():
    table = LoadTable()
    run(table, 0, 30)
    assert len(json.dumps(table.to_state(), separators=(",", ":"))) < 20_000


@pytest.mark.parametrize(
    "state",
    [
        None,
        {"days": [], "recent": 3},
        {"days": [[1]], "recent": []},
        {"days": [[1, [[0, 1.0, 1.0]]]], "recent": []},
        {"days": [[1, [[1, "a", 1.0]]]], "recent": []},
        {"days": [[2, []], [1, []]], "recent": []},
        {"days": [[1, [[1, 1.0, 1.0]] * 301]], "recent": []},
        {"days": [[1, [[40, 1.0, -1e6]]]], "recent": []},
        {"days": [], "recent": [[5.0, 800.0, 0.0]]},
        {"days": [], "recent": [[5.0, 0.0, 0.0], [4.0, 0.0, 0.0]]},
        {"days": [], "recent": [[5.0, 0.0, True]]},
    ],
)
def test_what_no_run_has_written_is_refused_and_changes_nothing(state):
    table = LoadTable()
    with pytest.raises(ValueError, match="no state of drift"):
        table.restore(state)
    assert table.to_state() == {"days": [], "recent": []}


def test_a_day_of_ever_other_loads_is_read_again():
    table = LoadTable(match_ratio=0.02)
    for i in range(2 * 288):  # each period is of another step of the load: e^0.03 apart, where a step is e^0.0198
        table.add(START + i * STEP, math.exp(0.03 * (i % 288)), 1.0)
    state = json.loads(json.dumps(table.to_state()))
    assert len(state["days"][0][1]) == 288
    again = LoadTable(match_ratio=0.02)
    again.restore(state)
    assert again.to_state() == state
