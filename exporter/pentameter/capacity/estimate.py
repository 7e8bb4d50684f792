"""Goodput capacity from load windows: what is said, and when nothing is said.

The figure is that of Zhong et al. (DistServe, OSDI 2024): the highest request rate at which at least the target share
of the requests meets the SLO. Production traffic seldom shows it, so there are four states:

- ``observed``: the traffic has been beyond the capacity; antitonic regression of the attainment on the rate finds it.
- ``extrapolated``: the traffic has come near; the lowest of the limits of ``limits`` is the estimate.
- ``lower_bound``: the limits lie more than ``REACH`` times above the load seen, or are not to be seen: only what has
  been carried is known.
- ``unknown``: too little traffic, or the target was missed at any load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pentameter.capacity.isotonic import last_at_least
from pentameter.capacity.limits import FULL_BATCH, FULL_KV_CACHE, margin_limit, resource_limit
from pentameter.capacity.lower import shown_rate
from pentameter.capacity.statistics import weighted_median, wilson
from pentameter.capacity.table import Table, tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.load import LoadWindow

FEWEST_WINDOWS = 20.0
FEWEST_REQUESTS = 500.0
REACH = 1.3
MISSED_WINDOWS = 5
DESIGN_EFFECT = 4.0
"""How many times fewer independent requests the windows beyond the capacity are taken for."""
MOST_UNDECIDED = 0.05
BACKLOG = 5.0
"""Requests waiting; fewer are no backlog."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked, and what is known of the server beforehand."""

    target: float = 0.9
    max_num_seqs: int | None = None
    """Seats in the batch, summed over the engines; None where nobody says."""
    backlog_seconds: float = 1.0
    """A window that begins with a queue longer than this suffers from the load before it: use the TTFT threshold."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer, in requests/s; None is what is not known."""

    state: Literal["unknown", "lower_bound", "extrapolated", "observed"]
    lower: float | None = None
    estimate: float | None = None
    upper: float | None = None
    binding: str = ""
    """What runs out first: ttft, tpot, e2e, inter_token, kv_cache, max_num_seqs; empty where it is not known."""
    windows: int = 0
    """Windows that it rests on."""
    requests: int = 0
    highest_rate: float | None = None
    """The load that the traffic has reached (its 99.5th percentile over the windows)."""
    reach: float | None = None
    """estimate / highest_rate: beyond 1 the estimate is an extrapolation."""
    dispersion: float | None = None
    """Index of dispersion of the arrivals (1: Poisson), of the windows in the upper half of the load. The capacity
    holds for traffic as bursty as this."""
    output_tokens: float | None = None
    """Mean output tokens of a request: the mix that the capacity holds for."""


def estimate(windows: Sequence[LoadWindow], weights: Sequence[float], limits: Limits) -> Capacity:
    """Return the capacity that load windows, each with a weight from 0 to 1, speak for."""
    kept = [i for i, window in enumerate(windows) if weights[i] > 0 and _is_usable(window, limits)]
    if not kept:
        return Capacity("unknown")
    table = tabulate([windows[i] for i in kept], [weights[i] for i in kept])
    facts = _facts(table)
    if table.weight < FEWEST_WINDOWS or table.judged < FEWEST_REQUESTS:
        return facts.said("unknown")
    last = last_at_least(table.fit, limits.target)
    if last < 0:
        return facts.said("unknown")
    shown = shown_rate(table, limits.target)
    if last < len(table.rates) - 1 and _is_missed(table, last + 1, limits.target):
        return _observed(table, facts, last, shown, limits)
    return _extrapolated(table, facts, shown, limits)


@dataclass(frozen=True, slots=True)
class _Facts:
    windows: int
    requests: int
    highest_rate: float
    dispersion: float | None
    output_tokens: float

    def said(
        self,
        state: Literal["unknown", "lower_bound", "extrapolated", "observed"],
        lower: float | None = None,
        middle: float | None = None,
        upper: float | None = None,
        binding: str = "",
    ) -> Capacity:
        return Capacity(
            state=state,
            lower=lower,
            estimate=middle,
            upper=upper,
            binding=binding,
            windows=self.windows,
            requests=self.requests,
            highest_rate=self.highest_rate,
            reach=None if middle is None else middle / self.highest_rate,
            dispersion=self.dispersion,
            output_tokens=self.output_tokens,
        )


