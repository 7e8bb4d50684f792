"""Energy of each GPU: its joules, how they are known and whether they can be believed; power, heat, throttling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.energy_account import ANOMALIES
from pentameter.metric import Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.windows import Interval
    from pentameter.world import Gpu, World

LEAST_AUDITED_SECONDS = 10.0
"""Counters are brought up to date every 100 ms at worst: over 10 s that is 1 %."""

GPU_ENERGY = Metric(
    "pentameter_gpu_energy_joules_total",
    "counter",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy used by one GPU since the exporter saw it; by which method is in pentameter_gpu_energy_info.",
    "increase of NVML's total energy consumption where it can be believed, else power x time",
    ("gpu",),
)
GPU_ENERGY_INFO = Metric(
    "pentameter_gpu_energy_info",
    "gauge",
    Unit.INFO,
    Dimension.ENERGY,
    "How the energy of a GPU is known now. method=counter: its hardware counter; integrated: power x time, because the "
    "counter is missing, frozen or impossible. scope=gpu; module: the counter holds the processor of a superchip too. "
    "Always 1; absent while nobody knows the energy.",
    "by the last reading",
    ("gpu", "method", "scope"),
)
GPU_COUNTER_RATIO = Metric(
    "pentameter_gpu_energy_audit_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ENERGY,
    "What the hardware counter of a GPU said over what its power says for the same time, rolling over the window in "
    "the label: 1 where they agree, 0 where the counter is frozen. Absent where less than 10 s can be compared.",
    "increase of the counter / trapezoids of power x time",
    ("gpu", "window"),
)
GPU_ANOMALIES = Metric(
    "pentameter_gpu_energy_anomalies_total",
    "counter",
    Unit.NONE,
    Dimension.ENERGY,
    "Times that what a GPU said of its energy was not believed. kind=reset: the counter fell; rejected: it moved by "
    "more than 1.2 x power limit x time; frozen: it stood still for more than 3 s while power was drawn; power: the "
    "power was more than 1.2 x its limit.",
    "number of readings",
    ("gpu", "kind"),
)
GPU_POWER = Metric(
    "pentameter_gpu_power_watts",
    "gauge",
    Unit.WATTS,
    Dimension.ENERGY,
    "Power drawn by one GPU at the last reading, measured.",
    "NVML's power usage",
    ("gpu",),
)
GPU_POWER_LIMIT = Metric(
    "pentameter_gpu_power_limit_watts",
    "gauge",
    Unit.WATTS,
    Dimension.ENERGY,
    "Power limit that the driver enforces.",
    "NVML's enforced power limit",
    ("gpu",),
)
GPU_UTILIZATION = Metric(
    "pentameter_gpu_utilization_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ENERGY,
    "Share of TIME in which a kernel ran on the GPU, measured; not a share of its compute peak (that is MFU).",
    "NVML's utilisation rate",
    ("gpu",),
)
GPU_TEMPERATURE = Metric(
    "pentameter_gpu_temperature_celsius",
    "gauge",
    Unit.CELSIUS,
    Dimension.ENERGY,
    "Temperature of the GPU, measured: hot silicon leaks more, so joules per token rise with it.",
    "NVML's GPU temperature",
    ("gpu",),
)
GPU_THROTTLED = Metric(
    "pentameter_gpu_throttled_seconds_total",
    "counter",
    Unit.SECONDS,
    Dimension.ENERGY,
    "Time for which the clocks of a GPU were held down, since the exporter saw it. reason=power_cap (the power limit, "
    "which is normal under full load), sync_boost (by other GPUs), sw_thermal, hw_thermal, hw_power_brake, or "
    "hw_slowdown, where the hardware names neither of the two before. Several may hold at once, so they do not add up. "
    "basis=counter: the driver's own count; sampled: a reason that is there at a reading is held to have lasted since "
    "the reading before. Reasons that the board cannot tell are absent, and so are all where dcgm-exporter is the "
    "source.",
    "basis=counter: increase of NVML's field 74; sampled: sum of the times between readings at which NVML's current "
    "clocks event reasons name it",
    ("gpu", "reason", "basis"),
)
METRICS = (
    GPU_ENERGY,
    GPU_ENERGY_INFO,
    GPU_COUNTER_RATIO,
    GPU_ANOMALIES,
    GPU_POWER,
    GPU_POWER_LIMIT,
    GPU_UTILIZATION,
    GPU_TEMPERATURE,
    GPU_THROTTLED,
)


def counter_ratio(interval: Interval) -> float | None:
    """Return the counter's joules / the integral's over the times in which both were told, or None.

    None where these times are less than ``LEAST_AUDITED_SECONDS``.
    """
    integral = interval.delta("audited/integral_joules")
    if not integral or (interval.delta("audited/seconds") or 0.0) < LEAST_AUDITED_SECONDS:
        return None
    return (interval.delta("audited/counter_joules") or 0.0) / integral


def samples(world: World) -> Iterator[Sample]:
    """Yield what each GPU shows; what it does not offer is not yielded."""
    for gpu in world.gpus:
        reading = gpu.reading
        if gpu.energy_method:
            yield GPU_ENERGY_INFO(1, reading.uuid, gpu.energy_method, gpu.energy_scope)
        for window, interval in gpu.rolled.windows.items():
            ratio = counter_ratio(interval)
            if ratio is not None:
                yield GPU_COUNTER_RATIO(ratio, reading.uuid, window)
        for metric, value in (
            (GPU_POWER, reading.power_watts),
            (GPU_POWER_LIMIT, reading.power_limit_watts),
            (GPU_UTILIZATION, reading.utilization_ratio),
            (GPU_TEMPERATURE, reading.temperature_celsius),
        ):
            if value is not None:
                yield metric(value, reading.uuid)


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters grow by."""
    for gpu in world.gpus:
        if gpu.energy_method:
            yield GPU_ENERGY(_grown(gpu, "energy_joules"), gpu.reading.uuid)
            for kind in ANOMALIES:
                yield GPU_ANOMALIES(_grown(gpu, f"anomaly/{kind}"), gpu.reading.uuid, kind)
        for reason, seconds in gpu.throttled.items():
            yield GPU_THROTTLED(seconds, gpu.reading.uuid, reason, gpu.throttled_bases[reason])


def _grown(gpu: Gpu, key: str) -> float:
    tick = gpu.rolled.tick
    return tick.deltas.get(key, 0.0) if tick else 0.0
