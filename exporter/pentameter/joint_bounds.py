"""Bounds of SLA attainment from vLLM's histograms, which hold each latency of all requests alone.

**Conjunction.** Of n requests, let each objective k be missed by m_k. Nobody knows how the misses overlap: at best all
fall on the same requests, at worst on different ones (Frechet 1935). So

    1 - sum of m_k / n  <=  attainment  <=  1 - max of m_k / n

**Threshold.** Between two bucket bounds m_k itself has limits (``histogram.count_below``): the lower bound takes the
greatest, the upper bound the least.

**Cohort.** The n requests are those that finished in the interval. Their TPOT, end-to-end and decode time are counted
when they finish, all in the interval; their first tokens and the gaps between tokens are not: what was running when
the interval began had its first token before. At most so many of the n requests are *strays* with

    strays = running + min(waiting, preemptions in the interval), gauges at the beginning

(a preempted request waits again; vLLM reports the preemption with the request's next output). All other first tokens
of the cohort are among those counted, good and bad alike, so that with g good and b bad first tokens in the interval

    n - g - strays  <=  m_ttft  <=  b + strays

Requests that clients abort after the first token are among the first tokens and never finish; the inequalities allow
for that. A longer interval that ends at the same moment and begins before the longest of the n requests arrived holds
all their first tokens: there strays = 0.

**Longest gap.** A request whose mean gap (TPOT) is above the threshold misses it; one whose whole decode time is not
above it keeps it; and V gaps above the threshold make at most V + strays requests miss it.

**Policy.** Requests that ended with an error or were recorded as aborted are taken out of the cohort first and come
back as certainly bad or left out, as the policy says. Of the preempted and of those with one token, only limits of
their number are known: each bound assumes the worst, or the best, about which they are. Requests that vLLM does not
count as finished (rejected, or aborted by the client without a trace) are not in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.histogram import Bracket, count_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pentameter.readings import Histogram
    from pentameter.slo import Policy, Slo
    from pentameter.windows import Interval

MARGIN_SECONDS = 1.0
"""How much earlier than the longest request's arrival a longer interval must begin: scrapes are not instants."""


def attainment_bounds(slo: Slo, interval: Interval, longer: Iterable[Interval] = ()) -> tuple[float, float] | None:
    """Return (lower, upper) bounds of the share of judged requests that kept an SLO, both in [0, 1].

    The share is of the requests that finished in ``interval``, as ``slo.judge`` judges them; None where none did, where
    a histogram that an objective needs is missing, or where the policy may leave out all. ``interval`` needs the gauges
    ``running`` and ``waiting`` at its beginning for objectives on first tokens and gaps. ``longer`` are intervals
    that end at the same moment: they narrow the bounds where requests take long compared with the interval.
    """
    total = interval.total("request_success")
    if not total:
        return None
    errors, aborts = (interval.delta(f"request_success/{reason}") or 0.0 for reason in ("error", "abort"))
    number = max(0.0, total - errors - aborts)
    cohort = _Cohort(interval, tuple(_whole_lives(interval, longer)), number, _strays(interval))
    misses = []
    for objective, threshold in slo.thresholds.items():
        limits = _misses(cohort, objective, threshold)
        if limits is None:
            return None
        misses.append(limits)
    asks_of_later_tokens = {"tpot", "inter_token"} & slo.thresholds.keys()
    one_token = _one_token(cohort, errors + aborts) if asks_of_later_tokens else Bracket(0.0, 0.0)
    return _attainment(slo.policy, _Counts(number, errors, aborts, one_token, _preempted(cohort)), misses)


@dataclass(frozen=True, slots=True)
class _Cohort:
    """The requests judged: those that finished by themselves in the interval."""

    interval: Interval
    whole: tuple[Interval, ...]
    """Longer intervals, in which all of them arrived."""
    number: float
    strays: float | None
    """At most so many had their first token before the interval; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many requests ended, by what the policy asks about."""

    number: float
    errors: float
    aborts: float
    one_token: Bracket
    preempted: float
    """At most so many."""


def _strays(interval: Interval) -> float | None:
    running = interval.gauges_before.get("running")
    if running is None:
        return None
    resumed = min(
        interval.gauges_before.get("waiting", math.inf),
        interval.deltas.get("preemptions", math.inf),
    )
    return running + resumed


def _whole_lives(interval: Interval, longer: Iterable[Interval]) -> Iterator[Interval]:
    """Yield the longer intervals that began before any request arrived that finished in the interval."""
    e2e, finished = interval.histograms.get("e2e"), interval.total("request_success") or 0.0
    if e2e is None or e2e.count < finished:
        return
    longest = e2e.bounds[bisect_left(e2e.counts, e2e.count)]
    for other in longer:
        # Without gauges the counting broke off on the way, and what came before is not in it.
        if other.gauges_before and other.seconds >= interval.seconds + longest + MARGIN_SECONDS:
            yield other


