"""Computation: FLOPs and MFU by phase (lecture: "Model FLOPs Utilization", "Prefill vs Decode")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.roofline import mfu
from pentameter.model.spec import Basis, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.windows import Interval
    from pentameter.world import Deployment, Engine, ServedModel, World


PHASES = ("prefill", "decode")


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
    "Floating point operations of the model per GPU since the exporter saw the engine. basis=model: from the model's "
    "matrices and from causal attention over the contexts, whole requests recomputed after a preemption left out. "
    "basis=index, basis=parameters: the same without attention, where only the model's size is known. basis=vllm: "
    "vLLM's own estimate (--enable-mfu-metrics), which ignores the causal mask.",
    "basis=model: tokens x 2 x active matrix parameters + 2 x heads x (qk_dim + v_dim) x positions seen, / (tensor x "
    "pipeline parallel); basis=vllm: increase of estimated_flops_per_gpu_total",
    (*ENGINE, "phase", "basis"),
)
MFU = Metric(
    "pentameter_mfu_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.COMPUTATION,
    "Model FLOPs utilisation: share of what the GPUs could compute in all of the window, idle time included, so that "
    "prefill and decode add up to all. basis=model: our own count, held against the dense peak of the precision in "
    "which it computes. basis=vllm: vLLM's estimate against the 16-bit peak. basis=measured: share of the time in "
    "which the tensor pipes were active (NVML GPM or DCGM), whatever they computed. Absent when the count or the "
    "peak is unknown.",
    "basis=model: sum over precisions of FLOPs per GPU / peak FLOP/s, / seconds covered",
    (*ENGINE, "window", "phase", "basis"),
)
STEPS = Metric(
    "pentameter_engine_steps_total",
    "counter",
    Unit.NONE,
    Dimension.COMPUTATION,
    "Steps of the engine that made output, since the exporter saw it.",
    "increase of the count of iteration_tokens_total",
    ENGINE,
)
PEAK_FLOPS = Metric(
    "pentameter_gpu_peak_flops_per_second",
    "gauge",
    Unit.FLOPS_PER_SECOND,
    Dimension.COMPUTATION,
    "What one GPU of the engine computes at best, dense, without structured sparsity, by the precision of the "
    "operands. source=table: the shipped table of GPUs; source=configured: the settings.",
    "datasheet",
    (*ENGINE, "precision", "source"),
)
METRICS = (MODEL_FLOPS, MFU, STEPS, PEAK_FLOPS)


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


def worked(engine: Engine, key: str) -> float | None:
    """Return what one of our own accounts of an engine grew by since the last snapshot; None where none is kept."""
    return None if engine.work.tick is None else engine.work.tick.delta(key)


def worked_by_phase(engine: Engine, *keys: str) -> Iterator[tuple[str, float]]:
    """Yield (phase, growth of these accounts) for prefill, decode and all; nothing where they are not kept."""
    total = 0.0
    for phase in PHASES:
        parts = [worked(engine, key.format(phase)) for key in keys]
        done = [part for part in parts if part is not None]
        if len(done) < len(parts):
            return
        total += sum(done)
        yield phase, sum(done)
    yield "all", total


def basis_of(model: ServedModel) -> str:
    """Return the word for our own count: ``model``, or how little is known where layers are not.

    From the number of parameters alone (``index``, ``parameters``) attention is not counted.
    """
    return "model" if model.spec.basis is Basis.CONFIG else model.spec.basis.value


def flops_by_precision(interval: Interval, phase: str) -> Mapping[Precision, float] | None:
    """Return the FLOPs per GPU of a phase by precision; None where the model's work is not counted."""
    found = {precision: interval.deltas.get(f"flops/{phase}/{precision}") for precision in Precision}
    return None if None in found.values() else {key: value for key, value in found.items() if value}


def model_flops(interval: Interval, phase: str) -> float | None:
    """Return the FLOPs per GPU of a phase, or of ``all``, by our own count."""
    phases = PHASES if phase == "all" else (phase,)
    parts = [flops_by_precision(interval, one) for one in phases]
    return None if None in parts else sum(sum(part.values()) for part in parts if part)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for engine in world.engines:
        for precision, peak in engine.peaks.flops.items():
            yield PEAK_FLOPS(peak, *engine.labels, precision, engine.peaks.flops_source)
        if engine.model is not None:
            for window, interval in engine.work.windows.items():
                yield from _by_model(engine, basis_of(engine.model), window, interval)
        if counts_flops(engine):
            for window, interval in engine.rolled.windows.items():
                yield from _by_vllm(engine, window, interval)
    for deployment in world.deployments:
        for window in world.windows:
            active = profiled(deployment, window, "tensor_active")
            if active is not None:
                yield MFU(active, *deployment.labels, window, "all", "measured")


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for engine in world.engines:
        flops = grown(engine, "flops_per_gpu")
        if flops is not None and counts_flops(engine):
            yield MODEL_FLOPS(flops, *engine.labels, "all", "vllm")
        if engine.model is not None:
            for phase, done in worked_by_phase(engine, *(f"flops/{{}}/{precision}" for precision in Precision)):
                yield MODEL_FLOPS(done, *engine.labels, phase, basis_of(engine.model))
        if "iteration_tokens" in engine.reading.histograms:
            tick = engine.rolled.tick
            steps = tick.histograms.get("iteration_tokens") if tick is not None else None
            yield STEPS(steps.count if steps is not None else 0.0, *engine.labels)


def profiled(deployment: Deployment, window: str, what: str) -> float | None:
    """Return the mean over a server's GPUs and a window of a share that the hardware measured.

    None when any of its GPUs measures nothing: a mean over half of them is not theirs.
    """
    active = watched = 0.0
    for gpu in deployment.gpus:
        interval = gpu.profile.windows.get(window)
        seconds = interval.delta(f"{what}_profiled_seconds") if interval else None
        share = interval.delta(f"{what}_seconds") if interval else None
        if not seconds or share is None:
            return None
        active += share
        watched += seconds
    return active / watched if watched else None


def _by_model(engine: Engine, basis: str, window: str, interval: Interval) -> Iterator[Sample]:
    if not engine.peaks.flops:
        # Not even for an idle GPU: the figure would go away as soon as there is work.
        return
    parts = {phase: flops_by_precision(interval, phase) for phase in PHASES}
    total = 0.0
    for phase, flops in parts.items():
        share = None if flops is None else mfu(flops, engine.peaks.flops, interval.seconds)
        if share is None:
            return
        total += share
        yield MFU(share, *engine.labels, window, phase, basis)
    yield MFU(total, *engine.labels, window, "all", basis)


def _by_vllm(engine: Engine, window: str, interval: Interval) -> Iterator[Sample]:
    flops, peak = interval.delta("flops_per_gpu"), engine.peaks.flops.get(Precision.BITS16)
    if flops is not None and peak is not None:
        yield MFU(utilization(flops, interval.seconds, peak), *engine.labels, window, "all", "vllm")
