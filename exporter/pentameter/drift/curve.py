"""How a figure depended on the load in the past: a line through medians, in logarithms."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.capacity.statistics import weighted_median

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST_POINTS = 12
"""Periods behind a point of the curve: an hour of five minutes each."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The periods of similar load of one day."""

    count: int
    load: float
    """Median of the logarithms; of the value likewise."""
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Value by load, both logarithms."""

    loads: tuple[float, ...]
    values: tuple[float, ...]
    reach: float
    """The logarithm of how much the loads may differ that are held against each other."""

    @classmethod
    def through(cls, bins: Iterable[Bin], reach: float) -> Curve:
        """Return the curve of many days: per step of the load, the median of the days' medians, weighted by periods."""
        groups: dict[int, list[Bin]] = {}
        for one in bins:
            groups.setdefault(math.floor(one.load / reach), []).append(one)
        kept = [group for _, group in sorted(groups.items()) if sum(one.count for one in group) >= FEWEST_POINTS]
        return cls(
            tuple(sum(one.count * one.load for one in g) / sum(one.count for one in g) for g in kept),
            tuple(weighted_median([one.value for one in g], [one.count for one in g]) for g in kept),
            reach,
        )

    def at(self, load: float) -> float | None:
        """Return the value at a load; None where the past has none like it.

        Between two neighbours at most two steps apart it lies on their line; beyond the last one, or beside a gap, on
        the line of the nearest and its other neighbour, for half a step: without the slope, a load at the edge would
        pass for a change.
        """
        above = bisect_left(self.loads, load)
        if 0 < above < len(self.loads) and self._is_near(above - 1):
            return self._on_line(above - 1, load)
        nearest = min(
            (i for i in (above - 1, above) if 0 <= i < len(self.loads)),
            key=lambda i: abs(self.loads[i] - load),
            default=None,
        )
        if nearest is None or abs(self.loads[nearest] - load) > self.reach / 2:
            return None
        beside = nearest - 1 if load > self.loads[nearest] else nearest
        if 0 <= beside < len(self.loads) - 1 and self._is_near(beside):
            return self._on_line(beside, load)
        return self.values[nearest]

    def _is_near(self, first: int) -> bool:
        return self.loads[first + 1] - self.loads[first] <= 2 * self.reach

    def _on_line(self, first: int, load: float) -> float:
        low, high = self.loads[first], self.loads[first + 1]
        share = (load - low) / (high - low)
        return self.values[first] * (1 - share) + self.values[first + 1] * share
