"""The KV cache: what it holds, what it wastes, what still fits (lecture: "KV Cache Memory", "PagedAttention")."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pentameter.dimensions.computation import grown
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.fit import expected_waste_tokens, sequences_that_fit
from pentameter.model.kv import kv_bytes_per_token, kv_known, sequence_bytes, uniform_cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.windows import Interval
    from pentameter.world import Engine, ServedModel, World

PAGED_ATTENTION_WASTE = 0.04
"""Kwon et al. 2023, "Efficient Memory Management for LLM Serving with PagedAttention": waste below 4 %."""

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
KV_BYTES_PER_TOKEN = Metric(
    "pentameter_kv_cache_bytes_per_token",
    "gauge",
    Unit.BYTES_PER_TOKEN,
    Dimension.MEMORY,
    "What one token takes in the KV cache, in all layers that keep one and over all GPUs of the engine, copies of "
    "heads that several GPUs hold left out. Layers with a sliding window stop growing at it.",
    "sum over layers of cached elements per token x bits of the cache / 8; for multi-head attention 2 x kv_heads x "
    "head_dim elements",
    ENGINE,
)
KV_BYTES = Metric(
    "pentameter_kv_cache_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "KV cache over all GPUs of the engine. capacity: all of it; allocated: blocks in use; live: keys and values in "
    "them; wasted: the rest of the last block of every running sequence, an expectation. live and wasted add up to "
    "allocated. Absent for models whose layers cache unequally.",
    "tokens x bytes per token; wasted: running x (block_size - 1) / 2 tokens, at most what is allocated",
    (*ENGINE, "state"),
)
KV_WASTE = Metric(
    "pentameter_kv_cache_waste_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Share of the allocated KV cache that holds nothing, an expectation. Absent while nothing is allocated.",
    "wasted / allocated",
    ENGINE,
)
KV_WASTE_REFERENCE = Metric(
    "pentameter_kv_cache_waste_reference_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "What PagedAttention's authors report at most for the waste beside it (Kwon et al. 2023); before it, 0.6 to 0.8 of "
    "the cache was lost.",
    "0.04",
    ENGINE,
)
FREE_SEQUENCES = Metric(
    "pentameter_kv_cache_free_sequences",
    "gauge",
    Unit.NONE,
    Dimension.MEMORY,
    "How many more sequences fit beside those that run, if they are as long as those that finished in the window "
    "were at their end; limited by max_num_seqs where that is known. Absent for models whose layers cache unequally.",
    "floor of (capacity - allocated) / (mean prompt + mean output, in whole blocks)",
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
PREEMPTION_PRESSURE = Metric(
    "pentameter_preemption_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Preemption pressure: preemptions per request that ended, rolling over the window in the label. It may exceed 1: a "
    "request can be preempted again and again. Absent when none ended.",
    "increase of preemptions / requests that ended",
    (*ENGINE, "window"),
)
METRICS = (
    KV_USAGE,
    KV_CAPACITY,
    KV_BYTES_PER_TOKEN,
    KV_BYTES,
    KV_WASTE,
    KV_WASTE_REFERENCE,
    FREE_SEQUENCES,
    PREEMPTIONS,
    PREEMPTION_PRESSURE,
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


def live_tokens(allocated: float, running: float, block_size: float | None) -> float:
    """Return the tokens that the allocated blocks are expected to hold.

    The last block of a sequence is on average half empty: (block_size - 1) / 2 tokens of it are (Kwon et al. 2023: the
    waste of paging is within the last block). A sequence holds at least one token.

    >>> live_tokens(1600, 10, 16)
    1525.0
    """
    if block_size is None:
        return allocated
    return max(allocated - expected_waste_tokens(running, int(block_size)), min(running, allocated))


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for engine in world.engines:
        usage = engine.reading.gauges.get("kv_cache_usage")
        if usage is not None:
            yield KV_USAGE(usage, *engine.labels)
        model = engine.model
        if model is not None and kv_known(model.spec):
            yield KV_BYTES_PER_TOKEN(kv_bytes_per_token(model.spec, model.kv_bits), *engine.labels)
        capacity = kv_capacity_tokens(engine.reading.cache_config)
        if capacity is not None:
            yield KV_CAPACITY(capacity, *engine.labels)
            if usage is not None:
                yield from _blocks(engine, capacity, usage)
        for window, interval in engine.rolled.windows.items():
            yield from _window(engine, window, interval, capacity)


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters grow by."""
    for engine in world.engines:
        preempted = grown(engine, "preemptions")
        if preempted is not None:
            yield PREEMPTIONS(preempted, *engine.labels)