def _misses(cohort: _Cohort, objective: str, threshold: float) -> Bracket | None:
    """Return limits of the number of the cohort's requests that miss a threshold, None where nobody knows."""
    if objective == "ttft":
        found = [_late(cohort, other, "ttft", threshold, 0.0) for other in cohort.whole]
        if cohort.strays is not None:
            found.append(_late(cohort, cohort.interval, "ttft", threshold, cohort.strays))
        return _narrowest(found)
    if objective == "inter_token":
        return _long_gaps(cohort, threshold)
    return _late(cohort, cohort.interval, objective, threshold, 0.0)


def _late(cohort: _Cohort, interval: Interval, key: str, threshold: float, strays: float) -> Bracket | None:
    """Return limits of the misses from a histogram that holds all of the cohort but ``strays``, and maybe others."""
    histogram = interval.histograms.get(key)
    if histogram is None:
        return None
    kept = count_below(histogram, threshold) or Bracket(0.0, 0.0)
    strays = max(strays, cohort.number - histogram.count)
    least = max(0.0, cohort.number - kept.upper - strays)
    most = min(cohort.number, histogram.count - kept.lower + strays)
    return Bracket(min(least, most), most)


def _long_gaps(cohort: _Cohort, threshold: float) -> Bracket | None:
    """Return limits of the number of requests whose longest gap between two outputs is above the threshold."""
    interval = cohort.interval
    found = [_late(cohort, interval, "decode", threshold, 0.0)]
    if cohort.strays is not None:
        found.append(_gaps(cohort, interval.histograms.get("inter_token"), threshold, cohort.strays))
    found += [_gaps(cohort, other.histograms.get("inter_token"), threshold, 0.0) for other in cohort.whole]
    most = _narrowest(found)
    if most is None:
        return None
    mean_gap = _late(cohort, interval, "tpot", threshold, 0.0)
    least = mean_gap.lower if mean_gap else 0.0
    return Bracket(min(least, most.upper), most.upper)


def _gaps(cohort: _Cohort, histogram: Histogram | None, threshold: float, strays: float) -> Bracket | None:
    if histogram is None:
        return None
    kept = count_below(histogram, threshold) or Bracket(0.0, 0.0)
    return Bracket(0.0, min(cohort.number, histogram.count - kept.lower + strays))


def _narrowest(found: Iterable[Bracket | None]) -> Bracket | None:
    """Return what several true limits leave together."""
    known = [limits for limits in found if limits is not None]
    if not known:
        return None
    most = min(limits.upper for limits in known)
    return Bracket(min(most, max(limits.lower for limits in known)), most)


def _one_token(cohort: _Cohort, others: float) -> Bracket:
    """Return limits of the number of the cohort's requests with one token; ``others`` may be counted among them."""
    histogram = cohort.interval.histograms.get("request_generation_tokens")
    if histogram is None or histogram.count < cohort.number:
        return Bracket(0.0, cohort.number)
    counted = count_below(histogram, 1.0) or Bracket(0.0, 0.0)
    return Bracket(max(0.0, counted.lower - others), min(cohort.number, counted.upper))


def _preempted(cohort: _Cohort) -> float:
    """Return the most of the cohort that can have been preempted: in the interval, or before if they are strays."""
    preemptions = cohort.interval.delta("preemptions")
    if preemptions is None or cohort.strays is None:
        return cohort.number
    return min(cohort.number, preemptions + cohort.strays)


def _attainment(policy: Policy, counts: _Counts, misses: list[Bracket]) -> tuple[float, float] | None:
    """Return the share of good requests at worst and at best; None where it may be that none is judged."""
    left_out = also_bad = Bracket(0.0, 0.0)
    match policy.one_token:
        case "exclude":
            left_out = counts.one_token
        case "bad":
            also_bad = counts.one_token
    if policy.preempted == "exclude":
        left_out = Bracket(left_out.lower, min(counts.number, left_out.upper + counts.preempted))
    failed = counts.errors if policy.failed == "bad" else 0.0
    # An aborted request that counts as bad if it was late already was late at worst, and is left out at best.
    bad_at_best = failed + (counts.aborts if policy.aborted == "bad" else 0.0)
    bad_at_worst = failed + (counts.aborts if policy.aborted in ("bad", "late") else 0.0)
    if left_out.lower >= counts.number + bad_at_best:
        return None
    most = sum(limits.upper for limits in misses) + also_bad.upper
    least = max([*(limits.lower for limits in misses), also_bad.lower])
    upper = _best(counts.number, left_out, bad_at_best, least)
    return min(upper, _worst(counts.number, left_out, bad_at_worst, most)), upper


def _worst(number: float, left_out: Bracket, certain: float, misses: float) -> float:
    """Return the least share of good requests: those left out are as many as can be, and good ones."""
    judged = number + certain - min(left_out.upper, number + certain - 1)
    return 1 - min(judged, misses + certain) / judged


def _best(number: float, left_out: Bracket, certain: float, misses: float) -> float:
    """Return the greatest share of good requests: those left out are the bad ones, as far as they can be."""
    gone = min(max(left_out.lower, min(left_out.upper, misses)), number + certain - 1)
    return 1 - (max(0.0, misses - gone) + certain) / (number + certain - gone)
