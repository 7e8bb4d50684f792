"""Time, from records of single requests: latencies, aggregatable histograms, arrivals, aborts, stalls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.timing import LATENCIES
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import World


def _histogram(name: str, help_: str, formula: str) -> Metric:
    return Metric(
        f"pentameter_request_{name}_seconds",
        "histogram",
        Unit.SECONDS,
        Dimension.TIME,
        f"{help_}, from request records. Fine buckets, with a bound at every SLO's threshold, at half of it and at "
        "twice it: adds up over a fleet.",
        formula,
        ENGINE,
    )


REQUEST_TTFT = _histogram("ttft", "Time to first token of finished requests", "first token - arrival")
REQUEST_TPOT = _histogram(
    "tpot",
    "Time per output token after the first, of finished requests of two tokens and more",
    "(last token - first token) / (output tokens - 1)",
)
REQUEST_E2E = _histogram("e2e", "End-to-end latency of finished requests", "last token - arrival")

ARRIVED = Metric(
    "pentameter_requests_arrived_total",
    "counter",
    Unit.NONE,
    Dimension.TIME,
    "Requests that arrived, inferred from vLLM's page: at least so many, and all but those that came and were aborted "
    "unseen between two scrapes.",
    "finished + aborted + change of (running + waiting)",
    ENGINE,
)
ABORTED = Metric(
    "pentameter_requests_aborted_total",
    "counter",
    Unit.NONE,
    Dimension.TIME,
    "Requests that vanished without being finished: aborted by their clients. vLLM's Python front end records none, so "
    "this is inferred and a lower bound; through the Rust front end vLLM counts them as finished instead.",
    "the most of: fall of (running + waiting) beyond the finished; first tokens - finished - (running + waiting); "
    "generating requests that the web server answered - finished",
    ENGINE,
)
OFFERED = Metric(
    "pentameter_offered_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Rate at which requests arrive, served in time or not, or rejected by admission control, rolling over the window "
    "in the label. With several engines nobody knows whose the rejected ones were, and they are left out.",
    "increase of (pentameter_requests_arrived_total + rejected) / seconds covered",
    (*ENGINE, "window"),
)
STALLED = Metric(
    "pentameter_requests_stalled_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.TIME,
    "For how long requests have been running or waiting without a single one finishing, so that nothing can be "
    "judged; 0 while none is held. A stall leaves no observation in any histogram: alert on this.",
    "time since the last scrape that saw a request finish or none held",
    ENGINE,
)

METRICS = (REQUEST_TTFT, REQUEST_TPOT, REQUEST_E2E, ARRIVED, ABORTED, OFFERED, STALLED)

_ROLLING = dict(LATENCIES)
_HISTOGRAMS = {"ttft": REQUEST_TTFT, "tpot": REQUEST_TPOT, "e2e": REQUEST_E2E}


def samples(world: World) -> Iterator[Sample]:
    """Yield what records say of latencies, and what pages say of arrivals."""
    for served in world.served:
        for latency, window, stat, seconds in served.latencies:
            yield _ROLLING[latency](seconds, *served.labels, window, stat, "requests")
        for latency, histogram in served.histograms.items():
            yield _HISTOGRAMS[latency].observe(histogram, *served.labels)
    for engine in world.engines:
        if engine.stalled_seconds is None:
            # The page lacks what arrivals are inferred from.
            continue
        for window, interval in engine.flow.windows.items():
            yield OFFERED(offered_rate(interval), *engine.labels, window)
        yield STALLED(engine.stalled_seconds, *engine.labels)


def offered_rate(flow: Interval) -> float:
    """Return the requests per second that came to an engine, or would have without admission control."""
    return (flow.deltas["arrived"] + flow.deltas["rejected"]) / flow.seconds


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters of arrivals and aborts grew by."""
    for engine in world.engines:
        if engine.stalled_seconds is None:
            continue
        deltas = engine.flow.tick.deltas if engine.flow.tick else {}
        yield ARRIVED(deltas.get("arrived", 0.0), *engine.labels)
        yield ABORTED(deltas.get("aborted", 0.0), *engine.labels)
