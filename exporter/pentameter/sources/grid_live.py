"""The grid's carbon intensity from a live provider: asked at its own pace, kept while it is young enough.

The daemon reads this source every 30 seconds; most reads hand out the value kept, without a request. After a failure
the provider is left alone for 30 seconds, then twice as long each time, up to an hour, and for as long as it asks for
itself (``Retry-After``). What it said last is handed out meanwhile with its age, and too old a value is an error, so
that the yearly mean takes its place.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

from pentameter.sources import SourceError
from pentameter.sources.grid_fields import malformed
from pentameter.sources.http_get import StatusError
from pentameter.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.readings import GridReading

READ_EVERY_SECONDS = 30.0
"""How often the daemon should read; the shortest back-off."""

LONGEST_BACKOFF_SECONDS = float(SECONDS_PER_HOUR)

LONGEST_OBEDIENCE_SECONDS = float(SECONDS_PER_DAY)
"""A provider that asks to be left alone for longer is asked again after a day: quotas are daily at most."""

CLOCK_TOLERANCE_SECONDS = 15.0 * SECONDS_PER_MINUTE
"""A value of a period that begins later than this is believed of no clock, neither theirs nor ours."""

_DOUBLINGS = 7
"""30 s x 2^7 is more than an hour."""

_REASONS = {401: "credentials", 403: "credentials", 429: "rate_limited"}


class Provider(Protocol):
    """One zone at one provider."""

    @property
    def name(self) -> str:
        """Return the value of the ``source`` label."""

    def fetch(self, monotonic: float, wall: float) -> GridReading:
        """Ask once; raise ``SourceError``."""

    def close(self) -> None:
        """Release what it holds."""


class LiveGrid:
    """A provider's latest value, as a source."""

    name = "grid"
    server = ""

    def __init__(
        self,
        provider: Provider,
        *,
        interval: float,
        max_age: float,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._interval = interval
        self._max_age = max_age
        self._monotonic = monotonic
        self._wall = wall
        self._due = float("-inf")
        self._failures = 0
        self._error: SourceError | None = None
        self._kept: GridReading | None = None

    def read(self) -> GridReading:
        """Return the latest value, asking for a new one when it is time.

        Raises ``SourceError``: what went wrong, while there is no value yet, and ``stale`` for a value that is older
        than the longest age.
        """
        if self._monotonic() >= self._due:
            self._renew()
        kept, error = self._kept, self._error
        if kept is None:
            assert error is not None
            raise SourceError(error.reason, str(error))
        age = kept.age_seconds(self._monotonic())
        if age > self._max_age:
            because = f": {error.reason}: {error}" if error else ", and the provider has no newer one"
            raise SourceError(
                "stale", f"{self._provider.name}: the latest value is {age / 60:.0f} minutes old{because}"
            )
        return kept if error is None else replace(kept, trouble=error.reason)

    def close(self) -> None:
        """Drop the connection."""
        self._provider.close()

    def _renew(self) -> None:
        asked = self._monotonic()
        self._due = asked + READ_EVERY_SECONDS  # holds if what follows fails in a way that nobody foresaw
        try:
            found = self._provider.fetch(asked, self._wall())
            if found.valid_from > found.wall + CLOCK_TOLERANCE_SECONDS:
                raise malformed("the value is of a period that has not begun; is this machine's clock right?")
        except SourceError as error:
            self._error = self._named(error)
            backoff = min(READ_EVERY_SECONDS * 2 ** min(self._failures, _DOUBLINGS), LONGEST_BACKOFF_SECONDS)
            self._failures += 1
            self._due = max(asked + backoff, self._monotonic() + self._asked_for(error))
            return
        self._error = None
        self._failures = 0
        self._due = asked + self._interval
        if self._kept is None or found.valid_from >= self._kept.valid_from:  # a revision of the same period counts
            self._kept = found

    def _named(self, error: SourceError) -> SourceError:
        """Return the error with the provider's name, and with the reason that its status has here."""
        status = error.status if isinstance(error, StatusError) else 0
        return SourceError(_REASONS.get(status, error.reason), f"{self._provider.name}: {error}")

    def _asked_for(self, error: SourceError) -> float:
        """Return how long the provider asks to be left alone."""
        header = error.retry_after if isinstance(error, StatusError) else None
        return min(_seconds(header or "", self._wall()), LONGEST_OBEDIENCE_SECONDS)


def _seconds(retry_after: str, wall: float) -> float:
    """Return the seconds that a Retry-After header means: it holds seconds or a date; 0 for anything else."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - wall
