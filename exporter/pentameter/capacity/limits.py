"""Rates at which something runs out, extrapolated from lower rates.

Two laws carry the extrapolation (B: requests in the batch, T: seconds per step, rate: requests/s):

- Little's law B = rate * tokens * T and a step time linear in its work, T = t0 / (1 - k * rate), make 1 / TPOT, and
  with it 1 / severity, fall on a straight line over the rate. The line reaches 1 at the capacity.
- From the same two, 1 / rate is a straight line over 1 / B, and over 1 / (share of the KV cache in use): the line gives
  the rate at which the batch or the cache is full. Latencies show nothing of these two cliffs beforehand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.capacity.bins import FEWEST_BINS, line_through, points, upper_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.capacity.load import LoadWindow
    from pentameter.capacity.table import Table

FULL_KV_CACHE = 0.98
FULL_BATCH = 0.99
NEARLY = 0.97
"""Windows above this share of full are on the cliff, not on the line before it."""
NEAR_ENOUGH = 0.2
"""A resource used less than this anywhere is too far from its limit to extrapolate."""
BEST_MARGIN = 50.0


def margin_limit(table: Table, objective: str | None) -> float | None:
    """Return the rate at which the target quantile of an objective reaches its threshold; None: of the severity.

    Weighted line 1 / quantile = c0 - c1 * rate through the binned medians; rate = (c0 - 1) / c1 in requests/s. None
    where the line does not fall or there is too little.
    """

    def inverse(window: LoadWindow) -> float | None:
        quantile = window.severity if objective is None else window.margins.get(objective)
        return None if quantile is None else min(BEST_MARGIN, 1 / quantile)

    found = upper_part(points(table, inverse))
    if not found:
        return None
    fitted = line_through(found, lambda point: point.rate, lambda point: point.value)
    if fitted is None or fitted[1] * found[-1].rate > -1e-3:
        return None
    crossing = (1 - fitted[0]) / fitted[1]
    return crossing if crossing > 0 else None


def resource_limit(table: Table, peak_of: Callable[[LoadWindow], float | None], full: float) -> float | None:
    """Return the rate at which the peak use of a resource in a window reaches ``full``, in requests/s.

    Weighted line 1 / rate = d0 + d1 / use through the binned medians. None where use does not grow with the rate, where
    it is far from full everywhere, or where there is too little.
    """

    def used(window: LoadWindow) -> float | None:
        peak = peak_of(window)
        return None if peak is None or peak < 0.02 * full else peak

    found = [point for point in upper_part(points(table, used)) if point.value < NEARLY * full]
    if len(found) < FEWEST_BINS or max(point.value for point in found) < NEAR_ENOUGH * full:
        return None
    fitted = line_through(found, lambda point: 1 / point.value, lambda point: 1 / point.rate)
    if fitted is None or fitted[1] <= 0:
        return None
    inverse = fitted[0] + fitted[1] / full
    return 1 / inverse if inverse > 0 else None
