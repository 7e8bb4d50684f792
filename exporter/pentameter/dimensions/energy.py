"""Energy: joules, watts, joules per token (lecture: "Energy Consumption Units", "Measuring Energy")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import Deployment, Gpu, World


def joules_per_token(watts: float, tokens_per_second: float) -> float | None:
    """Return the energy per token in joules, or None while no token is produced.

    >>> joules_per_token(400, 10)  # lecture: 400 W at 10 tokens/s
    40.0
    """
    return watts / tokens_per_second if tokens_per_second > 0 else None


ENERGY = Metric(
    "pentameter_energy_joules_total",
    "counter",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy used by the server since the exporter saw it. component=gpu, basis=measured: the GPUs' hardware counters.",
    "increase of NVML's total energy consumption, summed over the server's GPUs",
    (*ENGINE, "component", "basis"),
)
POWER = Metric(
    "pentameter_power_watts",
    "gauge",
    Unit.WATTS,
    Dimension.ENERGY,
    "Power drawn by the server at the last reading. component=gpu: as the board reports it, an average over the "
    "last second on most boards.",
    "NVML's power usage, summed over the server's GPUs",
    (*ENGINE, "component"),
)
ENERGY_PER_TOKEN = Metric(
    "pentameter_energy_per_token_joules",
    "gauge",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy per token, rolling over the window in the label. tokens=generated: output only; all: prompts, "
    "their cached part included, and output. scope=gpu: without host and facility. Absent while no token is produced.",
    "mean power over the window / tokens per second",
    (*ENGINE, "window", "tokens", "scope"),
)
GPU_ENERGY = Metric(
    "pentameter_gpu_energy_joules_total",
    "counter",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy used by one GPU since the exporter saw it, measured.",
    "increase of NVML's total energy consumption",
    ("gpu",),
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
METRICS = (
    ENERGY,
    POWER,
    ENERGY_PER_TOKEN,
    GPU_ENERGY,
    GPU_POWER,
    GPU_POWER_LIMIT,
    GPU_UTILIZATION,
    GPU_TEMPERATURE,
)


def gpu_joules(gpus: tuple[Gpu, ...]) -> float | None:
    """Return the energy of a server's GPUs since it was last known; None when there is none or one is unknown.

    Without a new reading since then it is 0: a counter must not leave our page because nothing was read.
    """
    total = 0.0
    for gpu in gpus:
        if gpu.reading.energy_joules is None:
            return None
        if gpu.server_tick is not None:
            total += gpu.server_tick.deltas.get("energy_joules", 0.0)
    return total if gpus else None


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        powers = [gpu.reading.power_watts for gpu in deployment.gpus]
        known = [power for power in powers if power is not None]
        if known and len(known) == len(powers):
            yield POWER(sum(known), *deployment.labels, "gpu")
        for window in world.windows:
            yield from _per_token(deployment, window)
    for gpu in world.gpus:
        yield from _gpu(gpu)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for deployment in world.deployments:
        joules = gpu_joules(deployment.gpus)
        if joules is not None:
            yield ENERGY(joules, *deployment.labels, "gpu", "measured")
    for gpu in world.gpus:
        if gpu.reading.energy_joules is not None:
            tick = gpu.rolled.tick
            yield GPU_ENERGY(tick.deltas.get("energy_joules", 0.0) if tick else 0.0, gpu.reading.uuid)


def gpu_joules_per_token(deployment: Deployment, window: str, *concepts: str) -> float | None:
    """Return the GPUs' energy per token of these kinds over a window; None when either is unknown or no token came."""
    watts, rate = deployment.gpu_watts(window), deployment.token_rate(window, *concepts)
    return None if watts is None or rate is None else joules_per_token(watts, rate)


def _per_token(deployment: Deployment, window: str) -> Iterator[Sample]:
    for tokens, concepts in (
        ("generated", ("generation_tokens",)),
        ("all", ("prompt_tokens", "generation_tokens")),
    ):
        joules = gpu_joules_per_token(deployment, window, *concepts)
        if joules is not None:
            yield ENERGY_PER_TOKEN(joules, *deployment.labels, window, tokens, "gpu")


def _gpu(gpu: Gpu) -> Iterator[Sample]:
    reading = gpu.reading
    for metric, value in (
        (GPU_POWER, reading.power_watts),
        (GPU_POWER_LIMIT, reading.power_limit_watts),
        (GPU_UTILIZATION, reading.utilization_ratio),
        (GPU_TEMPERATURE, reading.temperature_celsius),
    ):
        if value is not None:
            yield metric(value, reading.uuid)
