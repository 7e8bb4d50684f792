"""Simulated weeks, briefly: no false alarms, what changed is found, and less traffic is not taken for a loss."""

from functools import cache

import pytest

from drift.weeks import CHANGE, DAY, QUIET, alerts, delay, episodes

RAW_HOUR = "raw, 1 h against the day before > 1.15"
RAW_DAY = "raw, 24 h against the week before > 1.15"
COST, ENERGY = "$/token at the same load > 1.05", "J/token at the same load > 1.05"
TPOT, CAPACITY = "TPOT at the same batch > 1.05", "$/token at capacity > 1.05"
WEEKS = (CHANGE + 2 * DAY) / (7 * DAY)


@cache
def alerts_of(kind):
    return alerts(kind, seed=99, seconds=600.0, weeks=WEEKS)


@pytest.mark.parametrize("detector", [COST, ENERGY, TPOT, CAPACITY])
def test_two_quiet_weeks_with_a_holiday_raise_no_alarm(detector):
    assert episodes(alerts_of("holiday")[detector], 0, CHANGE) == 0


def test_the_same_weeks_raise_alarms_where_traffic_is_taken_for_cost():
    assert episodes(alerts_of("holiday")[RAW_HOUR], QUIET, CHANGE) >= 3


def test_a_higher_price_is_found_within_a_day_and_passes_for_nothing_else():
    said = alerts_of("price +20 %")
    assert delay(said[COST]) <= 24
    assert (delay(said[TPOT]), delay(said[ENERGY])) == (None, None)


def test_a_slower_server_is_found_by_tpot_and_at_capacity_while_the_realised_cost_stays():
    said = alerts_of("efficiency -15 %")
    assert delay(said[TPOT]) <= 24
    assert delay(said[CAPACITY]) <= 24
    assert delay(said[COST]) is None


def test_less_traffic_is_an_alarm_for_raw_ratios_only():
    said = alerts_of("traffic -30 %")
    assert delay(said[RAW_DAY]) <= 24
    assert [delay(said[detector]) for detector in (COST, ENERGY, TPOT, CAPACITY)] == [None] * 4
