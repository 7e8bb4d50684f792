"""A remembered table of a figure by load: whether it has changed at the same load.

Every period of traffic is a point: the logarithms of its load and of its figure. The points of a day are kept as
medians by load, which makes a few dozen numbers of it. A point is held against the curve through the days of the last
three weeks, the present and the last one left out, and the answer is the median of the differences over the last 24
hours. So neither more nor less traffic is a change, one odd hour is none, and a change of today is not held against
itself.

Days are those of the clock that is handed in, which must not run backwards. What is forgotten is counted in days that
had traffic: no jump of a clock can empty the table.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from pentameter.drift.curve import Bin, Curve
from pentameter.drift.tally import checked, refuse, rows_of
from pentameter.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FEWEST_DAYS = 3
"""Days that the past must have before anything is held against it."""
FEWEST_MATCHED = 36
"""Periods of the last 24 hours that must have found their like: three hours of five minutes each."""
MOST_BINS = 300
"""Of one day in a state: a day has 288 periods of five minutes, and each may be of another load."""
MOST_POINTS = 2000
MOST_LOGARITHM = 100.0
"""Of a load or a figure in a state: e^100 of anything is none, and two of them still make a ratio."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The last 24 hours against the past at the same load."""

    ratio: float | None
    """Median of now / then; None where too few periods have found their like."""
    periods: int
    """Those that have."""


@dataclass(frozen=True, slots=True)
class _Day:
    number: int
    bins: tuple[Bin, ...]


@dataclass(slots=True)
class _Point:
    clock: float
    load: float
    value: float
    rolling: float | None = None
    """log(now / then), or None without a like in the past."""
    pinned: float | None = None


class LoadTable:
    """One figure of one server."""

    def __init__(self, horizon_days: int = 21, match_ratio: float = 0.12) -> None:
        self._horizon = horizon_days
        self._reach = math.log(1 + match_ratio)
        # The last day is no past yet.
        self._days: deque[_Day] = deque(maxlen=horizon_days + 1)
        self._recent: deque[_Point] = deque()
        self._today: int | None = None
        self._curve: Curve | None = None
        self._pinned: Curve | None = None

    @property
    def days(self) -> int:
        """Return the days of the past that a point is held against."""
        return len(self._past())

    def add(self, clock: float, load: float, value: float) -> None:
        """Take in a period that ended at a moment; load and figure are positive."""
        day = int(clock // SECONDS_PER_DAY)
        if self._today is None or day > self._today:
            self._begin(day)
        point = _Point(clock, math.log(load), math.log(value))
        self._hold(point)
        self._recent.append(point)
        self._drop_old(clock)

    def pin(self, baseline: LoadTable) -> None:
        """Hold every period against another table as well, which stays as it is."""
        bins = [one for day in baseline._all_days() for one in day.bins]
        self._pinned = Curve.through(bins, self._reach)
        for point in self._recent:
            self._hold(point)

    def rolling(self, clock: float) -> Comparison:
        """Return the last 24 hours against the weeks before."""
        return _compared(point.rolling for point in self._since(clock))

    def pinned(self, clock: float) -> Comparison | None:
        """Return the last 24 hours against the pinned table; None without one."""
        return None if self._pinned is None else _compared(point.pinned for point in self._since(clock))

    # ------------------------------------------------------------------ inside

    def _begin(self, day: int) -> None:
        """Put the last day away, and let the one before become past."""
        if self._today is not None and (digest := self._digest()):
            self._days.append(_Day(self._today, digest))
        self._today = day
        self._recall()

    def _recall(self) -> None:
        past = self._past()
        bins = (one for day in past for one in day.bins)
        self._curve = Curve.through(bins, self._reach) if len(past) >= FEWEST_DAYS else None
        for point in self._recent:
            self._hold(point)

    def _past(self) -> list[_Day]:
        """Return the days that ended at least 24 hours before the present moment, as many as count."""
        old = [day for day in self._days if self._today is not None and day.number < self._today - 1]
        return old[-self._horizon :]

    def _all_days(self) -> list[_Day]:
        today = [_Day(self._today, self._digest())] if self._today is not None else []
        return [*self._days, *today]

    def _digest(self) -> tuple[Bin, ...]:
        """Return the medians by load of the present day."""
        groups: dict[int, list[_Point]] = {}
        for point in self._recent:
            if int(point.clock // SECONDS_PER_DAY) == self._today:
                groups.setdefault(math.floor(point.load / self._reach), []).append(point)
        return tuple(
            Bin(len(group), median(point.load for point in group), median(point.value for point in group))
            for _, group in sorted(groups.items())
        )

    def _hold(self, point: _Point) -> None:
        then = None if self._curve is None else self._curve.at(point.load)
        point.rolling = None if then is None else point.value - then
        then = None if self._pinned is None else self._pinned.at(point.load)
        point.pinned = None if then is None else point.value - then

    def _drop_old(self, clock: float) -> None:
        # Points of the present day are never as old as that: its digest is whole.
        while self._recent and self._recent[0].clock <= clock - SECONDS_PER_DAY:
            self._recent.popleft()

    def _since(self, clock: float) -> Iterator[_Point]:
        return (point for point in self._recent if point.clock > clock - SECONDS_PER_DAY)

    # ------------------------------------------------------------------ on disk

    def to_state(self) -> dict[str, Any]:
        """Return the table, as JSON can hold it."""
        return {
            "days": [
                [day.number, [[one.count, round(one.load, 5), round(one.value, 5)] for one in day.bins]]
                for day in self._days
            ],
            "recent": [[int(p.clock), round(p.load, 5), round(p.value, 5)] for p in self._recent],
        }

    def restore(self, state: object) -> None:
        """Take over a state; raises ``ValueError`` for what ``to_state`` has not written."""
        days = [_day_of(row) for row in rows_of(state, "days")]
        rows = rows_of(state, "recent")
        if len(rows) > MOST_POINTS or any(a.number >= b.number for a, b in pairwise(days)):
            refuse("days or points that cannot have been")
        points = [_Point(*_with_logarithms(row)) for row in rows]
        if any(a.clock > b.clock for a, b in pairwise(points)):
            refuse("points that do not ascend")
        self._days.extend(days)
        self._recent.extend(points)
        if points:
            self._today = int(points[-1].clock // SECONDS_PER_DAY)
            self._recall()


def _compared(differences: Iterable[float | None]) -> Comparison:
    known = [difference for difference in differences if difference is not None]
    return Comparison(math.exp(median(known)) if len(known) >= FEWEST_MATCHED else None, len(known))


def _with_logarithms(row: object) -> list[float]:
    """Return a number and the logarithms of a load and a figure."""
    numbers = checked(row, 3)
    if any(abs(number) > MOST_LOGARITHM for number in numbers[1:]):
        refuse("a logarithm of nothing that there is")
    return numbers


def _day_of(row: object) -> _Day:
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], list) or len(row[1]) > MOST_BINS:
        refuse("a day that is none")
    [number] = checked(row[:1], 1)
    bins = []
    for one in row[1]:
        count, load, value = _with_logarithms(one)
        if count < 1:
            refuse("a bin of nothing")
        bins.append(Bin(int(count), load, value))
    return _Day(int(number), tuple(bins))
