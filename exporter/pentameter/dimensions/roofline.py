"""The roofline: arithmetic intensity by phase, and what limits it (lecture: "Prefill vs Decode")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.bandwidth import is_known, moved_bytes, vllm_bytes
from pentameter.dimensions.computation import PHASES, counts_flops, flops_by_precision, model_flops
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.roofline import bound, ideal_seconds, ridge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import Engine, World

INTENSITY = Metric(
    "pentameter_arithmetic_intensity_flops_per_byte",
    "gauge",
    Unit.FLOPS_PER_BYTE,
    Dimension.COMPUTATION,
    "Arithmetic intensity of the model's work, rolling over the window in the label. basis=model: our own count, "
    "without activations, so an upper bound in prefill. basis=vllm: vLLM's own estimates.",
    "FLOPs / (bytes read + bytes written)",
    (*ENGINE, "window", "phase", "basis"),
)
RIDGE = Metric(
    "pentameter_roofline_ridge_flops_per_byte",
    "gauge",
    Unit.FLOPS_PER_BYTE,
    Dimension.COMPUTATION,
    "Ridge point of the GPU's roofline by the precision that a matrix product is computed in: work of a lower "
    "arithmetic intensity is limited by the memory's bandwidth, of a higher one by computing.",
    "peak FLOP/s / peak bytes per second",
    (*ENGINE, "precision"),
)
BOUND = Metric(
    "pentameter_roofline_bound",
    "gauge",
    Unit.NONE,
    Dimension.COMPUTATION,
    "What limits a phase at best, by its own work over the window: 1 on compute or on memory, 0 on the other. "
    "Absent for a phase without work.",
    "compute when FLOPs / peak FLOP/s of their precision > bytes / peak bytes per second, else memory",
    (*ENGINE, "window", "phase", "bound"),
)
METRICS = (INTENSITY, RIDGE, BOUND)


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for engine in world.engines:
        if engine.peaks.bandwidth is not None:
            for precision, peak in engine.peaks.flops.items():
                yield RIDGE(ridge(peak, engine.peaks.bandwidth), *engine.labels, precision)
        for window, interval in engine.work.windows.items() if is_known(engine) else ():
            yield from _by_model(engine, window, interval)
        if counts_flops(engine):
            for window, interval in engine.rolled.windows.items():
                flops, amount = interval.delta("flops_per_gpu"), vllm_bytes(interval)
                if flops is not None and amount:
                    yield INTENSITY(flops / amount, *engine.labels, window, "all", "vllm")


def _by_model(engine: Engine, window: str, interval: Interval) -> Iterator[Sample]:
    for phase in (*PHASES, "all"):
        flops, amount = model_flops(interval, phase), moved_bytes(interval, phase)
        if not flops or not amount:
            continue
        yield INTENSITY(flops / amount, *engine.labels, window, phase, "model")
        limit = _limit(engine, interval, phase, flops, amount)
        if limit is not None:
            for word in ("compute", "memory"):
                yield BOUND(float(word == limit), *engine.labels, window, phase, word)


def _limit(engine: Engine, interval: Interval, phase: str, flops: float, amount: float) -> str | None:
    """Return what limits a phase: its intensity against the ridge of the precisions that it really computes in."""
    seconds, bandwidth = 0.0, engine.peaks.bandwidth
    for one in PHASES if phase == "all" else (phase,):
        parts = flops_by_precision(interval, one)
        ideal = None if parts is None else ideal_seconds(parts, engine.peaks.flops)
        if ideal is None:
            return None
        seconds += ideal
    if bandwidth is None or seconds <= 0:
        return None
    return bound(flops / amount, ridge(flops / seconds, bandwidth))
