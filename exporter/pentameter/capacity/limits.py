"""Rates at which something runs out, extrapolated from lower rates.

Two laws carry the extrapolation (B: requests in the batch, T: seconds per step, rate: requests/s):

- Little's law B = rate * tokens * T and a step time linear in its work, T = t0 / (1 - k * rate), make 1 / TPOT, and
  with it 1 / severity, fall on a straight line over the rate. The line reaches 1 at the capacity.
- From the same two, 1 / rate is a straight line over 1 / B, and over 1 / (share of the KV cache in use): the line gives
  the rate at which the batch or the cache is full. Latencies show nothing of these two cliffs beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.capacity.bins import FEWEST_BINS, line_through, points, upper_part
from pentameter.capacity.statistics import Z_90

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.capacity.load import LoadWindow
    from pentameter.capacity.table import Table

FULL_KV_CACHE = 0.98
FULL_BATCH = 0.99
FULL_ON_AVERAGE = 0.95
NEARLY = 0.97
"""Windows above this share of full are on the cliff, not on the line before it."""
NEAR_ENOUGH = 0.2
"""A resource used less than this anywhere is too far from its limit to extrapolate."""
BEST_MARGIN = 50.0
NEAREST, FURTHEST, STEP = 0.5, 2.0, 0.01
"""Where a line is looked at, in units of the highest rate."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate at which something runs out, and the range that the windows themselves leave open, in requests/s.

    Infinity stands for "further than ``FURTHEST`` times the load seen".
    """

    rate: float
    low: float
    high: float


def margin_limit(table: Table, objective: str | None) -> Limit | None:
    """Return the rate at which the target quantile of an objective reaches its threshold; None: of the severity.

    Weighted line 1 / quantile = c0 - c1 * rate through the binned medians; rate = (c0 - 1) / c1 in requests/s. The
    range is where the line and its 90 % confidence band reach 1 (Fieller 1954). None where there is too little.
    """

    def inverse(window: LoadWindow) -> float | None:
        quantile = window.severity if objective is None else window.margins.get(objective)
        return None if quantile is None else min(BEST_MARGIN, 1 / quantile)

    found = upper_part(points(table, inverse))
    fitted = line_through(found, lambda point: point.rate, lambda point: point.value) if found else None
    if fitted is None:
        return None
    rates = [found[-1].rate * (NEAREST + STEP * i) for i in range(int((FURTHEST - NEAREST) / STEP) + 1)]

    def first_below_1(errors: float) -> float:
        below = (rate for rate in rates if fitted.at(rate) + errors * fitted.error_at(rate) <= 1)
        return next(below, math.inf)

    return Limit(first_below_1(0.0), first_below_1(-Z_90), first_below_1(Z_90))


def resource_limit(
    table: Table,
    peak_of: Callable[[LoadWindow], float | None],
    mean_of: Callable[[LoadWindow], float | None],
    full: float,
    almost_full: float,
) -> Limit | None:
    """Return the rate at which a resource runs out, in requests/s, or None where it is not known to come near.

    It does so somewhere between the rate at which it is full for a moment (the peak in a window reaches ``full``) and
    the one at which it is full all the time (the mean reaches ``almost_full``): the geometric mean of the two.
    """
    low = _use_limit(table, peak_of, full)
    if low is None:
        return None
    high = _use_limit(table, mean_of, almost_full)
    if high is None or high < low:
        return Limit(low, low, math.inf)
    return Limit((low * high) ** 0.5, low, high)


def _use_limit(table: Table, use_of: Callable[[LoadWindow], float | None], full: float) -> float | None:
    """Return the rate at which the use of a resource reaches ``full``, in requests/s.

    Weighted line 1 / rate = d0 + d1 / use through the binned medians, or the lowest rate at which it is full already.
    None where use does not grow with the rate, where it is far from full everywhere, or where there is too little.
    """

    def used(window: LoadWindow) -> float | None:
        use = use_of(window)
        return None if use is None or use < 0.02 * full else use

    everything = upper_part(points(table, used))
    reached = min((point.rate for point in everything if point.value >= NEARLY * full), default=math.inf)
    found = [point for point in everything if point.value < NEARLY * full]
    if len(found) >= FEWEST_BINS and max(point.value for point in found) >= NEAR_ENOUGH * full:
        fitted = line_through(found, lambda point: 1 / point.value, lambda point: 1 / point.rate)
        if fitted is not None and fitted.slope > 0 and fitted.at(1 / full) > 0:
            reached = min(reached, 1 / fitted.at(1 / full))
    return None if reached == math.inf else reached
