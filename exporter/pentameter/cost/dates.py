"""Calendar days as Unix time by arithmetic alone, for a core that knows no clock."""

from __future__ import annotations

import re

from pentameter.units import SECONDS_PER_DAY

_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
"""Days of an ordinary year before each month, and in all."""
_UNIX_EPOCH_DAY = 719_162
"""Days from 1 January of the year 1 to 1 January 1970 in the Gregorian calendar."""


def unix_time(date: str) -> int:
    """Return the Unix time at which a day begins in UTC; the day is YYYY-MM-DD of the Gregorian calendar.

    Raises ``ValueError`` for what is no such day.

    >>> unix_time("1970-01-02"), unix_time("2026-11-23")
    (86400, 1795392000)
    """
    match = _ISO.fullmatch(date)
    year, month, day = (int(part) for part in match.groups()) if match else (0, 0, 0)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (year and 1 <= month <= 12):
        raise _no_date(date)
    in_month = _BEFORE_MONTH[month] - _BEFORE_MONTH[month - 1] + (leap and month == 2)
    if not 1 <= day <= in_month:
        raise _no_date(date)
    earlier = year - 1
    leap_days = earlier // 4 - earlier // 100 + earlier // 400
    in_year = _BEFORE_MONTH[month - 1] + (leap and month > 2) + day - 1
    return (365 * earlier + leap_days + in_year - _UNIX_EPOCH_DAY) * SECONDS_PER_DAY


def _no_date(date: str) -> ValueError:
    return ValueError(f"{date[:40]!r} is no day YYYY-MM-DD")
