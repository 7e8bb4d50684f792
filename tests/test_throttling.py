"""How long a GPU's clocks were held down: which seconds count, for which reason, and how often (once)."""

from __future__ import annotations

import math

import pytest

from pentameter.throttling import GAP_SECONDS, REASONS, ThrottleAccount, held_by

# The bits as NVIDIA documents them (nvmlClocksEventReasons).
IDLE, APPLICATIONS, CAP, SLOWDOWN, BOOST, SW_HOT, HW_HOT, BRAKE, DISPLAY = (1 << bit for bit in range(9))
ALL = 0x1FF


def account(*readings, known=ALL):
    """Return an account that has taken (time, bits) or (time, bits, count)."""
    one = ThrottleAccount()
    for time, reasons, *count in readings:
        one.take(float(time), reasons, known, *(count or [None]))
    return one


def test_all_reasons_begin_with_nothing():
    assert account((5, CAP)).seconds == {
        "power_cap": 0,
        "sync_boost": 0,
        "sw_thermal": 0,
        "hw_thermal": 0,
        "hw_power_brake": 0,
        "hw_slowdown": 0,
    }


def test_a_reason_that_is_there_has_lasted_since_the_reading_before():
    assert account((0, 0), (1, CAP), (3, CAP), (4, 0), (4.5, SW_HOT)).seconds["power_cap"] == 3
    assert account((0, 0), (1, CAP), (3, CAP), (4, 0), (4.5, SW_HOT)).seconds["sw_thermal"] == 0.5


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        (0, set()),
        (IDLE, set()),
        (APPLICATIONS | DISPLAY, set()),
        (CAP, {"power_cap"}),
        (BOOST, {"sync_boost"}),
        (SW_HOT | CAP, {"sw_thermal", "power_cap"}),
        (SLOWDOWN, {"hw_slowdown"}),
        (SLOWDOWN | HW_HOT, {"hw_thermal"}),
        (SLOWDOWN | BRAKE, {"hw_power_brake"}),
        (SLOWDOWN | BRAKE | HW_HOT, {"hw_power_brake", "hw_thermal"}),
        (HW_HOT, {"hw_thermal"}),
        (1 << 40, set()),
    ],
)
def test_a_bitmask_names_its_reasons_and_a_slowdown_only_where_nothing_explains_it(bits, reasons):
    assert held_by(bits) == reasons
    seconds = account((0, 0), (2, bits)).seconds
    assert seconds == {reason: 2.0 * (reason in reasons) for reason in REASONS}


def test_what_a_board_cannot_tell_is_missing_unless_it_tells_it_all_the_same():
    one = account((0, IDLE), known=CAP | SLOWDOWN)
    assert set(one.seconds) == {"power_cap", "hw_slowdown"}
    one.take(1.0, SW_HOT, CAP | SLOWDOWN, None)
    assert one.seconds == {"power_cap": 0, "hw_slowdown": 0, "sw_thermal": 1}


def test_where_nobody_says_what_a_board_can_tell_only_what_was_seen_is_known():
    assert account((0, 0), (1, CAP), known=None).seconds == {"power_cap": 1}


def test_a_board_that_tells_nothing_has_nothing():
    assert account((0, None), (1, None)).seconds == {}


def test_the_drivers_own_count_goes_before_the_samples():
    one = account((0, CAP, 6869.0), (10, 0, 6870.25), (20, CAP, 6870.25))
    assert one.seconds["power_cap"] == 1.25
    assert one.bases == {"power_cap": "counter"} | dict.fromkeys(REASONS[1:], "sampled")


def test_the_count_alone_is_enough_for_its_one_reason():
    assert account((0, None, 5.0), (1, None, 5.5)).seconds == {"power_cap": 0.5}


def test_a_basis_is_for_good_so_that_no_second_counts_twice():
    sampled = account((0, CAP), (1, CAP, 100.0), (2, CAP, 101.0))
    assert (sampled.seconds["power_cap"], sampled.bases["power_cap"]) == (2, "sampled")
    counted = account((0, CAP, 100.0), (1, CAP, None), (2, CAP, None), (3, CAP, 103.0))
    assert (counted.seconds["power_cap"], counted.bases["power_cap"]) == (3, "counter")


def test_a_count_that_fell_earns_nothing_and_goes_on():
    # The driver was loaded anew at an unknown moment.
    assert account((0, 0, 500.0), (1, 0, 501.0), (60, 0, 3.0), (61, 0, 3.5)).seconds["power_cap"] == 1.5


@pytest.mark.parametrize(("moved", "seconds"), [(2.9, 2.9), (3.1, 0.0), (1e6, 0.0), (math.inf, 0.0), (math.nan, 0.0)])
def test_a_count_cannot_move_by_more_than_the_time_and_a_second(moved, seconds):
    assert account((0, 0, 1.0), (2, 0, 1.0 + moved)).seconds["power_cap"] == pytest.approx(seconds)


def test_a_count_tells_what_was_while_nobody_looked():
    one = account((0, 0, 10.0))
    one.break_off()
    one.take(3600.0, 0, ALL, 1810.0)
    assert one.seconds["power_cap"] == 1800


@pytest.mark.parametrize(("gap", "seconds"), [(GAP_SECONDS, 90.0), (GAP_SECONDS + 0.1, 0.0)])
def test_samples_do_not_say_what_was_in_a_long_gap(gap, seconds):
    assert account((0, SW_HOT), (gap, SW_HOT)).seconds["sw_thermal"] == seconds


def test_samples_do_not_say_what_was_before_a_reading_that_failed():
    one = account((0, SW_HOT), (1, SW_HOT))
    one.break_off()
    one.take(5.0, SW_HOT, ALL, None)
    assert one.seconds["sw_thermal"] == 1
    one.take(6.0, SW_HOT, ALL, None)
    assert one.seconds["sw_thermal"] == 2


def test_samples_do_not_say_what_was_before_a_reading_without_the_bits():
    assert account((0, SW_HOT), (1, SW_HOT), (2, None), (3, SW_HOT), (4, SW_HOT)).seconds["sw_thermal"] == 2


@pytest.mark.parametrize("time", [0.5, 1.0])
def test_a_reading_that_is_not_younger_is_no_reading(time):
    one = account((0, SW_HOT, 0.0), (1, SW_HOT, 1.0), (time, SW_HOT, 1.5), (2, SW_HOT, 2.0))
    assert (one.seconds["sw_thermal"], one.seconds["power_cap"]) == (2, 2)
