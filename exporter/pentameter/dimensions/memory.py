"""Memory: bandwidth utilisation, KV cache, prefix cache, GPU memory (lecture: "Memory Bandwidth Utilization")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.computation import counts_flops, grown, utilization
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.windows import Interval
    from pentameter.world import Engine, World

MBU = Metric(
    "pentameter_mbu_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Memory bandwidth utilisation: share of the GPU's peak bandwidth, rolling over the window in the label. "
    "basis=vllm: from vLLM's own estimate of bytes. Absent when vLLM does not count or the GPU's peak is unknown.",
    "(bytes read + bytes written) per GPU / seconds covered / peak bytes per second",
    (*ENGINE, "window", "phase", "basis"),
)
READ_BYTES = Metric(
    "pentameter_memory_read_bytes_total",
    "counter",
    Unit.BYTES,
    Dimension.MEMORY,
    "Bytes read from GPU memory per GPU since the exporter saw the engine. basis=vllm: vLLM's own estimate, "
    "which does not tell weights from KV cache (what=all).",
    "increase of vLLM's estimated_read_bytes_per_gpu_total",
    (*ENGINE, "phase", "basis", "what"),
)
KV_USAGE = Metric(
    "pentameter_kv_cache_usage_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Share of the KV cache blocks allocated at the last scrape; cached but free blocks count as free.",
    "vLLM's kv_cache_usage_perc",
    ENGINE,
)
KV_CAPACITY = Metric(
    "pentameter_kv_cache_capacity_tokens",
    "gauge",
    Unit.TOKENS,
    Dimension.MEMORY,
    "Tokens that the KV cache holds when full. Before vLLM 0.24 it may be wrong for models with several kinds of "
    "attention.",
    "cache_config_info: kv_cache_size_tokens, before vLLM 0.24 num_gpu_blocks x block_size",
    ENGINE,
)
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
PREEMPTIONS = Metric(
    "pentameter_preemptions_total",
    "counter",
    Unit.NONE,
    Dimension.MEMORY,
    "Requests preempted for lack of KV cache since the exporter saw the engine.",
    "increase of vLLM's num_preemptions_total",
    ENGINE,
)
GPU_MEMORY_USED = Metric(
    "pentameter_gpu_memory_used_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Memory of the GPU in use by all processes, measured.",
    "NVML memory info: used",
    ("gpu",),
)
GPU_MEMORY_TOTAL = Metric(
    "pentameter_gpu_memory_total_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Memory of the GPU, measured.",
    "NVML memory info: total",
    ("gpu",),
)
METRICS = (
    MBU,
    READ_BYTES,
    KV_USAGE,
    KV_CAPACITY,
    PREFIX_HITS,
    PREEMPTIONS,
    GPU_MEMORY_USED,
    GPU_MEMORY_TOTAL,
)


def kv_capacity_tokens(cache_config: Mapping[str, str]) -> float | None:
    """Return the tokens that fit into the KV cache, or None where vLLM does not say.

    From 0.24 vLLM says it itself, right for hybrid models too; before, it is the product of blocks and
    block size.

    >>> kv_capacity_tokens({"num_gpu_blocks": "27000", "block_size": "16"})
    432000.0
    """
    stated = _number(cache_config.get("kv_cache_size_tokens"))
    if stated is not None:
        return stated
    blocks, size = _number(cache_config.get("num_gpu_blocks")), _number(cache_config.get("block_size"))
    return blocks * size if blocks is not None and size is not None else None


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
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for engine in world.engines:
        usage = engine.reading.gauges.get("kv_cache_usage")
        if usage is not None:
            yield KV_USAGE(usage, *engine.labels)
        capacity = kv_capacity_tokens(engine.reading.cache_config)
        if capacity is not None:
            yield KV_CAPACITY(capacity, *engine.labels)
        for window, interval in engine.rolled.windows.items():
            yield from _window(engine, window, interval)
    for gpu in world.gpus:
        if gpu.reading.memory_used_bytes is not None:
            yield GPU_MEMORY_USED(gpu.reading.memory_used_bytes, gpu.reading.uuid)
        if gpu.reading.memory_total_bytes is not None:
            yield GPU_MEMORY_TOTAL(gpu.reading.memory_total_bytes, gpu.reading.uuid)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for engine in world.engines:
        preempted, read = grown(engine, "preemptions"), grown(engine, "read_bytes_per_gpu")
        if preempted is not None:
            yield PREEMPTIONS(preempted, *engine.labels)
        if read is not None and counts_flops(engine):
            yield READ_BYTES(read, *engine.labels, "all", "vllm", "all")


def _window(engine: Engine, window: str, interval: Interval) -> Iterator[Sample]:
    read, written = interval.delta("read_bytes_per_gpu"), interval.delta("write_bytes_per_gpu")
    if engine.spec is not None and read is not None and written is not None and counts_flops(engine):
        mbu = utilization(read + written, interval.seconds, engine.spec.memory_bandwidth)
        yield MBU(mbu, *engine.labels, window, "all", "vllm")
    ratio = prefix_hit_ratio(interval)
    if ratio is not None:
        yield PREFIX_HITS(ratio, *engine.labels, window)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
