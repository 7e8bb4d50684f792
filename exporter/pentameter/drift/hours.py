"""What a server did hour by hour, for as long as a day is held against the same day of the week before."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from pentameter.drift.tally import Tally, checked, refuse, rows_of, total
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_HOURS = 8 * 24
"""A day, and the seven days before it."""
WHOLE = 0.9
"""A span is told of where at least this share of it was watched."""


class Hours:
    """Keeps the newest hours in which the server was watched, however long ago they were."""

    def __init__(self) -> None:
        self._hours: deque[tuple[int, Tally]] = deque(maxlen=KEPT_HOURS + 1)

    def add(self, clock: float, step: Tally) -> bool:
        """Add what happened up to a moment; return True where an hour ended with it."""
        hour = int((clock - step.seconds / 2) // SECONDS_PER_HOUR)
        if self._hours and hour <= self._hours[-1][0]:
            self._hours[-1][1].add(step)
            return False
        ended = bool(self._hours)
        self._hours.append((hour, total([step])))
        return ended

    def span(self, hours: int, ago: int = 0) -> Tally | None:
        """Return the sum of so many hours that ended so many hours before the present one began.

        None where less than ``WHOLE`` of them was watched.
        """
        if not self._hours:
            return None
        end = self._hours[-1][0] - ago
        found = total(self._between(end - hours, end))
        return found if found.seconds >= WHOLE * hours * SECONDS_PER_HOUR else None

    def _between(self, first: int, end: int) -> Iterator[Tally]:
        return (tally for hour, tally in self._hours if first <= hour < end)

    def to_state(self) -> list[Any]:
        """Return the hours, as JSON can hold them."""
        return [[hour, *tally.to_row()] for hour, tally in self._hours]

    @classmethod
    def from_state(cls, state: object) -> Hours:
        """Return the hours of a state; raises ``ValueError`` for what ``to_state`` has not written."""
        hours = cls()
        for row in rows_of(state, "hours"):
            if not isinstance(row, list) or not row:
                refuse("an hour that is none")
            [number] = checked(row[:1], 1)
            if hours._hours and number <= hours._hours[-1][0]:
                refuse("hours that do not ascend")
            hours._hours.append((int(number), Tally.of_row(row[1:])))
        return hours
