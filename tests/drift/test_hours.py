"""Hour by hour, and a day against the same day of the week before."""

import json

import pytest

from pentameter.drift.hours import KEPT_HOURS, Hours
from pentameter.drift.tally import Tally

HOUR = 3600.0
START = 500_000 * HOUR


def step(seconds, tokens):
    return Tally(seconds, {"tokens": (tokens, seconds)})


def filled(hours, first=0):
    """Return hours each of which made as many tokens as its number."""
    kept = Hours()
    for number in range(first, hours):
        kept.add(START + (number + 1) * HOUR, step(HOUR, float(number)))
    return kept


def tokens(span):
    return span.sums["tokens"][0]


def test_the_present_hour_is_left_out():
    assert tokens(filled(10).span(1)) == 8  # 9 is the present one


def test_a_day_and_the_same_hour_a_day_ago_and_the_day_a_week_ago():
    kept = filled(193)
    assert tokens(kept.span(1, 24)) == 191 - 24
    assert tokens(kept.span(24)) == sum(range(168, 192))
    assert tokens(kept.span(24, 168)) == sum(range(24))


def test_steps_add_up_to_their_hour():
    kept = Hours()
    ends = [kept.add(START + 60.0 * i, step(60.0, 1.0)) for i in range(1, 122)]
    assert [i for i, ended in enumerate(ends) if ended] == [60, 120]
    assert tokens(kept.span(1)) == 60


def test_an_hour_of_which_a_tenth_is_missing_is_not_told_of():
    kept = Hours()
    kept.add(START + 3200.0, step(3200.0, 1.0))
    kept.add(START + HOUR + 60, step(60.0, 1.0))
    assert kept.span(1) is None


def test_a_gap_of_a_day_leaves_yesterday_unknown():
    kept = filled(5)
    kept.add(START + 40 * HOUR, step(HOUR, 1.0))
    kept.add(START + 41 * HOUR, step(HOUR, 1.0))
    assert kept.span(1) is not None
    assert kept.span(1, 24) is None


def test_the_oldest_hours_are_dropped_by_number_and_not_by_age():
    assert len(filled(400).to_state()) == KEPT_HOURS + 1
    kept = filled(100)
    kept.add(START + 1e6 * HOUR, step(HOUR, 1.0))
    assert len(kept.to_state()) == 101


def test_what_is_saved_is_restored():
    kept = filled(50)
    again = Hours.from_state({"hours": json.loads(json.dumps(kept.to_state()))})
    assert again.to_state() == kept.to_state()
    assert again.span(24, 20) == kept.span(24, 20)


@pytest.mark.parametrize(
    "rows",
    [None, [3], [[]], [[1.0, 2.0]], [["a"] * 26], [[1.0, *[-1.0] * 25]], [[2.0, *[0.0] * 25], [1.0, *[0.0] * 25]]],
)
def test_what_no_run_has_written_is_refused(rows):
    with pytest.raises(ValueError, match="no state of drift"):
        Hours.from_state({"hours": rows})