def _facts(table: Table) -> _Facts:
    top = table.top_rate()
    busy = [
        (window.dispersion, weight)
        for window, weight in zip(table.windows, table.weights, strict=True)
        if window.dispersion is not None and window.rate >= top / 2
    ]
    arrivals = sum(w * window.arrivals for window, w in zip(table.windows, table.weights, strict=True))
    tokens = sum(
        w * window.arrivals * window.output_tokens for window, w in zip(table.windows, table.weights, strict=True)
    )
    return _Facts(
        windows=len(table.windows),
        requests=sum(window.judged for window in table.windows),
        highest_rate=top,
        dispersion=weighted_median([d for d, _ in busy], [w for _, w in busy]) if busy else None,
        output_tokens=tokens / arrivals,
    )


def _is_usable(window: LoadWindow, limits: Limits) -> bool:
    """Leave out windows without enough verdicts, and those that began with a queue they did not make."""
    if window.judged < 1 or window.severity is None or window.undecided > MOST_UNDECIDED * window.judged:
        return False
    waiting = window.waiting_at_start
    return waiting is None or waiting <= BACKLOG or waiting / window.rate <= limits.backlog_seconds


def _is_missed(table: Table, first: int, target: float) -> bool:
    """Say whether the windows from a place on prove that the target is missed there."""
    good, judged, mass = table.pooled(first, len(table.rates))
    return mass >= MISSED_WINDOWS and wilson(good / DESIGN_EFFECT, judged / DESIGN_EFFECT)[1] < target


def _observed(table: Table, facts: _Facts, last: int, shown: float | None, limits: Limits) -> Capacity:
    rates, fit = table.rates, table.fit
    fall = (fit[last] - limits.target) / (fit[last] - fit[last + 1])
    middle = rates[last] + (rates[last + 1] - rates[last]) * fall
    lower = 0.92 * middle if shown is None else max(shown, 0.92 * middle)
    return facts.said(
        "observed", lower, max(lower, middle), max(lower, 1.08 * middle), _binding_beyond(table, last, limits)
    )


def _extrapolated(table: Table, facts: _Facts, shown: float | None, limits: Limits) -> Capacity:
    found = _candidates(table, limits)
    if not found:
        return facts.said("unknown" if shown is None else "lower_bound", shown)
    binding = min(found, key=lambda name: found[name])
    middle = max(found[binding], shown or 0.0)
    reach = middle / facts.highest_rate
    if reach > REACH:
        return facts.said("unknown" if shown is None else "lower_bound", shown)
    beyond = max(0.0, reach - 1)
    lower = max(shown or 0.0, middle * (0.95 - 0.15 * beyond))
    return facts.said("extrapolated", lower, middle, middle * (1.06 + beyond), binding)


def _candidates(table: Table, limits: Limits) -> dict[str, float]:
    """Return the rate at which each thing runs out, of those that can be told."""
    objectives = sorted({objective for window in table.windows for objective in window.margins})
    found = {objective: margin_limit(table, objective) for objective in objectives}
    joint = margin_limit(table, None)
    if joint is not None and objectives:
        worst = min(objectives, key=lambda name: found[name] or float("inf"))
        found[worst] = min(joint, found[worst] or joint)
    found["kv_cache"] = resource_limit(table, lambda window: window.kv_peak, FULL_KV_CACHE)
    if limits.max_num_seqs is not None:
        found["max_num_seqs"] = resource_limit(
            table, lambda window: window.running_peak, FULL_BATCH * limits.max_num_seqs
        )
    return {name: rate for name, rate in found.items() if rate is not None}


def _binding_beyond(table: Table, last: int, limits: Limits) -> str:
    """Name what the windows beyond the capacity ran out of: something that was full, else the worst objective."""
    beyond = table.windows[last + 1 :]
    weights = table.weights[last + 1 :]

    def typical(values: Sequence[float | None]) -> float:
        known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
        return weighted_median([v for v, _ in known], [w for _, w in known]) if known else 0.0

    if typical([window.kv_peak for window in beyond]) >= FULL_KV_CACHE:
        return "kv_cache"
    if limits.max_num_seqs and typical([w.running_peak for w in beyond]) >= FULL_BATCH * limits.max_num_seqs:
        return "max_num_seqs"
    objectives = sorted({objective for window in beyond for objective in window.margins})
    return max(objectives, key=lambda name: typical([w.margins.get(name) for w in beyond]), default="")
