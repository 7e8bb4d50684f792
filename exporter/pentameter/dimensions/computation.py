"""Computation: FLOPs, MFU and arithmetic intensity (lecture: "Model FLOPs Utilization", "Prefill vs Decode")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import Engine, World


def utilization(amount: float, seconds: float, peak: float) -> float:
    """Return (amount / seconds) / peak, a ratio: MFU for FLOPs, MBU for bytes.

    >>> utilization(14e9, 14e-3, 2e12)  # lecture: 14 GB in 14 ms on an A100 of 2 TB/s
    0.5
    """
    return amount / seconds / peak


MODEL_FLOPS = Metric(
    "pentameter_model_flops_total",
    "counter",
    Unit.FLOPS,
    Dimension.COMPUTATION,
    "Floating point operations of the model per GPU since the exporter saw the engine. basis=vllm: vLLM's own "
    "estimate (--enable-mfu-metrics), which ignores the causal mask.",
    "increase of vLLM's estimated_flops_per_gpu_total",
    (*ENGINE, "phase", "basis"),
)
MFU = Metric(
    "pentameter_mfu_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.COMPUTATION,
    "Model FLOPs utilisation: share of the GPU's dense FP16/BF16 peak, rolling over the window in the label. "
    "basis=vllm: from vLLM's own estimate. Work in FP8 or FP4 is held against the same peak. Absent when vLLM does "
    "not count FLOPs or the GPU's peak is unknown.",
    "FLOPs per GPU / seconds covered / peak FLOP/s",
    (*ENGINE, "window", "phase", "basis"),
)
INTENSITY = Metric(
    "pentameter_arithmetic_intensity_flops_per_byte",
    "gauge",
    Unit.FLOPS_PER_BYTE,
    Dimension.COMPUTATION,
    "Arithmetic intensity of the model's work, rolling over the window in the label, from vLLM's own estimates.",
    "FLOPs / (bytes read + bytes written)",
    (*ENGINE, "window", "phase"),
)
METRICS = (MODEL_FLOPS, MFU, INTENSITY)


def counts_flops(engine: Engine) -> bool:
    """Say whether vLLM counts FLOPs at all.

    Without ``--enable-mfu-metrics`` the series exist and stay at 0 for ever, which is no MFU of 0.
    """
    return engine.reading.counters.get("flops_per_gpu", 0.0) > 0


def grown(engine: Engine, key: str) -> float | None:
    """Return what a counter of an engine grew by since the last snapshot; None where vLLM does not publish it.

    Without a new page since then it is 0: a counter must not leave our page because nothing was read.
    """
    tick = engine.rolled.tick
    if tick is None:
        return 0.0 if key in engine.reading.counters else None
    return tick.delta(key)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for engine in world.engines:
        if counts_flops(engine):
            for window, interval in engine.rolled.windows.items():
                yield from _window(engine, window, interval)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for engine in world.engines:
        flops = grown(engine, "flops_per_gpu")
        if flops is not None and counts_flops(engine):
            yield MODEL_FLOPS(flops, *engine.labels, "all", "vllm")


def _window(engine: Engine, window: str, interval: Interval) -> Iterator[Sample]:
    flops = interval.delta("flops_per_gpu")
    read, written = interval.delta("read_bytes_per_gpu"), interval.delta("write_bytes_per_gpu")
    if flops is None:
        return
    if engine.spec is not None:
        mfu = utilization(flops, interval.seconds, engine.spec.peak_flops)
        yield MFU(mfu, *engine.labels, window, "all", "vllm")
    if read is not None and written is not None and read + written > 0:
        yield INTENSITY(flops / (read + written), *engine.labels, window, "all")
