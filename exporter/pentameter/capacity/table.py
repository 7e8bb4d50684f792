"""The windows as columns, in order of rate: what every step of the estimate looks at."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from pentameter.capacity.isotonic import antitonic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.load import LoadWindow


@dataclass(frozen=True, slots=True)
class Table:
    """Windows by ascending rate; a weight is between 0 and 1 and fades with age."""

    windows: Sequence[LoadWindow]
    weights: Sequence[float]
    rates: Sequence[float]
    fit: Sequence[float]
    """Antitonic regression of the attainment on the rate, 0-1."""

    @property
    def weight(self) -> float:
        """Return how many windows of today this amounts to."""
        return sum(self.weights)

    @property
    def judged(self) -> float:
        """Return the judged requests, faded."""
        return sum(weight * window.judged for weight, window in zip(self.weights, self.windows, strict=True))

    def top_rate(self, share: float = 0.995) -> float:
        """Return the rate that a share of the weight does not exceed."""
        cumulated = list(accumulate(self.weights))
        wanted = share * cumulated[-1]
        return next(rate for rate, mass in zip(self.rates, cumulated, strict=True) if mass >= wanted)

    def pooled(self, first: int, last: int) -> tuple[float, float, float]:
        """Return good, judged and windows of a slice, faded."""
        part = range(first, last)
        good = sum(self.weights[i] * self.windows[i].good for i in part)
        judged = sum(self.weights[i] * self.windows[i].judged for i in part)
        return good, judged, sum(self.weights[first:last])


def tabulate(windows: Sequence[LoadWindow], weights: Sequence[float]) -> Table:
    """Sort windows by rate and fit their attainment."""
    order = sorted(range(len(windows)), key=lambda i: windows[i].rate)
    ordered = [windows[i] for i in order]
    kept = [weights[i] for i in order]
    fit = antitonic(
        [window.attainment for window in ordered],
        [weight * window.judged for weight, window in zip(kept, ordered, strict=True)],
    )
    return Table(ordered, kept, [window.rate for window in ordered], fit)
