"""Everything that may run out first, and what it was where the capacity has been crossed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pentameter.capacity.limits import (
    FULL_BATCH,
    FULL_KV_CACHE,
    FULL_ON_AVERAGE,
    Limit,
    margin_limit,
    resource_limit,
)
from pentameter.capacity.statistics import weighted_median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.estimate import Limits
    from pentameter.capacity.table import Table

MOSTLY_FULL = 0.7
"""Mean use of a resource that ran out; in an overload of another kind it is full for moments only."""


def candidates(table: Table, limits: Limits) -> dict[str, Limit]:
    """Return the rate at which each thing runs out, of those that can be told."""
    objectives = sorted({objective for window in table.windows for objective in window.margins})
    found = {objective: margin_limit(table, objective) for objective in objectives}
    joint = margin_limit(table, None)
    if joint is not None and objectives:
        # All thresholds together are never easier than the hardest one; what they add is put down to that one.
        worst = min(objectives, key=lambda name: limit.rate if (limit := found[name]) else math.inf)
        found[worst] = _tighter(found[worst], joint)
    found["kv_cache"] = resource_limit(
        table, lambda window: window.kv_peak, lambda window: window.kv_mean, FULL_KV_CACHE, FULL_ON_AVERAGE
    )
    seats = limits.max_num_seqs
    if seats is not None:
        found["max_num_seqs"] = resource_limit(
            table,
            lambda window: window.running_peak,
            lambda window: window.running_mean,
            FULL_BATCH * seats,
            FULL_ON_AVERAGE * seats,
        )
    return {name: limit for name, limit in found.items() if limit is not None}


def _tighter(one: Limit | None, other: Limit) -> Limit:
    if one is None:
        return other
    return Limit(min(one.rate, other.rate), min(one.low, other.low), min(one.high, other.high))


def ran_out_beyond(table: Table, last: int, limits: Limits) -> str:
    """Name what the windows beyond the capacity ran out of: something that was full, else the worst objective."""
    beyond = table.windows[last + 1 :]
    weights = table.weights[last + 1 :]

    def typical(values: Sequence[float | None]) -> float:
        known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
        return weighted_median([v for v, _ in known], [w for _, w in known]) if known else 0.0

    if typical([w.kv_peak for w in beyond]) >= FULL_KV_CACHE and typical([w.kv_mean for w in beyond]) >= MOSTLY_FULL:
        return "kv_cache"
    seats = limits.max_num_seqs
    if (
        seats is not None
        and typical([w.running_peak for w in beyond]) >= FULL_BATCH * seats
        and typical([w.running_mean for w in beyond]) >= MOSTLY_FULL * seats
    ):
        return "max_num_seqs"
    objectives = sorted({objective for window in beyond for objective in window.margins})
    return max(objectives, key=lambda name: typical([w.margins.get(name) for w in beyond]), default="")
