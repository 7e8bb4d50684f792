"""What vLLM counts: the counters, gauges and histograms of one engine, with vLLM's bounds and semantics."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.simulator.reports import Finished, Step

TTFT_BOUNDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
TOKEN_TIME_BOUNDS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
PHASE_BOUNDS = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
    120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
ITERATION_BOUNDS = (1.0, *(float(2**power) for power in range(3, 15)))
PREEMPTION_BOUNDS = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
N_BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0)

FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")
PROMPT_SOURCES = ("local_compute", "local_cache_hit", "external_kv_transfer")
CACHE_TIERS = ("device", "host", "p2p", "disk", "external_unspecified")
WAITING_REASONS = ("capacity", "deferred")
SLEEP_STATES = ("awake", "weights_offloaded", "discard_all")


def token_bounds(max_model_len: int) -> tuple[float, ...]:
    """Return the 1-2-5 series up to the longest sequence.

    >>> token_bounds(2048)[-3:]
    (500.0, 1000.0, 2000.0)
    """
    bounds = []
    decade = 1
    while decade <= max_model_len:
        bounds += [float(step * decade) for step in (1, 2, 5) if step * decade <= max_model_len]
        decade *= 10
    return tuple(bounds)


class CountingHistogram:
    """A histogram with fixed upper bounds; ``buckets`` are not cumulative and end with +Inf."""

    __slots__ = ("bounds", "buckets", "count", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.count = 0
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, possibly several times at once."""
        self.buckets[bisect_left(self.bounds, value)] += times
        self.count += times
        self.sum += value * times


class EngineCounters:
    """Everything that one engine publishes; the attribute names are those of ``families``."""

    def __init__(self, max_model_len: int) -> None:
        self.flops = 0.0
        self.read_bytes = 0.0
        self.write_bytes = 0.0

        self.running = 0
        self.waiting = 0
        self.kv_usage = 0.0
        self.sleep_state = {"awake": 1, "weights_offloaded": 0, "discard_all": 0}

        self.prefix_queries = 0
        self.prefix_hits = 0
        self.nothing = 0
        """What this server does not have: external caches, images."""
        self.abandoned = 0
        """Requests that their clients gave up; on the page only within ``http_requests_total``."""
        self.preemptions = 0
        self.prompt_tokens = 0
        self.prompt_tokens_by_source = dict.fromkeys(PROMPT_SOURCES, 0)
        self.generation_tokens = 0
        self.request_success = dict.fromkeys(FINISHED_REASONS, 0)

        tokens = token_bounds(max_model_len)
        self.request_prompt_tokens = CountingHistogram(tokens)
        self.request_generation_tokens = CountingHistogram(tokens)
        self.iteration_tokens = CountingHistogram(ITERATION_BOUNDS)
        self.request_max_generation_tokens = CountingHistogram(tokens)
        self.request_n = CountingHistogram(N_BOUNDS)
        self.request_max_tokens = CountingHistogram(tokens)
        self.ttft = CountingHistogram(TTFT_BOUNDS)
        self.inter_token = CountingHistogram(TOKEN_TIME_BOUNDS)
        self.tpot = CountingHistogram(TOKEN_TIME_BOUNDS)
        self.e2e = CountingHistogram(PHASE_BOUNDS)
        self.queue = CountingHistogram(PHASE_BOUNDS)
        self.inference = CountingHistogram(PHASE_BOUNDS)
        self.prefill = CountingHistogram(PHASE_BOUNDS)
        self.decode = CountingHistogram(PHASE_BOUNDS)
        self.request_preemptions = CountingHistogram(PREEMPTION_BOUNDS)
        self.request_prefill_computed = CountingHistogram(tokens)

    @property
    def prompt_tokens_cached(self) -> int:
        """Return the prompt tokens that came from a cache, counted when the prefill completes."""
        return self.prompt_tokens_by_source["local_cache_hit"]

    @property
    def prompt_tokens_cached_by_tier(self) -> dict[str, int]:
        """Return the cache hits by tier; unlike the above, counted on admission."""
        return {tier: self.prefix_hits if tier == "device" else 0 for tier in CACHE_TIERS}

    @property
    def waiting_by_reason(self) -> dict[str, int]:
        """Return the queue by reason; nothing here is ever deferred."""
        return {"capacity": self.waiting, "deferred": 0}

    @property
    def finished(self) -> int:
        """Return the number of finished requests."""
        return self.e2e.count

    @property
    def ended(self) -> int:
        """Return what the HTTP layer counts: it does not know that a client gave up."""
        return self.finished + self.abandoned

    def count_step(self, step: Step) -> None:
        """Count what a step did, when it ends."""
        if step.decoded:
            self.inter_token.observe(step.end - step.start, step.decoded)
        for gap in step.resumed_gaps:
            self.inter_token.observe(gap)
        computed_prompts = 0
        for first in step.first_tokens:
            # The whole prompt in one lump, when its prefill completes.
            computed = first.prompt_tokens - first.cached_tokens
            computed_prompts += computed
            self.prompt_tokens += first.prompt_tokens
            self.prompt_tokens_by_source["local_cache_hit"] += first.cached_tokens
            self.prompt_tokens_by_source["local_compute"] += computed
            self.ttft.observe(step.end - first.arrival)
        generated = step.generated
        if generated:
            self.generation_tokens += generated
            self.iteration_tokens.observe(computed_prompts + generated)
        self.preemptions += step.preemptions
        self.prefix_queries += step.prefix_queries
        self.prefix_hits += step.prefix_hits
        self.flops += step.flops
        self.read_bytes += step.read_bytes
        self.write_bytes += step.written_bytes
        self.abandoned += len(step.abandoned)
        for finished in step.finished:
            self._count_finished(finished)
        self.running, self.waiting, self.kv_usage = step.running, step.waiting, step.kv_usage

    def _count_finished(self, request: Finished) -> None:
        """Count a finished request: the per-request histograms, all at the end."""
        self.request_success[request.reason] += 1
        self.e2e.observe(request.e2e)
        self.queue.observe(request.queue)
        self.prefill.observe(request.prefill)
        self.inference.observe(request.inference)
        self.decode.observe(request.decode)
        self.tpot.observe(request.tpot)
        self.request_preemptions.observe(request.preemptions)
        self.request_prefill_computed.observe(request.prompt_tokens - request.cached_tokens)
        self.request_prompt_tokens.observe(request.prompt_tokens)
        self.request_generation_tokens.observe(request.output_tokens)
        self.request_max_generation_tokens.observe(request.output_tokens)
        self.request_max_tokens.observe(request.max_tokens)
        self.request_n.observe(1)