def _blocks(engine: Engine, capacity: float, usage: float) -> Iterator[Sample]:
    allocated, running = usage * capacity, engine.reading.gauges.get("running")
    size = _number(engine.reading.cache_config.get("block_size"))
    live = None if running is None or size is None else live_tokens(allocated, running, size)
    model = engine.model
    # Layers with windows free their old blocks: what a sequence holds of them is not known.
    alike = model is None or not kv_known(model.spec) or uniform_cache(model.spec)
    if live is not None and allocated > 0 and alike:
        yield KV_WASTE(1.0 - live / allocated, *engine.labels)
        yield KV_WASTE_REFERENCE(PAGED_ATTENTION_WASTE, *engine.labels)
    if model is None or not kv_known(model.spec):
        return
    each = kv_bytes_per_token(model.spec, model.kv_bits)
    if not alike:
        yield from _unequal(engine, model, capacity)
        return
    yield KV_BYTES(capacity * each, *engine.labels, "capacity")
    yield KV_BYTES(allocated * each, *engine.labels, "allocated")
    if live is not None:
        yield KV_BYTES(live * each, *engine.labels, "live")
        yield KV_BYTES((allocated - live) * each, *engine.labels, "wasted")


def _unequal(engine: Engine, model: ServedModel, capacity: float) -> Iterator[Sample]:
    """Yield the capacity of a cache of unequal layers, which vLLM states in sequences of the greatest length."""
    most = model.max_model_len
    if most is not None and _number(engine.reading.cache_config.get("kv_cache_size_tokens")) is not None:
        each = sequence_bytes(model.spec, most, model.kv_bits)
        yield KV_BYTES(capacity / most * each, *engine.labels, "capacity")


def _window(engine: Engine, window: str, interval: Interval, capacity: float | None) -> Iterator[Sample]:
    ended, preempted = interval.total("request_success"), interval.delta("preemptions")
    if ended and preempted is not None:
        yield PREEMPTION_PRESSURE(preempted / ended, *engine.labels, window)
    free = free_sequences(engine, interval, capacity)
    if free is not None:
        yield FREE_SEQUENCES(free, *engine.labels, window)


def final_length(interval: Interval) -> float | None:
    """Return the mean of prompt and output tokens of the requests that finished, or None when none did."""
    prompts = interval.histograms.get("request_prompt_tokens")
    outputs = interval.histograms.get("request_generation_tokens")
    if prompts is None or outputs is None or prompts.count <= 0 or prompts.sum + outputs.sum <= 0:
        return None
    return (prompts.sum + outputs.sum) / prompts.count


def free_sequences(engine: Engine, interval: Interval, capacity: float | None) -> float | None:
    """Return how many more sequences of the window's mean final length fit; None where that is unknown."""
    usage, running = engine.reading.gauges.get("kv_cache_usage"), engine.reading.gauges.get("running")
    size, length = _number(engine.reading.cache_config.get("block_size")), final_length(interval)
    if capacity is None or usage is None or size is None or length is None:
        return None
    model = engine.model
    if model is not None and kv_known(model.spec) and not uniform_cache(model.spec):
        # vLLM counts such a cache in sequences of the greatest length; shorter ones take an unequal share of it.
        return None
    free = sequences_that_fit((1.0 - usage) * capacity, math.ceil(length / size) * size)
    most = model.max_num_seqs if model is not None else None
    if most is not None and running is not None:
        free = min(free, max(0.0, most - running))
    return free


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
