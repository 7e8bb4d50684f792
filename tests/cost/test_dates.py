"""Days as Unix time."""

import datetime as dt

import pytest

from pentameter.cost.dates import unix_time


def test_every_day_of_four_centuries_is_what_the_standard_library_says():
    first = dt.date(1899, 12, 31).toordinal()
    for ordinal in range(first, first + 146_097, 17):
        day = dt.date.fromordinal(ordinal)
        moment = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        assert unix_time(day.isoformat()) == moment.timestamp()


@pytest.mark.parametrize("day", ["2000-02-29", "2024-02-29", "2024-12-31", "0001-01-01", "9999-12-31"])
def test_a_leap_day_and_the_ends_of_the_calendar_are_days(day):
    assert unix_time(day) == (dt.date.fromisoformat(day).toordinal() - 719_163) * 86_400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-10",
        "2025-1-1",
        "1900-02-29",
        "2023-02-29",
        "2025-04-31",
        "2025-13-01",
        "2025-00-01",
        "2025-01-00",
        "0000-01-01",
        "20251001",
        "2025-10-01T00:00",
        " 2025-10-01",
        "\u0662025-10-01",
    ],
)
def test_what_is_no_day_is_refused(text):
    with pytest.raises(ValueError, match="is no day YYYY-MM-DD"):
        unix_time(text)
