"""Sums over a span of time, each with the seconds that it is known for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

COVERAGE = 0.8
"""A sum that is known for a smaller share of its span is no sum of the span. Energy may come in pieces of 30 seconds,
so that a span of five minutes may hold a tenth too little of it."""

KEYS = (
    "active",
    "running",
    "tokens",
    "decode",
    "decoded",
    "dollars",
    "joules/gpu",
    "joules/it",
    "joules/facility",
    "grams/gpu",
    "grams/it",
    "grams/facility",
)
"""Seconds in which the server worked; request-seconds in the running batch; generated tokens; request-seconds between
outputs, and the tokens that came in them (all but the first of each request); dollars; energy and carbon by scope."""


MOST = 1e15
"""No sum, time or logarithm of ours is larger: a number of a state that is would break what is computed with it."""


@dataclass(slots=True)
class Tally:
    """What a server did over a span."""

    seconds: float = 0.0
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Key -> (amount, seconds that it is known for)."""

    def note(self, key: str, amount: float, seconds: float) -> None:
        """Add an amount that is of so many seconds."""
        before = self.sums.get(key, (0.0, 0.0))
        self.sums[key] = (before[0] + amount, before[1] + seconds)

    def add(self, other: Tally) -> None:
        """Add another span."""
        self.seconds += other.seconds
        for key, (amount, seconds) in other.sums.items():
            self.note(key, amount, seconds)

    def rate(self, key: str) -> float | None:
        """Return an amount per second of the span; None where it is 0 or known for too little of it."""
        amount, seconds = self.sums.get(key, (0.0, 0.0))
        if seconds <= 0 or seconds < COVERAGE * self.seconds or amount <= 0:
            return None
        return amount / seconds

    def to_row(self) -> list[float]:
        """Return the span as a row of numbers."""
        pairs = (self.sums.get(key, (0.0, 0.0)) for key in KEYS)
        return [_short(self.seconds), *(_short(number) for pair in pairs for number in pair)]

    @classmethod
    def of_row(cls, row: object) -> Tally:
        """Return the span of a row; raises ``ValueError`` for what ``to_row`` has not written."""
        seconds, *numbers = checked(row, 1 + 2 * len(KEYS))
        if min(seconds, *numbers) < 0:
            refuse("a sum below 0")
        pairs = zip(KEYS, numbers[::2], numbers[1::2], strict=True)
        return cls(seconds, {key: (amount, known) for key, amount, known in pairs if known or amount})


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of spans."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def checked(row: object, length: int) -> list[float]:
    """Return a row of numbers up to ``MOST``; raises ``ValueError`` for anything else."""
    if not isinstance(row, list) or len(row) != length:
        refuse("a row of another length")
    for number in row:
        # A comparison takes the integers that are too long for a float, and NaN is never in order.
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) <= MOST:
            refuse(f"{number!r:.40} is no number")
    numbers: list[float] = row
    return numbers


def rows_of(state: object, key: str) -> list[Any]:
    """Return a list of a state; raises ``ValueError`` where it has none."""
    rows = state.get(key) if isinstance(state, dict) else None
    if not isinstance(rows, list):
        refuse(f"no {key}")
    return rows


def refuse(why: str) -> NoReturn:
    """Raise ``ValueError``: a state that this program has not written."""
    message = f"no state of drift: {why}"
    raise ValueError(message)


def _short(value: float) -> float:
    return float(f"{value:.9g}")
