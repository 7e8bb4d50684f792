"""The few statistics that the estimator needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Z_90 = 1.6448536269514722
"""Standard normal quantile of 0.95: the two-sided 90 % interval."""


def wilson(good: float, judged: float, z: float = Z_90) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson 1927), lower and upper; counts may be effective ones.

    >>> tuple(round(limit, 4) for limit in wilson(81, 263, 1.959964))
    (0.2553, 0.3662)
    """
    share, square = good / judged, z * z / judged
    middle = share + square / 2
    reach = z * math.sqrt(max(0.0, share * (1 - share)) / judged + square / judged / 4)
    return (middle - reach) / (1 + square), (middle + reach) / (1 + square)


def line(xs: Sequence[float], ys: Sequence[float], weights: Sequence[float]) -> tuple[float, float] | None:
    """Return intercept and slope of the weighted least-squares line, or None where all xs are one."""
    mass = sum(weights)
    mean_x = sum(w * x for w, x in zip(weights, xs, strict=True)) / mass
    mean_y = sum(w * y for w, y in zip(weights, ys, strict=True)) / mass
    spread = sum(w * (x - mean_x) ** 2 for w, x in zip(weights, xs, strict=True))
    if spread <= 1e-12 * mass * mean_x * mean_x:
        return None
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in zip(weights, xs, ys, strict=True)) / spread
    return mean_y - slope * mean_x, slope


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
