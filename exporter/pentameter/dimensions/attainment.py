"""SLA attainment: which share of the requests kept their service level objective, exactly or within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.slo import Slo
    from pentameter.windows import Interval
    from pentameter.world import Served, World

COVERED = 0.9
"""Least share of the finished requests that must have left a record, for records to be called exact."""

STRAGGLERS = 5
"""So many records may be missing at any rate: those of the last seconds are still on their way."""

REQUESTS = Metric(
    "pentameter_slo_requests_total",
    "counter",
    Unit.NONE,
    Dimension.TIME,
    "Requests judged by the SLO, from request records: good when every threshold was kept. Which requests count is the "
    "policy in pentameter_slo_policy_info.",
    "good = TTFT <= a and TPOT <= b and ... (Zhong et al. 2024)",
    (*ENGINE, "slo", "verdict"),
)
MISSES = Metric(
    "pentameter_slo_objective_misses_total",
    "counter",
    Unit.NONE,
    Dimension.TIME,
    "Judged requests that missed one threshold of the SLO, from request records; a request may miss several.",
    "number of judged requests with value > threshold",
    (*ENGINE, "slo", "objective"),
)
UNJUDGED = Metric(
    "pentameter_slo_unjudged_requests_total",
    "counter",
    Unit.NONE,
    Dimension.TIME,
    "Requests that the SLO did not judge, by reason: left out by the policy (aborted, failed, rejected, one_token, "
    "preempted), or the record does not hold what decides (inter_token and others).",
    "number of finished, aborted and rejected requests without a verdict",
    (*ENGINE, "slo", "reason"),
)
GOOD_TOKENS = Metric(
    "pentameter_slo_good_tokens_total",
    "counter",
    Unit.TOKENS,
    Dimension.TIME,
    "Output tokens of the requests that kept the SLO, from request records.",
    "sum of output tokens over good requests",
    (*ENGINE, "slo"),
)
ATTAINMENT = Metric(
    "pentameter_slo_attainment_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.TIME,
    "Share of the judged requests that kept the SLO, rolling over the window in the label. bound=exact: from request "
    "records; lower, upper: from vLLM's histograms, which hold each latency alone, between which the truth lies "
    "(Frechet), wherever a threshold falls between two bucket bounds.",
    "good / (good + bad); lower = 1 - sum of the objectives' greatest miss shares, upper = 1 - the greatest of their "
    "least miss shares",
    (*ENGINE, "window", "slo", "bound"),
)
TARGET = Metric(
    "pentameter_slo_target_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.TIME,
    "Share of the requests that shall keep the SLO.",
    "as configured",
    (*ENGINE, "slo"),
)
THRESHOLD = Metric(
    "pentameter_slo_threshold_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.TIME,
    "Most time that the SLO allows, comparison inclusive.",
    "as configured",
    (*ENGINE, "slo", "objective"),
)
POLICY = Metric(
    "pentameter_slo_policy_info",
    "gauge",
    Unit.INFO,
    Dimension.TIME,
    "Which requests the SLO counts and how: bad, exclude, judge, or late (bad if it was already too late); always 1.",
    "as configured",
    (*ENGINE, "slo", "aborted", "failed", "rejected", "one_token", "preempted"),
)
SCORE = Metric(
    "pentameter_slo_score_ratio",
    "histogram",
    Unit.RATIO,
    Dimension.TIME,
    "How close judged requests came to the SLO, from request records: at most 1 is good, so the bucket le=1 over the "
    "count is the joint attainment, also over a fleet. Bad by policy counts as 16, the most.",
    "max(TTFT / a, TPOT / b, ...)",
    (*ENGINE, "slo"),
)
COVERAGE = Metric(
    "pentameter_request_record_coverage_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.TIME,
    "Share of the requests that vLLM counted as finished of which a record came, rolling over the window in the label. "
    "Below 0.9, beyond 5 stragglers, attainment is not called exact.",
    "records / increase of request_success_total",
    (*ENGINE, "window"),
)

METRICS = (REQUESTS, MISSES, UNJUDGED, GOOD_TOKENS, ATTAINMENT, TARGET, THRESHOLD, POLICY, SCORE, COVERAGE)


class Tally(NamedTuple):
    """Verdicts of one SLO over an interval."""

    good: float
    bad: float
    unknown: float
    good_tokens: float

    @property
    def judged(self) -> float:
        """Return the requests that count, whether or not their verdict is known."""
        return self.good + self.bad + self.unknown


def tally(slo: Slo, interval: Interval) -> Tally:
    """Return the verdicts of an SLO over an interval of request records."""
    prefix = f"slo/{slo.name}/"
    unknown = sum(value for key, value in interval.deltas.items() if key.startswith(f"{prefix}unknown/"))
    good, bad, tokens = (interval.delta(prefix + key) or 0.0 for key in ("good", "bad", "good_tokens"))
    return Tally(good, bad, unknown, tokens)


def is_covered(records: float, finished: float | None) -> bool:
    """Say whether records speak for all finished requests: at most a tenth of them may be missing, or five.

    The five must not be more than have come: one of six requests does not speak for the others. Tracing with sampling,
    a second front end without the plugin, or a full queue would else pass for exact. Without vLLM's own count (its
    page is not read) there is nothing to compare with, and records stand.
    """
    return finished is None or records >= COVERED * finished or finished - records <= min(STRAGGLERS, records)


def samples(world: World) -> Iterator[Sample]:
    """Yield what is configured, and the attainment as well as it is known."""
    for labels in places(world):
        for slo in slos_for(world, labels[1]):
            yield from _configured(slo, labels)
    for served in world.served:
        yield from _recorded(world, served)


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters of the verdicts grew by."""
    for served in world.served:
        tick = served.rolled.tick
        for slo in slos_for(world, served.model_name):
            labels, prefix = (*served.labels, slo.name), f"slo/{slo.name}/"
            deltas = tick.deltas if tick else {}
            for verdict in ("good", "bad"):
                yield REQUESTS(deltas.get(prefix + verdict, 0.0), *labels, verdict)
            yield GOOD_TOKENS(deltas.get(f"{prefix}good_tokens", 0.0), *labels)
            for objective in slo.thresholds:
                yield MISSES(deltas.get(f"{prefix}missed/{objective}", 0.0), *labels, objective)
            yield from _unjudged(served, slo)


