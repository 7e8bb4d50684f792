"""SLA attainment without request records: the bounds that vLLM's histograms allow, and the goodput between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.attainment import ATTAINMENT, is_covered, slos_for, tally
from pentameter.joint_bounds import attainment_bounds
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.slo import Slo
    from pentameter.windows import Interval
    from pentameter.world import Engine, Served, World

GOODPUT_BOUND = Metric(
    "pentameter_goodput_bound_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Bounds of the served goodput from vLLM's histograms, for servers without request records, rolling over the window "
    "in the label.",
    "bound of pentameter_slo_attainment_ratio x finished requests / seconds covered",
    (*ENGINE, "window", "slo", "bound"),
)

METRICS = (GOODPUT_BOUND,)


def samples(world: World) -> Iterator[Sample]:
    """Yield the bounds of every engine whose page is read; they stand beside the exact value where there is one."""
    records = {served.labels: served for served in world.served}
    for engine in world.engines:
        for slo in slos_for(world, engine.reading.model_name):
            for window in engine.rolled.windows:
                yield from _bounds(engine, slo, window, records.get(engine.labels))


def _bounds(engine: Engine, slo: Slo, window: str, served: Served | None) -> Iterator[Sample]:
    interval = engine.rolled.windows[window]
    longer = [other for other in engine.rolled.windows.values() if other.seconds > interval.seconds]
    bounds = attainment_bounds(slo, interval, longer)
    finished = interval.total("request_success")
    if bounds is None or not finished:
        return
    seen = finished / (finished + _unseen(engine, slo, window))
    narrowed = _narrowed((bounds[0] * seen, bounds[1] * seen), slo, window, served, finished)
    if narrowed is None:
        return
    for bound, share in zip(("lower", "upper"), narrowed, strict=True):
        yield ATTAINMENT(share, *engine.labels, window, slo.name, bound)
        if bound == "upper" or not _may_leave_out(slo, interval):
            # The share is of all that count, finished or not; of how many that is, the finished are the most.
            yield GOODPUT_BOUND(share * finished / seen / interval.seconds, *engine.labels, window, slo.name, bound)


def _may_leave_out(slo: Slo, interval: Interval) -> bool:
    """Say whether the policy may leave out some of the finished requests."""
    policy = slo.policy
    return bool(
        policy.preempted == "exclude"
        or (policy.one_token == "exclude" and {"tpot", "inter_token"} & slo.thresholds.keys())
        or (policy.failed == "exclude" and interval.delta("request_success/error"))
        or (policy.aborted != "bad" and interval.delta("request_success/abort"))
    )


def _unseen(engine: Engine, slo: Slo, window: str) -> float:
    """Return the requests that count as bad and are in no histogram: rejected, and aborted as far as is known."""
    flow = engine.flow.windows.get(window)
    if flow is None:
        return 0.0
    rejected = (flow.delta("rejected") or 0.0) if slo.policy.rejected == "bad" else 0.0
    aborted = (flow.delta("aborted") or 0.0) if slo.policy.aborted == "bad" else 0.0
    return rejected + aborted


def _narrowed(
    bounds: tuple[float, float], slo: Slo, window: str, served: Served | None, finished: float
) -> tuple[float, float] | None:
    """Narrow the bounds by records that decide about some requests and leave others open.

    An inter-token threshold is what records may leave open. None where the two do not meet, which shows that they
    speak of different requests.
    """
    own = served.rolled.windows.get(window) if served else None
    if own is None or not is_covered(own.delta("finished") or 0.0, finished):
        return bounds
    counts = tally(slo, own)
    if not counts.unknown:
        return bounds
    lower = max(bounds[0], counts.good / counts.judged)
    upper = min(bounds[1], (counts.good + counts.unknown) / counts.judged)
    return (lower, upper) if lower <= upper else None
