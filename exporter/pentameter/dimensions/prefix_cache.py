"""The prefix cache: how often it hits, and what that saves at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.computation import basis_of, worked
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.spec import Precision
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import Deployment, Engine, World

PREFIX_HITS = Metric(
    "pentameter_prefix_cache_hit_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Share of the prompt tokens (of blocks in vLLM 0.8.5) looked up in the prefix cache that were found, rolling over "
    "the window in the label.",
    "increase of hits / increase of queries",
    (*ENGINE, "window"),
)
SAVED_TOKENS = Metric(
    "pentameter_prefix_cache_saved_tokens_total",
    "counter",
    Unit.TOKENS,
    Dimension.MEMORY,
    "Prompt tokens that were not computed because the prefix cache or a transfer supplied them, since the exporter saw "
    "the engine's model.",
    "prompt tokens - computed prompt tokens",
    ENGINE,
)
SAVED_FLOPS = Metric(
    "pentameter_prefix_cache_saved_flops_total",
    "counter",
    Unit.FLOPS,
    Dimension.MEMORY,
    "FLOPs of the whole engine that the cached prompt tokens would have cost, basis=model.",
    "FLOPs of the whole mean prompt - FLOPs of its computed rest",
    (*ENGINE, "basis"),
)
SAVED_JOULES = Metric(
    "pentameter_prefix_cache_saved_joules_total",
    "counter",
    Unit.JOULES,
    Dimension.MEMORY,
    "Energy that the prefix cache saves at least: that of GPUs which compute at their peak within their power limit, "
    "which no server reaches. basis=bound.",
    "saved FLOPs / peak FLOP/s x power limit",
    (*ENGINE, "basis"),
)
SAVED_DOLLARS = Metric(
    "pentameter_prefix_cache_saved_dollars_total",
    "counter",
    Unit.DOLLARS,
    Dimension.MEMORY,
    "GPU time that the prefix cache saves at least, at the configured price: that of GPUs which compute at their peak. "
    "basis=bound.",
    "saved FLOPs / peak FLOP/s x price of one GPU per second",
    (*ENGINE, "basis"),
)
METRICS = (PREFIX_HITS, SAVED_TOKENS, SAVED_FLOPS, SAVED_JOULES, SAVED_DOLLARS)


def prefix_hit_ratio(interval: Interval) -> float | None:
    """Return hits / queries of the prefix cache, or None when nothing was looked up.

    The series' name before 0.9.2 counted blocks in some releases, which makes no difference to a ratio.
    """
    for prefix in ("", "gpu_"):
        queries = interval.delta(f"{prefix}prefix_cache_queries")
        hits = interval.delta(f"{prefix}prefix_cache_hits")
        if queries is not None and hits is not None:
            return hits / queries if queries > 0 else None
    return None


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for engine in world.engines:
        for window, interval in engine.rolled.windows.items():
            ratio = prefix_hit_ratio(interval)
            if ratio is not None:
                yield PREFIX_HITS(ratio, *engine.labels, window)


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters grow by."""
    for deployment in world.deployments:
        for engine in deployment.engines:
            tokens, flops = worked(engine, "saved/tokens"), worked(engine, "saved/flops")
            if engine.model is None or tokens is None or flops is None:
                continue
            yield SAVED_TOKENS(tokens, *engine.labels)
            yield SAVED_FLOPS(flops, *engine.labels, basis_of(engine.model))
            yield from _at_least(deployment, engine, flops)


def _at_least(deployment: Deployment, engine: Engine, flops: float) -> Iterator[Sample]:
    """Yield energy and price of the GPU seconds that the saved work takes at the highest peak of the GPU.

    The highest peak, whatever the model's precision: a bound from below must not depend on which kernels run.
    """
    peak = max(engine.peaks.flops.values(), default=0.0)
    if peak <= 0 or Precision.BITS16 not in engine.peaks.flops:
        return
    seconds = flops / peak
    limits = [gpu.reading.power_limit_watts for gpu in deployment.gpus]
    known = [limit for limit in limits if limit is not None]
    if known and len(known) == len(limits):
        yield SAVED_JOULES(seconds * min(known), *engine.labels, "bound")
    if deployment.cost.quote is not None:
        yield SAVED_DOLLARS(
            seconds * deployment.cost.quote.dollars_per_hour / SECONDS_PER_HOUR, *engine.labels, "bound"
        )
