"""One GPU's account: which joules are believed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.energy_account import COUNTER, INTEGRATED, UNKNOWN, EnergyAccount

LIMIT = 700.0


def account(*readings, limit=LIMIT):
    """Return the account after readings of (time, counter, watts)."""
    made = EnergyAccount()
    for time, counter, watts in readings:
        made.take(time, counter, watts, limit)
    return made


def steady(start, seconds, *, counter=0.0, watts=300.0, moving=True):
    """Return readings once a second, at constant power; the first is of the moment after ``start``."""
    return [(start + i, counter + (watts * i if moving else 0.0), watts) for i in range(1, seconds + 1)]


# ---------------------------------------------------------------------------- the sound counter


def test_a_sound_counters_history_is_not_ours_and_its_increase_is():
    made = account((0, 5e6, 300.0), (1, 5e6 + 290.0, 300.0), (2, 5e6 + 610.0, 300.0))
    assert (made.joules, made.measured, made.integrated) == (610, 610, 0)
    assert (made.method, made.since, made.has_integral) == (COUNTER, 0, False)


def test_without_any_power_the_counter_alone_does():
    made = account((0, 100.0, None), (1, 400.0, None), (60, 4000.0, None), limit=None)
    assert (made.joules, made.method) == (3900, COUNTER)


def test_the_same_page_once_more_is_no_reading():
    made = account((0, 0.0, 300.0), (30, 9000.0, 300.0), (30, 9999.0, 300.0), (29, 1.0, 300.0))
    assert (made.joules, made.anomalies["reset"]) == (9000, 0)


def test_what_was_used_while_the_gpu_could_not_be_read_is_in_the_counter():
    made = account((0, 0.0, 300.0), (1, 300.0, 300.0), (301, 90_300.0, 300.0))
    assert made.measured == 90_300


# ---------------------------------------------------------------------------- resets


def test_a_counter_that_falls_is_counted_and_earns_nothing():
    made = account((0, 1000.0, 300.0), (1, 1300.0, 300.0), (2, 5.0, 300.0), (3, 305.0, 300.0))
    assert (made.joules, made.anomalies["reset"], made.method) == (600, 1, COUNTER)


def test_a_fall_to_zero_for_one_reading_earns_no_history():
    made = account(
        (0, 1e6, 300.0), (1, 0.0, 300.0), (2, 1e6 + 600, 300.0), (3, 1e6 + 900, 300.0), (4, 1e6 + 1200, 300.0)
    )
    # Nothing for the fall; power x time for the jump back, which two readings bear witness to; the counter after it.
    assert (made.integrated, made.measured) == (600, 300)
    assert (made.anomalies["reset"], made.anomalies["rejected"]) == (1, 1)


# ---------------------------------------------------------------------------- impossible deltas


def test_a_glitch_is_rejected_and_costs_no_joule():
    made = account((0, 0.0, 300.0), (1, 1e9, 300.0), (2, 600.0, 300.0), (3, 900.0, 300.0))
    assert (made.measured, made.integrated) == (900, 0)
    assert (made.anomalies["rejected"], made.anomalies["reset"]) == (1, 0)


def test_a_glitch_is_counted_once():
    made = account((0, 0.0, 300.0), (1, 1e9, 300.0), (2, 0.0, 300.0), (3, 300.0, 300.0))
    assert (made.measured, made.anomalies["rejected"]) == (300, 1)


def test_a_jump_that_stays_is_rejected_and_power_stands_in():
    made = account((0, 0.0, 300.0), (1, 1e9, 300.0), (2, 1e9 + 300, 300.0), (3, 1e9 + 600, 300.0))
    assert (made.integrated, made.measured, made.anomalies["rejected"]) == (600, 300, 1)
    assert made.method == COUNTER


def test_a_jump_is_not_believed_without_power_either():
    made = account((0, 0.0, None), (1, 1e9, None), (2, 1e9 + 300, None), (3, 1e9 + 600, None))
    assert (made.joules, made.method) == (300, COUNTER)


def test_a_counter_that_is_always_impossible_leaves_the_account_to_the_power():
    made = account(*((time, 1e6 * time, 300.0) for time in range(9)))
    assert (made.measured, made.integrated, made.method) == (0, 8 * 300, INTEGRATED)
    assert made.anomalies["rejected"] == 4


def test_a_reading_that_came_late_is_not_rejected():
    # 700 W throughout; the second reading says 1 s and was taken at 1.5 s.
    made = account((0, 0.0, 700.0), (1, 1050.0, 700.0), (2, 1400.0, 700.0))
    assert (made.measured, made.anomalies["rejected"]) == (1400, 0)


def test_where_the_limit_is_not_known_nothing_is_impossible():
    made = account((0, 0.0, 300.0), (1, 1e9, 300.0), limit=None)
    assert made.measured == 1e9


def test_a_power_that_cannot_be_is_counted_and_not_integrated():
    made = account((0, None, 300.0), (1, None, 5000.0), (2, None, 300.0), (3, None, 300.0))
    assert (made.integrated, made.anomalies["power"]) == (300, 1)


# ---------------------------------------------------------------------------- frozen counters


def test_a_frozen_counter_is_bridged_by_the_power_from_where_it_stopped():
    made = account((0, 0.0, 300.0), (1, 300.0, 300.0), *steady(1, 10, counter=300.0, moving=False))
    assert (made.measured, made.integrated, made.method) == (300, 3000, INTEGRATED)
    assert made.anomalies["frozen"] == 1


def test_three_seconds_of_standstill_are_not_yet_frozen():
    made = account((0, 0.0, 300.0), *steady(0, 3, moving=False))
    assert (made.joules, made.method, made.anomalies["frozen"]) == (0, COUNTER, 0)


def test_a_counter_that_catches_up_is_not_paid_twice():
    made = account((0, 0.0, 300.0), *steady(0, 10, moving=False), (11, 3300.0, 300.0), (12, 3600.0, 300.0))
    assert made.joules == 3600
    assert (made.integrated, made.measured, made.method) == (3000, 600, COUNTER)


def test_a_counter_that_catches_up_with_less_than_the_power_said_is_even_in_the_end():
    readings = [(0, 0.0, 300.0), *steady(0, 10, moving=False), (11, 2900.0, 300.0), (12, 3100.0, 300.0)]
    assert account(*readings).joules == 3100


def test_a_counter_that_has_lost_the_time_goes_on_beside_what_was_bridged():
    made = account((0, 0.0, 300.0), *steady(0, 10, moving=False), (11, 280.0, 300.0), (12, 580.0, 300.0))
    # Eleven seconds at 300 W by the power, then the counter.
    assert (made.integrated, made.measured) == (3300, 300)


@pytest.mark.parametrize(("moved", "joules"), [(1790.0, 3300), (1810.0, 3000), (3100.0, 3100)])
def test_whether_a_counter_caught_up_or_lost_the_time_is_the_nearer_of_the_two(moved, joules):
    # 3000 J were paid in advance, the last second took 300 J.
    made = account((0, 0.0, 300.0), *steady(0, 10, moving=False), (11, moved, 300.0))
    assert made.joules == joules


def test_a_counter_that_freezes_again_is_counted_again():
    made = account(
        (0, 0.0, 300.0), *steady(0, 5, moving=False), (6, 1800.0, 300.0), *steady(6, 5, counter=1800.0, moving=False)
    )
    assert (made.anomalies["frozen"], made.joules) == (2, 3300)


def test_a_counter_that_stands_still_is_not_called_frozen_where_nobody_knows_the_power():
    made = account((0, 5.0, None), *((time, 5.0, None) for time in range(1, 30)))
    assert (made.joules, made.method, made.anomalies["frozen"]) == (0, COUNTER, 0)


def test_a_frozen_counter_whose_power_is_not_told_any_more_is_unknown():
    made = account((0, 0.0, 300.0), *steady(0, 5, moving=False), (6, 0.0, None))
    assert (made.joules, made.method) == (1500, UNKNOWN)


# ---------------------------------------------------------------------------- no counter


def test_without_a_counter_power_is_integrated_from_the_start():
    made = account((0, None, 100.0), (1, None, 300.0), (3, None, 300.0))
    # (100 + 300) / 2 x 1 s + 300 x 2 s
    assert (made.integrated, made.method, made.since) == (800, INTEGRATED, 0)
    assert not made.has_counter


def test_one_power_is_no_energy_yet():
    made = account((0, None, 100.0))
    assert (made.joules, made.method, made.since) == (0, UNKNOWN, None)


@pytest.mark.parametrize("watts", [None, 0.0, -1.0, math.nan, math.inf])
def test_a_power_that_is_none_says_nothing(watts):
    made = account((0, None, 100.0), (1, None, watts), (2, None, 100.0), (3, None, 100.0))
    assert made.joules == 100


def test_nobody_knows_what_a_long_gap_held():
    made = account((0, None, 100.0), (10, None, 100.0), (20.5, None, 100.0))
    assert (made.joules, made.method) == (1000, UNKNOWN)
    made.take(21.5, None, 100.0, LIMIT)
    assert (made.joules, made.method) == (1100, INTEGRATED)


def test_a_counter_that_appears_later_takes_over_without_its_history():
    made = account((0, None, 100.0), (1, None, 100.0), (2, 5e6, 100.0), (3, 5e6 + 90, 100.0))
    assert (made.integrated, made.measured, made.method) == (200, 90, COUNTER)


def test_a_counter_that_is_silent_for_a_moment_tells_it_all_later():
    made = account((0, 0.0, 300.0), (1, None, 300.0))
    assert made.method == UNKNOWN
    made.take(2, 610.0, 300.0, LIMIT)
    assert (made.measured, made.integrated) == (610, 0)


def test_a_counter_that_is_silent_for_long_is_bridged_and_not_paid_twice():
    made = account((0, 0.0, 300.0), *((time, None, 300.0) for time in range(1, 11)))
    assert (made.joules, made.method) == (3000, INTEGRATED)
    made.take(11, 3350.0, 300.0, LIMIT)
    assert made.joules == 3350


@pytest.mark.parametrize("counter", [math.nan, math.inf, -5.0])
def test_a_counter_that_is_no_number_is_none(counter):
    assert account((0, 0.0, 300.0), (1, counter, 300.0), (2, 600.0, 300.0)).measured == 600


# ---------------------------------------------------------------------------- the audit


def audited(made):
    return made.audited_counter, made.audited_integral, made.audited_seconds


def test_the_audit_compares_both_over_the_same_time():
    assert audited(account((0, 0.0, 300.0), (1, 330.0, 300.0), (2, 610.0, 300.0))) == (610, 600, 2)


def test_the_audit_leaves_out_what_only_one_tells():
    made = account((0, 0.0, 300.0), (1, 300.0, None), (2, 600.0, 300.0), (3, 900.0, 300.0), (20, 6000.0, 300.0))
    assert audited(made) == (300, 300, 1)


def test_the_audit_of_a_frozen_counter_shows_that_it_is_frozen():
    assert audited(account((0, 0.0, 300.0), *steady(0, 10, moving=False))) == (0, 3000, 10)


def test_the_audit_leaves_out_resets_and_jumps():
    made = account((0, 9e3, 300.0), (1, 0.0, 300.0), (2, 300.0, 300.0), (3, 1e9, 300.0), (4, 1e9, 300.0))
    assert audited(made) == (300, 300, 1)
    made.take(5, 1e9 + 310, 300.0, LIMIT)
    assert audited(made) == (610, 600, 2)


# ---------------------------------------------------------------------------- whatever comes

POWERS = st.one_of(st.none(), st.floats(-10, 3000), st.just(0.0))
STEPS = st.tuples(st.floats(0.01, 20), st.one_of(st.none(), st.floats(-1e4, 1e5), st.just(0.0)), POWERS)


@given(st.lists(STEPS, max_size=30))
def test_accepted_joules_never_fall_and_never_exceed_what_the_limit_allows(steps):
    made, time, counter, before = EnergyAccount(), 0.0, 1e6, 0.0
    for seconds, moved, watts in steps:
        time += seconds
        counter = max(0.0, counter + (moved or 0.0))
        made.take(time, None if moved is None else counter, watts, LIMIT)
        assert made.joules >= before
        before = made.joules
    assert made.joules <= 1.2 * LIMIT * time + 1e-6
    assert made.joules == made.measured + made.integrated


@given(st.lists(st.tuples(st.floats(0.1, 60), st.floats(0.01, 1.0), POWERS), min_size=1, max_size=30))
def test_of_a_sound_counter_the_sum_is_its_difference(steps):
    made, time, counter = EnergyAccount(), 0.0, 1e6
    made.take(time, counter, None, LIMIT)
    for seconds, load, watts in steps:
        time += seconds
        counter += load * LIMIT * seconds
        made.take(time, counter, watts, LIMIT)
    assert made.joules == pytest.approx(counter - 1e6)
    assert (made.integrated, made.anomalies["reset"], made.anomalies["rejected"]) == (0, 0, 0)


@given(
    st.lists(st.tuples(st.floats(0.1, 5), st.sampled_from(["tells", "stands", "silent"])), min_size=1, max_size=30),
    st.floats(50, LIMIT),
)
def test_a_counter_that_stops_and_catches_up_tells_the_same_in_the_end(steps, watts):
    made, time, shown = EnergyAccount(), 0.0, 0.0
    made.take(time, shown, watts, LIMIT)
    for seconds, what in [*steps, (1.0, "tells")]:
        time += seconds
        shown = watts * time if what == "tells" else shown
        made.take(time, None if what == "silent" else shown, watts, LIMIT)
    assert made.joules == pytest.approx(watts * time)
