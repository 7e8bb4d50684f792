"""Windows gathered by rate, and lines through the gathered points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from pentameter.capacity.statistics import line, weighted_median

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pentameter.capacity.load import LoadWindow
    from pentameter.capacity.statistics import Line
    from pentameter.capacity.table import Table

BINS = 14
FEWEST_IN_BIN = 3
FEWEST_BINS = 4
UPPER_PART = 0.6
"""Only rates above this share of the highest one shape a line: far below, nothing queues yet."""


@dataclass(frozen=True, slots=True)
class Point:
    """The windows of similar rate."""

    rate: float
    value: float
    weight: float


def points(table: Table, value_of: Callable[[LoadWindow], float | None]) -> list[Point]:
    """Return the median of a value by rate, in equal steps of the rate; windows without it are left out.

    The steps go from the 2nd to the 99.9th percentile of the rate.
    """
    rows = [
        (window, weight, value)
        for window, weight in zip(table.windows, table.weights, strict=True)
        if (value := value_of(window)) is not None
    ]
    if not rows:
        return []
    cumulated = list(accumulate(weight for _, weight, _ in rows))
    low = next(i for i, mass in enumerate(cumulated) if mass >= 0.02 * cumulated[-1])
    high = next(i for i, mass in enumerate(cumulated) if mass >= 0.999 * cumulated[-1])
    first, last = rows[low][0].rate, rows[high][0].rate
    if last <= first:
        return []
    groups: list[list[tuple[LoadWindow, float, float]]] = [[] for _ in range(BINS)]
    for row in rows:
        place = int((row[0].rate - first) / (last - first) * BINS)
        groups[min(BINS - 1, max(0, place))].append(row)
    return list(_medians(groups))


def _medians(groups: Sequence[Sequence[tuple[LoadWindow, float, float]]]) -> Iterator[Point]:
    for group in groups:
        weights = [weight for _, weight, _ in group]
        if sum(weights) < FEWEST_IN_BIN:
            continue
        requests = [weight * window.judged for window, weight, _ in group]
        rate = sum(r * window.rate for r, (window, _, _) in zip(requests, group, strict=True)) / sum(requests)
        yield Point(rate, weighted_median([value for _, _, value in group], weights), sum(weights))


def upper_part(found: Sequence[Point]) -> list[Point]:
    """Return the points that shape a line, or none where there are too few."""
    if len(found) < FEWEST_BINS:
        return []
    kept = [point for point in found if point.rate >= UPPER_PART * found[-1].rate]
    return kept if len(kept) >= FEWEST_BINS else list(found)


def line_through(found: Sequence[Point], x_of: Callable[[Point], float], y_of: Callable[[Point], float]) -> Line | None:
    """Return the line through points; the highest rates, which lie nearest to the answer, weigh most."""
    top = found[-1].rate
    weights = [math.pow(point.rate / top, 4) * point.weight for point in found]
    return line([x_of(point) for point in found], [y_of(point) for point in found], weights)
