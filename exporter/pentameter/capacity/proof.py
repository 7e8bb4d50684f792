"""What traffic itself has proved: a rate that is carried, and one that is too much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from pentameter.capacity.statistics import Z_99, student, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.table import Table

BAND = 1.10
FEWEST_WINDOWS = 6.0
FEWEST_REQUESTS = 200.0
RESERVE = 0.03


@dataclass(frozen=True, slots=True)
class _Sums:
    """Running sums over the windows by rate, so that any band of them is a subtraction."""

    mass: Sequence[float]
    judged: Sequence[float]
    good: Sequence[float]
    squares: Sequence[float]

    def limits(self, first: int, last: int) -> tuple[float, float, float] | None:
        """Return the interval of a band's attainment and its requests per window; None for too few of either.

        Wilson's interval, with the requests divided by the design effect (Kish 1965), because those of one window share
        its fate, and with Student's quantile of 0.99 for so many windows in the place of the normal one.
        """
        mass = self.mass[last] - self.mass[first]
        judged = self.judged[last] - self.judged[first]
        if mass < FEWEST_WINDOWS or judged < FEWEST_REQUESTS:
            return None
        good = self.good[last] - self.good[first]
        share = good / judged
        between = (self.squares[last] - self.squares[first] - judged * share * share) / max(1.0, mass - 1)
        effect = max(1.0, between / max(share * (1 - share), 1e-4))
        low, high = wilson(good / effect, judged / effect, student(Z_99, mass - 1))
        return low, high, judged / mass


def carried_rate(table: Table, target: float) -> float | None:
    """Return the highest rate r such that the windows in [r, 1.1 r) prove the target, or None.

    Proof: at least 6 windows and 200 requests whose attainment has a lower limit not below the target, while the
    antitonic fit at r is not below it either. Counting puts a window of n requests by chance 1 / sqrt(n) too high among
    its neighbours, and the highest ones are those where chance did: the result is r lowered by that share, and by 3 %
    for what neighbouring windows have in common.
    """
    sums = _sums(table)
    rates = table.rates
    end = len(rates)
    for first in range(len(rates) - 1, -1, -1):
        while end > first + 1 and rates[end - 1] >= BAND * rates[first]:
            end -= 1
        found = sums.limits(first, end) if table.fit[first] >= target else None
        if found is not None and found[0] >= target:
            return rates[first] * (1 - 1 / math.sqrt(found[2])) * (1 - RESERVE)
    return None


def missed_rate(table: Table, target: float) -> float | None:
    """Return the lowest rate r such that the windows in (r / 1.1, r] prove that the target is missed, or None.

    The mirror image of ``carried_rate``.
    """
    sums = _sums(table)
    rates = table.rates
    start = 0
    for last in range(len(rates)):
        while start < last and rates[start] * BAND <= rates[last]:
            start += 1
        found = sums.limits(start, last + 1) if table.fit[last] < target else None
        if found is not None and found[1] < target:
            return rates[last] * (1 + 1 / math.sqrt(found[2])) * (1 + RESERVE)
    return None


def _sums(table: Table) -> _Sums:
    rows = list(zip(table.weights, table.windows, strict=True))
    return _Sums(
        [0.0, *accumulate(table.weights)],
        [0.0, *accumulate(weight * window.judged for weight, window in rows)],
        [0.0, *accumulate(weight * window.good for weight, window in rows)],
        [0.0, *accumulate(weight * window.good * window.good / window.judged for weight, window in rows)],
    )
