"""The highest rate that traffic has shown to be carried."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

from pentameter.capacity.statistics import wilson

if TYPE_CHECKING:
    from pentameter.capacity.table import Table

BAND = 1.10
FEWEST_WINDOWS = 6.0
FEWEST_REQUESTS = 200.0


def shown_rate(table: Table, target: float) -> float | None:
    """Return the highest rate r such that the windows in [r, 1.1 r) prove the target, or None.

    They prove it with at least 6 windows and 200 requests whose pooled attainment has a Wilson lower limit (90 %
    two-sided; requests divided by the design effect, because those of one window share its fate) not below the target,
    while the antitonic fit at r is not below it either. Counting puts a window of n requests by chance 1 / sqrt(n) too
    high among its neighbours, and the highest ones are those where chance did: the result is r lowered by that share.
    """
    rates = table.rates
    windows, weights = table.windows, table.weights
    masses = [0.0, *accumulate(weights)]
    judged = [0.0, *accumulate(w * x.judged for w, x in zip(weights, windows, strict=True))]
    good = [0.0, *accumulate(w * x.good for w, x in zip(weights, windows, strict=True))]
    squares = [0.0, *accumulate(w * x.good * x.good / x.judged for w, x in zip(weights, windows, strict=True))]
    end = len(rates)
    for first in range(len(rates) - 1, -1, -1):
        while end > first + 1 and rates[end - 1] >= BAND * rates[first]:
            end -= 1
        mass = masses[end] - masses[first]
        requests = judged[end] - judged[first]
        if mass < FEWEST_WINDOWS or requests < FEWEST_REQUESTS or table.fit[first] < target:
            continue
        kept = good[end] - good[first]
        share = kept / requests
        between = (squares[end] - squares[first] - requests * share * share) / max(1.0, mass - 1)
        effect = max(1.0, between / max(share * (1 - share), 1e-4))
        if wilson(kept / effect, requests / effect)[0] >= target:
            return rates[first] * (1 - 1 / math.sqrt(requests / mass))
    return None
