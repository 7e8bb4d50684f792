"""Cumulative histograms of finished requests, for Prometheus to add up over a fleet.

Bounds are chosen once, at the start. Every threshold of an SLO is a bound, so that the bucket of the threshold counts
the requests that keep it, exactly: both here and in ``slo.judge`` a value equal to the threshold keeps it. Half and
twice the threshold are bounds as well, for what is asked next: how far from it? Exporters with the same thresholds
have the same bounds; where thresholds differ, PromQL's sum over ``le`` is right only at the bounds that all have.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pentameter.readings import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RANGES = {"ttft": (0.001, 200.0), "tpot": (0.0005, 10.0), "e2e": (0.01, 3000.0)}
"""Seconds, by latency; what is longer is counted without a finite bound."""

STEPS_PER_DECADE = 7
"""A factor of about 1.39: 1, 1.4, 1.9, 2.7, 3.7, 5.2, 7.2, 10."""

NEAR = 1.1
"""Two bounds are too near when one is at most so many times the other; a threshold is never given up for that."""

SCORE_BOUNDS = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0, 8.0)
"""Of the SLO score, the greatest of measured / allowed: requests up to 1 are good."""


def latency_bounds(latency: str, thresholds: Iterable[float]) -> tuple[float, ...]:
    """Return the finite bounds in seconds, ascending, of the histogram of ``ttft``, ``tpot`` or ``e2e``.

    They are the thresholds, half and twice of each, and a geometric scale that is the same everywhere, without what is
    too near to a bound named before it. Raises ``KeyError`` for any other latency.
    """
    exact = sorted(set(thresholds))
    kept = exact[:]
    for bound in (*(0.5 * threshold for threshold in exact), *(2 * threshold for threshold in exact), *_scale(latency)):
        if all(bound > NEAR * other or other > NEAR * bound for other in kept):
            kept.append(bound)
    return tuple(sorted(kept))


def _scale(latency: str) -> Iterator[float]:
    """Yield the powers of the seventh root of ten in a range, with two digits, so that they print short."""
    lowest, highest = (STEPS_PER_DECADE * math.log10(end) for end in RANGES[latency])
    for step in range(math.ceil(lowest), math.floor(highest) + 1):
        yield float(f"{10 ** (step / STEPS_PER_DECADE):.2g}")


class CumulativeHistogram:
    """Counts observations since the start, as Prometheus' classic histograms do."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take the finite bounds; raises ``ValueError`` where they do not ascend."""
        self._bounds = (*bounds, math.inf)
        if any(lower >= upper for lower, upper in pairwise(self._bounds)):
            message = f"bounds must ascend and be finite: {self._bounds}"
            raise ValueError(message)
        self._counts = [0.0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Count a value, or several times the same one; raises ``ValueError`` for one that is not finite."""
        if not math.isfinite(value):
            message = f"{value} cannot be counted"
            raise ValueError(message)
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def reading(self) -> Histogram:
        """Return what was counted until now."""
        return Histogram(self._bounds, tuple(accumulate(self._counts)), self._sum)
