"""How FOCUS writes times and numbers (its attributes Date/Time Format and Numeric Format)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal


def moment(seconds: float) -> str:
    """Return a Unix time as FOCUS writes it.

    >>> moment(1_800_000_000)
    '2027-01-15T08:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def month(seconds: float) -> tuple[str, str]:
    """Return the first moments of the calendar month of a Unix time and of the next, in UTC.

    >>> month(1_798_761_599)
    ('2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z')
    """
    then = datetime.fromtimestamp(seconds, UTC)
    begins = datetime(then.year, then.month, 1, tzinfo=UTC)
    ends = datetime(then.year + then.month // 12, then.month % 12 + 1, 1, tzinfo=UTC)
    return moment(begins.timestamp()), moment(ends.timestamp())


def number(value: float | None) -> str:
    """Return a number as FOCUS wants it: no exponent, no digit lost; nothing for what is unknown.

    >>> number(1e-07), number(2.0), number(None)
    ('0.0000001', '2.0', '')
    """
    return "" if value is None else f"{Decimal(repr(float(value))):f}"