def _unjudged(served: Served, slo: Slo) -> Iterator[Sample]:
    """Yield every reason that has occurred, also when it did not grow: its series must not come and go."""
    tick = served.rolled.tick
    for reason in sorted(served.unjudged.get(slo.name, ())):
        deltas = tick.deltas if tick else {}
        grown = sum(deltas.get(f"slo/{slo.name}/{kind}/{reason}", 0.0) for kind in ("unjudged", "unknown"))
        yield UNJUDGED(grown, *served.labels, slo.name, reason)


def places(world: World) -> list[tuple[str, str, str]]:
    """Return the labels of all engines that anything is known of."""
    return list(dict.fromkeys([engine.labels for engine in world.engines] + [one.labels for one in world.served]))


def slos_for(world: World, model_name: str) -> list[Slo]:
    """Return the SLOs of a model."""
    return [slo for slo in world.slos if slo.is_for(model_name)]


def _configured(slo: Slo, labels: tuple[str, str, str]) -> Iterator[Sample]:
    policy = slo.policy
    yield TARGET(slo.target, *labels, slo.name)
    for objective, seconds in slo.thresholds.items():
        yield THRESHOLD(seconds, *labels, slo.name, objective)
    how = (policy.aborted, policy.failed, policy.rejected, policy.one_token, policy.preempted)
    yield POLICY(1, *labels, slo.name, *how)


def _recorded(world: World, served: Served) -> Iterator[Sample]:
    for name, histogram in served.scores.items():
        yield SCORE.observe(histogram, *served.labels, name)
    for window, interval in served.rolled.windows.items():
        records = interval.delta("finished") or 0.0
        finished = interval.delta("ended")
        if finished:
            yield COVERAGE(min(1.0, records / finished), *served.labels, window)
        if not is_covered(records, finished):
            continue
        for slo in slos_for(world, served.model_name):
            counts = tally(slo, interval)
            if counts.judged and not counts.unknown:
                yield ATTAINMENT(counts.good / counts.judged, *served.labels, window, slo.name, "exact")
