"""Memory bandwidth: bytes moved and MBU by phase (lecture: "Memory Bandwidth Utilization")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.computation import PHASES, counts_flops, grown, profiled, utilization, worked_by_phase
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.kv import kv_known
from pentameter.model.moved import step_weight_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import Engine, World

MBU = Metric(
    "pentameter_mbu_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Memory bandwidth utilisation: share of what the GPU's memory could move in all of the window, idle time included, "
    "so that prefill and decode add up to all. basis=model: weights and KV cache by our own count, no activations, "
    "so a lower bound in prefill. "
    "basis=vllm: vLLM's own estimate. basis=measured: share of the time in which the memory moved data (NVML GPM or "
    "DCGM), which is all traffic. Absent when the count or the GPU's peak is unknown.",
    "bytes per GPU / seconds covered / peak bytes per second",
    (*ENGINE, "window", "phase", "basis"),
)
STEP_MBU = Metric(
    "pentameter_decode_step_mbu_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.MEMORY,
    "Memory bandwidth utilisation while decoding, as the lecture has it: the bytes of one decode step over its time. "
    "The time is the window's mean inter-token latency, so steps that held a prefill too are in it. basis=model.",
    "(weights read by a step + KV cache read and written per step) / mean inter-token latency / peak bytes per second",
    (*ENGINE, "window"),
)
READ_BYTES = Metric(
    "pentameter_memory_read_bytes_total",
    "counter",
    Unit.BYTES,
    Dimension.MEMORY,
    "Bytes read from GPU memory per GPU since the exporter saw the engine. basis=model: weights once per step, of "
    "experts those that a batch touches if the router spreads evenly, and the KV cache of every context; a step that "
    "holds both phases is shared by their tokens. basis=vllm: vLLM's own estimate, which does not tell them apart "
    "(what=all).",
    "basis=model: steps x weights + positions seen x KV bytes per token; basis=vllm: increase of "
    "estimated_read_bytes_per_gpu_total",
    (*ENGINE, "phase", "basis", "what"),
)
WRITTEN_BYTES = Metric(
    "pentameter_memory_written_bytes_total",
    "counter",
    Unit.BYTES,
    Dimension.MEMORY,
    "Bytes written to GPU memory per GPU since the exporter saw the engine. basis=model: the KV cache of new tokens "
    "(what=kv). basis=vllm: vLLM's own estimate, activations included (what=all).",
    "basis=model: tokens x KV bytes per token; basis=vllm: increase of estimated_write_bytes_per_gpu_total",
    (*ENGINE, "phase", "basis", "what"),
)
PEAK_BANDWIDTH = Metric(
    "pentameter_gpu_peak_memory_bandwidth_bytes_per_second",
    "gauge",
    Unit.BYTES_PER_SECOND,
    Dimension.MEMORY,
    "What the memory of one GPU of the engine moves at best. source=table: the shipped table of GPUs; "
    "source=configured: the settings; source=nvml: the greatest memory clock and the bus width that the driver "
    "reports.",
    "source=nvml: 2 x clock x bus width / 8",
    (*ENGINE, "source"),
)
METRICS = (MBU, STEP_MBU, READ_BYTES, WRITTEN_BYTES, PEAK_BANDWIDTH)


def moved_bytes(interval: Interval, phase: str) -> float | None:
    """Return the bytes per GPU that a phase, or ``all``, read and wrote by our own count."""
    phases = PHASES if phase == "all" else (phase,)
    keys = [f"{what}/{one}" for one in phases for what in ("weights", "kv", "written")]
    if any(key not in interval.deltas for key in keys):
        return None
    return sum(interval.deltas[key] for key in keys)


def vllm_bytes(interval: Interval) -> float | None:
    """Return the bytes per GPU, read and written, that vLLM estimates."""
    read, written = interval.delta("read_bytes_per_gpu"), interval.delta("write_bytes_per_gpu")
    return None if read is None or written is None else read + written


def is_known(engine: Engine) -> bool:
    """Say whether the model's layers are known: from its size alone neither cache nor experts can be told."""
    return engine.model is not None and kv_known(engine.model.spec)


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for engine in world.engines:
        peak = engine.peaks.bandwidth
        if peak is None:
            continue
        yield PEAK_BANDWIDTH(peak, *engine.labels, engine.peaks.bandwidth_source)
        for window, interval in engine.work.windows.items() if is_known(engine) else ():
            for phase in (*PHASES, "all"):
                amount = moved_bytes(interval, phase)
                if amount is not None:
                    yield MBU(utilization(amount, interval.seconds, peak), *engine.labels, window, phase, "model")
        for window, interval in engine.rolled.windows.items():
            amount = vllm_bytes(interval) if counts_flops(engine) else None
            if amount is not None:
                yield MBU(utilization(amount, interval.seconds, peak), *engine.labels, window, "all", "vllm")
            step = _decode_step(engine, window)
            if step is not None:
                yield STEP_MBU(step / peak, *engine.labels, window)
    for deployment in world.deployments:
        for window in world.windows:
            active = profiled(deployment, window, "dram_active")
            if active is not None:
                yield MBU(active, *deployment.labels, window, "all", "measured")


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters grow by."""
    for engine in world.engines:
        for key, metric in (("read_bytes_per_gpu", READ_BYTES), ("write_bytes_per_gpu", WRITTEN_BYTES)):
            amount = grown(engine, key)
            if amount is not None and counts_flops(engine):
                yield metric(amount, *engine.labels, "all", "vllm", "all")
        if not is_known(engine):
            continue
        for metric, key, what in (
            (READ_BYTES, "weights", "weights"),
            (READ_BYTES, "kv", "kv"),
            (WRITTEN_BYTES, "written", "kv"),
        ):
            for phase, amount in worked_by_phase(engine, key + "/{}"):
                yield metric(amount, *engine.labels, phase, "model", what)


def _decode_step(engine: Engine, window: str) -> float | None:
    """Return the bytes per second while a decode step runs; None where its work or its time is unknown."""
    work, interval = engine.work.windows.get(window), engine.rolled.windows.get(window)
    if engine.model is None or not is_known(engine) or work is None or interval is None:
        return None
    gaps = interval.histograms.get("inter_token")
    steps = (work.delta("steps/decode") or 0.0) + (work.delta("steps/mixed") or 0.0)
    if gaps is None or gaps.count <= 0 or gaps.sum <= 0 or steps <= 0:
        return None
    batch = (work.delta("tokens/decode") or 0.0) / steps
    cache = ((work.delta("kv/decode") or 0.0) + (work.delta("written/decode") or 0.0)) / steps
    weights = step_weight_bytes(engine.model.spec, engine.model.parallel, batch, batch)
    return (weights + cache) / (gaps.sum / gaps.count)
