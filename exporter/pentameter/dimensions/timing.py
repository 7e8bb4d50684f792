"""Time: latencies, throughput, queue (lecture: "Time to First Token", "Time Per Output Token", "Throughput")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.computation import grown
from pentameter.histogram import mean, quantiles
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import Engine, World

QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
_QS = tuple(q for _, q in QUANTILES)


def _latency(name: str, help_: str) -> Metric:
    return Metric(
        f"pentameter_{name}_seconds",
        "gauge",
        Unit.SECONDS,
        Dimension.TIME,
        f"{help_}, rolling over the window in the label. basis=requests: from request records, quantiles within 1 %. "
        "basis=histogram: from vLLM's buckets; a quantile that they do not tell is left out: with fewer than 1/(1 - q) "
        "observations, above the highest finite bound, and, unless the sum confines it to a factor of 1.5, in the "
        "lowest bucket or with all in one bucket.",
        "mean = increase of sum / increase of count; quantile q of a histogram = monotone cubic of the normal score of "
        "the share up to a bound over log(bound), within the quantile's bucket and at most mean / (1 - q)",
        (*ENGINE, "window", "stat", "basis"),
    )


TTFT = _latency("ttft", "Time to first token: arrival to first output token, queueing included")
TPOT = _latency(
    "tpot", "Time per output token of a finished request: decode time / (output tokens - 1), 0 for one token"
)
INTER_TOKEN = _latency("inter_token_latency", "Time between two outputs of a request")
E2E = _latency("e2e_latency", "End-to-end latency of a finished request: arrival to last token")
QUEUE = _latency("queue_time", "Time of a finished request from being queued to first being scheduled")
PREFILL = _latency("prefill_time", "Time of a finished request from being scheduled to its first token")
DECODE = _latency("decode_time", "Time of a finished request from its first to its last token")

LATENCIES = (
    ("ttft", TTFT),
    ("tpot", TPOT),
    ("inter_token", INTER_TOKEN),
    ("e2e", E2E),
    ("queue", QUEUE),
    ("prefill", PREFILL),
    ("decode", DECODE),
)

TOKENS_PER_SECOND = Metric(
    "pentameter_tokens_per_second",
    "gauge",
    Unit.TOKENS_PER_SECOND,
    Dimension.TIME,
    "Token throughput, rolling over the window in the label. phase=prompt counts whole prompts with their "
    "cached part, prompt_computed only what was computed here, generation the output.",
    "increase of vLLM's token counter / seconds covered",
    (*ENGINE, "window", "phase"),
)
TOKENS = Metric(
    "pentameter_tokens_total",
    "counter",
    Unit.TOKENS,
    Dimension.TIME,
    "Tokens since the exporter saw the engine, through restarts of vLLM. phase=prompt counts whole prompts with their "
    "cached part, generation the output.",
    "increase of vLLM's token counter",
    (*ENGINE, "phase"),
)
REQUESTS_PER_SECOND = Metric(
    "pentameter_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Rate of finished requests, whatever the finish reason, rolling over the window in the label. Requests "
    "that a client aborts reach vLLM's counter with its Rust front end only.",
    "increase of request_success_total over all finished_reason / seconds covered",
    (*ENGINE, "window"),
)
RUNNING = Metric(
    "pentameter_requests_running",
    "gauge",
    Unit.NONE,
    Dimension.TIME,
    "Requests in the running batch at the last scrape.",
    "vLLM's num_requests_running",
    ENGINE,
)
WAITING = Metric(
    "pentameter_requests_waiting",
    "gauge",
    Unit.NONE,
    Dimension.TIME,
    "Requests waiting at the last scrape. Up to vLLM 0.19 those waiting for capacity, from 0.20 the deferred as well.",
    "vLLM's num_requests_waiting",
    ENGINE,
)
WINDOW_COVERAGE = Metric(
    "pentameter_window_coverage_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.TIME,
    "Seconds that the figures of a window really cover: less than its length after a start or an outage.",
    "time between the scrapes at the two ends of the window",
    (*ENGINE, "window"),
)

METRICS = (
    *(metric for _, metric in LATENCIES),
    TOKENS,
    TOKENS_PER_SECOND,
    REQUESTS_PER_SECOND,
    RUNNING,
    WAITING,
    WINDOW_COVERAGE,
)


def computed_prompt_tokens(interval: Interval) -> float | None:
    """Return the prompt tokens that this engine computed, cache hits and transfers left out.

    From 0.16 vLLM counts them by source. Before, the prefix-cache hits are taken from the whole:
    tokens hit in a running prefill count before the prompt does, so the difference may dip below zero
    over a short window and is held at zero.
    """
    computed = interval.delta("prompt_tokens_by_source/local_compute")
    if computed is not None:
        return computed
    prompt, hits = interval.delta("prompt_tokens"), interval.delta("prefix_cache_hits")
    if prompt is None or hits is None:
        return None
    return max(0.0, prompt - hits)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for engine in world.engines:
        gauges = engine.reading.gauges
        if "running" in gauges:
            yield RUNNING(gauges["running"], *engine.labels)
        if "waiting" in gauges:
            yield WAITING(gauges["waiting"], *engine.labels)
        for window, interval in engine.rolled.windows.items():
            yield WINDOW_COVERAGE(interval.seconds, *engine.labels, window)
            yield from _latencies(engine, window, interval)
            yield from _throughput(engine, window, interval)


def _latencies(engine: Engine, window: str, interval: Interval) -> Iterator[Sample]:
    for concept, metric in LATENCIES:
        histogram = interval.histograms.get(concept)
        if histogram is None:
            continue
        labels = (*engine.labels, window)
        average = mean(histogram)
        if average is not None:
            yield metric(average, *labels, "mean", "histogram")
        for (stat, _), value in zip(QUANTILES, quantiles(histogram, _QS), strict=True):
            if value is not None:
                yield metric(value, *labels, stat, "histogram")


def _throughput(engine: Engine, window: str, interval: Interval) -> Iterator[Sample]:
    phases = (
        ("prompt", interval.delta("prompt_tokens")),
        ("prompt_computed", computed_prompt_tokens(interval)),
        ("generation", interval.delta("generation_tokens")),
    )
    for phase, tokens in phases:
        if tokens is not None:
            yield TOKENS_PER_SECOND(tokens / interval.seconds, *engine.labels, window, phase)
    finished = interval.total("request_success")
    if finished is not None:
        yield REQUESTS_PER_SECOND(finished / interval.seconds, *engine.labels, window)


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters of tokens grew by."""
    for engine in world.engines:
        for phase, concept in (("prompt", "prompt_tokens"), ("generation", "generation_tokens")):
            tokens = grown(engine, concept)
            if tokens is not None:
                yield TOKENS(tokens, *engine.labels, phase)
