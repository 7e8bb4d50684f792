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

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pentameter.capacity.candidates import candidates, ran_out_beyond
from pentameter.capacity.isotonic import last_at_least
from pentameter.capacity.proof import carried_rate, missed_rate
from pentameter.capacity.statistics import weighted_median, wilson
from pentameter.capacity.table import Table, tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.load import LoadWindow

FEWEST_WINDOWS = 20.0
FEWEST_REQUESTS = 500.0
NEAREST, REACH = 0.9, 1.3
"""How far from the highest load an estimate may lie that is not observed."""
MISSED_WINDOWS = 5
DESIGN_EFFECT = 4.0
"""How many times fewer independent requests the windows beyond the capacity are taken for."""
MOST_UNDECIDED = 0.05
CERTAIN, HARDLY = 0.85, 0.7
"""An estimate is given only where no other limit may lie below the first share of it, and its own is known to within
the second."""
UNREFUTED = 1.2
"""A load that was carried refutes no capacity below so many times itself."""
BROAD, CLOSE = 0.75, 0.8
"""Loads above the first share of the highest one use up more than the second share of the misses allowed: flat."""
OBSERVED_LOW, OBSERVED_HIGH = 0.85, 1.12
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
    prompt_tokens: float | None = None
    """Mean prompt tokens, likewise; None where nobody says."""


def estimate(windows: Sequence[LoadWindow], weights: Sequence[float], limits: Limits) -> Capacity:
    """Return the capacity that load windows, each with a weight from 0 to 1, speak for."""
    kept = [i for i, window in enumerate(windows) if weights[i] > 0 and is_usable(window, limits)]
    if not kept:
        return Capacity("unknown")
    table = tabulate([windows[i] for i in kept], [weights[i] for i in kept])
    facts = _facts(table)
    last = last_at_least(table.fit, limits.target)
    if last < 0:
        return facts.said("unknown")
    shown = carried_rate(table, limits.target)
    if table.weight < FEWEST_WINDOWS or table.judged < FEWEST_REQUESTS:
        return facts.said("unknown" if shown is None else "lower_bound", shown)
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
    prompt_tokens: float | None

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
            prompt_tokens=self.prompt_tokens,
        )


def _facts(table: Table) -> _Facts:
    top = table.top_rate()
    busy = [
        (window.dispersion, weight)
        for window, weight in zip(table.windows, table.weights, strict=True)
        if window.dispersion is not None and window.rate >= top / 2
    ]
    arrivals = sum(w * window.arrivals for window, w in zip(table.windows, table.weights, strict=True))
    rows = [(w * window.arrivals / arrivals, window) for window, w in zip(table.windows, table.weights, strict=True)]
    return _Facts(
        windows=len(table.windows),
        requests=sum(window.judged for window in table.windows),
        highest_rate=top,
        dispersion=weighted_median([d for d, _ in busy], [w for _, w in busy]) if busy else None,
        output_tokens=sum(share * window.output_tokens for share, window in rows),
        prompt_tokens=sum(share * window.prompt_tokens for share, window in rows) or None,
    )


def is_usable(window: LoadWindow, limits: Limits) -> bool:
    """Leave out windows without enough verdicts, and those that began with a queue they did not make."""
    if window.judged < 1 or window.severity is None or window.undecided > MOST_UNDECIDED * window.judged:
        return False
    return not begins_with_backlog(window, limits)


def begins_with_backlog(window: LoadWindow, limits: Limits) -> bool:
    """Say whether a window begins with a queue that it takes too long to work off."""
    waiting = window.waiting_at_start
    return waiting is not None and waiting > BACKLOG and waiting > limits.backlog_seconds * window.rate


def _is_missed(table: Table, first: int, target: float) -> bool:
    """Say whether the windows from a place on prove that the target is missed there."""
    good, judged, mass = table.pooled(first, len(table.rates))
    return mass >= MISSED_WINDOWS and wilson(good / DESIGN_EFFECT, judged / DESIGN_EFFECT)[1] < target


def _observed(table: Table, facts: _Facts, last: int, shown: float | None, limits: Limits) -> Capacity:
    """Linear between the last rate that reaches the target and the first that does not; range: what is proved."""
    rates, fit = table.rates, table.fit
    fall = (fit[last] - limits.target) / (fit[last] - fit[last + 1])
    middle = rates[last] + (rates[last + 1] - rates[last]) * fall
    lower = OBSERVED_LOW * middle if shown is None else shown
    middle = max(lower, middle)
    missed = missed_rate(table, limits.target)
    upper = max(OBSERVED_HIGH * middle, missed or 0.0)
    return facts.said("observed", lower, middle, upper, ran_out_beyond(table, last, limits))


def _extrapolated(table: Table, facts: _Facts, shown: float | None, limits: Limits) -> Capacity:
    found = candidates(table, limits)
    silent = facts.said("unknown" if shown is None else "lower_bound", shown)
    if not found or _is_flat(table, facts.highest_rate, limits.target):
        return silent
    binding = min(found, key=lambda name: found[name].rate)
    middle = found[binding].rate
    reach = middle / facts.highest_rate
    low = min(limit.low for limit in found.values())
    others = min((limit.low for name, limit in found.items() if name != binding), default=math.inf)
    if not NEAREST <= reach <= REACH or middle < (shown or 0.0):
        return silent  # too far, or more than this has been carried
    if others < CERTAIN * middle or low < HARDLY * middle or found[binding].high > middle / HARDLY:
        return silent
    beyond = max(0.0, reach - 1)
    lower = max(low * (0.90 - 0.3 * beyond), shown or 0.0)
    upper = max(found[binding].high * (1.08 + 1.2 * beyond), UNREFUTED * facts.highest_rate)
    return facts.said("extrapolated", lower, middle, upper, binding)


def _is_flat(table: Table, top: float, target: float) -> bool:
    """Say whether a broad range of loads comes close to missing the target.

    Then attainment hardly depends on the load (another thing than load makes requests late, such as their length), and
    where it crosses the target is a matter of chance.
    """
    first = bisect_left(table.rates, BROAD * top)
    good, judged, _ = table.pooled(first, len(table.rates))
    return judged - good > CLOSE * (1 - target) * judged
