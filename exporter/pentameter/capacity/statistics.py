"""The few statistics that the estimator needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Z_90 = 1.6448536269514722
"""Standard normal quantile of 0.95: the two-sided 90 % interval."""
Z_99 = 2.3263478740408408
"""Standard normal quantile of 0.99."""


def student(z: float, freedom: float) -> float:
    """Return Student's quantile where the normal one is z, by two terms of its expansion.

    Abramowitz and Stegun 1964, 26.7.5; within 2 % for z = 2.33 from 5 degrees of freedom on.

    >>> round(student(Z_99, 10), 2)
    2.76
    """
    cube = z**3
    return z + (cube + z) / (4 * freedom) + (5 * z**5 + 16 * cube + 3 * z) / (96 * freedom * freedom)


def wilson(good: float, judged: float, z: float = Z_90) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson 1927), lower and upper; counts may be effective ones.

    >>> tuple(round(limit, 4) for limit in wilson(81, 263, 1.959964))
    (0.2553, 0.3662)
    """
    share, square = good / judged, z * z / judged
    middle = share + square / 2
    reach = z * math.sqrt(max(0.0, share * (1 - share)) / judged + square / judged / 4)
    return (middle - reach) / (1 + square), (middle + reach) / (1 + square)


@dataclass(frozen=True, slots=True)
class Line:
    """A weighted least-squares line y = level + slope * (x - centre)."""

    centre: float
    level: float
    slope: float
    pulls: Sequence[tuple[float, float]]
    """Per point: (weight * residual / total weight, weight * (x - centre) * residual / spread)."""

    def at(self, x: float) -> float:
        """Return the line's value."""
        return self.level + self.slope * (x - self.centre)

    def reaches(self, y: float) -> float:
        """Return where the line has a value; the slope must not be 0."""
        return self.centre + (y - self.level) / self.slope

    def error_at(self, x: float) -> float:
        """Return the standard error of the line's value, from the points' own residuals.

        Heteroscedasticity-consistent (White 1980) with the factor n / (n - 2) (MacKinnon and White 1985, HC1): the
        weights favour the points that matter, they are not inverse variances.
        """
        count = len(self.pulls)
        total = sum((level + (x - self.centre) * slope) ** 2 for level, slope in self.pulls)
        return math.sqrt(total * count / (count - 2))


def line(xs: Sequence[float], ys: Sequence[float], weights: Sequence[float]) -> Line | None:
    """Return the weighted least-squares line, or None for fewer than three points or where all xs are one."""
    mass = sum(weights)
    if len(xs) < 3 or mass <= 0:
        return None
    centre = sum(w * x for w, x in zip(weights, xs, strict=True)) / mass
    level = sum(w * y for w, y in zip(weights, ys, strict=True)) / mass
    spread = sum(w * (x - centre) ** 2 for w, x in zip(weights, xs, strict=True))
    if spread <= 1e-12 * mass * centre * centre:
        return None
    slope = sum(w * (x - centre) * (y - level) for w, x, y in zip(weights, xs, ys, strict=True)) / spread
    rows = zip(weights, xs, ys, strict=True)
    residuals = [(w * (y - level - slope * (x - centre)), x) for w, x, y in rows]
    return Line(centre, level, slope, [(r / mass, r * (x - centre) / spread) for r, x in residuals])


def weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the value at which half of the weight is reached; raises ``ValueError`` for nothing.

    >>> weighted_median([3.0, 1.0, 2.0], [1.0, 1.0, 5.0])
    2.0
    """
    pairs = sorted(zip(values, weights, strict=True))
    if not pairs:
        message = "no values, no median"
        raise ValueError(message)
    missing = sum(weights) / 2
    for value, weight in pairs:
        missing -= weight
        if missing <= 0:
            return value
    return pairs[-1][0]
