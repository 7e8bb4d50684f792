"""What other formats of the weights would mean for the served model (lecture: "Quantization Impact")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.kv_cache import final_length, kv_capacity_tokens
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.impact import Format, converted, impact
from pentameter.model.kv import kv_bytes_per_token, kv_known, uniform_cache
from pentameter.model.parallel import kv_share, weights_per_gpu
from pentameter.model.parameters import weight_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import Engine, ServedModel, World

FORMATS = "format=fp16: 16 bits; fp8: the layers' matrices in 8 bits; int4: in 4 bits with scales, 4.16 in all. "

WEIGHTS = Metric(
    "pentameter_quantization_weights_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "What the model's weights would take in another format, once over all GPUs of the engine. "
    + FORMATS
    + "Embeddings, "
    "router and norms stay in 16 bits. basis=model; nothing is said of accuracy.",
    "sum over matrices of parameters x bits / 8",
    (*ENGINE, "format"),
)
TPOT_FLOOR = Metric(
    "pentameter_quantization_tpot_floor_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.MEMORY,
    "The least time per output token that the memory bandwidth allows in another format, for the window's mean decode "
    "batch and the mean length of sequences that finished in it. " + FORMATS + "basis=model.",
    "pipeline stages x (weights read by a step + KV cache of the batch, per GPU) / peak bytes per second",
    (*ENGINE, "window", "format"),
)
SEQUENCES = Metric(
    "pentameter_quantization_sequences",
    "gauge",
    Unit.NONE,
    Dimension.MEMORY,
    "Sequences of the mean length of those that finished in the window that would fit at once, were the weights in "
    "another format and the memory they free given to the KV cache. " + FORMATS + "basis=model.",
    "floor of (weights + KV cache now - weights then, per GPU) / KV cache of a sequence",
    (*ENGINE, "window", "format"),
)
METRICS = (WEIGHTS, TPOT_FLOOR, SEQUENCES)


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for engine in world.engines:
        model = engine.model
        if model is None or not kv_known(model.spec):
            continue
        for fmt in Format:
            yield WEIGHTS(weight_bytes(converted(model.spec, fmt)), *engine.labels, fmt)
        for window in engine.rolled.windows:
            yield from _window(engine, model, window)


def _window(engine: Engine, model: ServedModel, window: str) -> Iterator[Sample]:
    length = final_length(engine.rolled.windows[window])
    capacity = kv_capacity_tokens(engine.reading.cache_config)
    bandwidth = engine.peaks.bandwidth
    if length is None or capacity is None or not uniform_cache(model.spec):
        return
    cache = capacity * kv_bytes_per_token(model.spec, model.kv_bits) * kv_share(model.spec, model.parallel)
    batch = decode_batch(engine, window)
    found = impact(
        model.spec,
        model.parallel,
        bandwidth=bandwidth or 1.0,  # unused where it is unknown
        memory_bytes=weights_per_gpu(model.spec, model.parallel) + cache,
        sequence_tokens=length,
        batch=batch or 1.0,
        kv_bits=model.kv_bits,
    )
    for one in found:
        if one.sequences is not None:
            yield SEQUENCES(one.sequences, *engine.labels, window, one.format)
        if bandwidth is not None and batch is not None:
            yield TPOT_FLOOR(one.tpot_floor_seconds, *engine.labels, window, one.format)


def decode_batch(engine: Engine, window: str) -> float | None:
    """Return the mean number of tokens of the steps that decoded, or None when none did."""
    work = engine.work.windows.get(window)
    if work is None:
        return None
    steps = (work.delta("steps/decode") or 0.0) + (work.delta("steps/mixed") or 0.0)
    return (work.delta("tokens/decode") or 0.0) / steps if steps > 0 else None
