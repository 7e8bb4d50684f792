"""Energy of a server: joules and watts of its GPUs, its host and its building (lecture: "Measuring Energy")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.host_energy import overhead
from pentameter.idle_meter import STATES
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.world import Deployment, Gpu, World

SCOPES = ("gpu", "it", "facility")
"""The GPUs; with their part of the host; with its part of the building. Each holds the one before."""


def joules_per_token(watts: float, tokens_per_second: float) -> float | None:
    """Return the energy per token in joules, or None while no token is produced: power / token rate.

    >>> joules_per_token(400, 10)  # lecture: 400 W at 10 tokens/s
    40.0
    """
    return watts / tokens_per_second if tokens_per_second > 0 else None


_COMPONENTS = (
    "component=gpu: the server's GPUs, of a superchip with its processor; host: its part of the machine without GPUs; "
    "overhead: what the building adds to both, by the configured PUE."
)

ENERGY = Metric(
    "pentameter_energy_joules_total",
    "counter",
    Unit.JOULES,
    Dimension.ENERGY,
    f"Energy used by the server since the exporter saw it; the sum over basis is all of it. {_COMPONENTS} "
    "basis=measured: by hardware counters; integrated: power x time, where a GPU's counter is missing or not to be "
    "believed; model: the host by the configured model; pue: by the configured PUE.",
    "increase of the energy counters, summed over the server's GPUs; overhead = (PUE - 1) x (gpu + host)",
    (*ENGINE, "component", "basis"),
)


def _of_state(name: str, meaning: str) -> Metric:
    return Metric(
        f"pentameter_{name}_energy_joules_total",
        "counter",
        Unit.JOULES,
        Dimension.ENERGY,
        f"Part of pentameter_energy_joules_total that was used {meaning} Active, idle, asleep and unobserved add up to "
        "all.",
        "energy of each snapshot x share of its seconds, by vLLM's pages",
        (*ENGINE, "component"),
    )


BY_STATE = {
    "active": _of_state("active", "while a request ran or tokens were made."),
    "idle": _of_state("idle", "while no request ran and no token was made, and vLLM was not asleep."),
    "asleep": _of_state("asleep", "while vLLM slept."),
    "unobserved": _of_state("unobserved", "while vLLM did not tell what it did."),
}
POWER = Metric(
    "pentameter_power_watts",
    "gauge",
    Unit.WATTS,
    Dimension.ENERGY,
    "Power drawn by the server at the last reading. component=gpu: as the boards report it, an average over the "
    "last second on most; host: its part of the machine without GPUs; overhead: what the building adds, by the "
    "configured PUE.",
    "NVML's power usage, summed over the server's GPUs; overhead = (PUE - 1) x (gpu + host)",
    (*ENGINE, "component"),
)
METRICS = (ENERGY, *BY_STATE.values(), POWER)


def gpu_joules(gpus: tuple[Gpu, ...]) -> float | None:
    """Return the energy of a server's GPUs since it was last known; None when there is none or one is unknown.

    Without a new reading since then it is 0: a counter must not leave our page because nothing was read.
    """
    return _gpu_joules(gpus, "energy_joules")


def joules(deployment: Deployment) -> dict[tuple[str, str], float]:
    """Return what a server used since the last snapshot, by component and basis; what is unknown is missing.

    The sum over all is the energy of the widest scope that is known. Overhead is known where GPU, host and PUE are.
    """
    parts: dict[tuple[str, str], float] = {}
    gpu = gpu_joules(deployment.gpus)
    if gpu is not None:
        for basis in ("measured", "integrated"):
            if any(basis in one.energy_bases for one in deployment.gpus):
                parts["gpu", basis] = _gpu_joules(deployment.gpus, f"{basis}_joules") or 0.0
    host = _host_joules(deployment)
    if host is not None:
        parts |= {("host", basis): value for basis, value in host.items()}
    building = overhead(gpu, None if host is None else sum(host.values()) + earlier_joules(deployment), deployment.pue)
    if building is not None:
        parts["overhead", "pue"] = building
    return parts


def waiting_joules(deployment: Deployment) -> float:
    """Return the joules that wait for the next snapshot: those of GPUs or host while the other's are unknown."""
    gpu, host = gpu_joules(deployment.gpus), _host_joules(deployment)
    if gpu is not None and host is not None:
        return 0.0
    return deployment.joules_before + (gpu or 0.0) + sum((host or {}).values())


def earlier_joules(deployment: Deployment) -> float:
    """Return the joules of earlier snapshots that are to be made up for once all is known.

    Where the GPUs' counters hold the host, what it used while they could not be read is in them: nothing is.
    """
    return 0.0 if _is_in_module(deployment) else deployment.joules_before


def scoped_joules(deployment: Deployment) -> dict[str, float]:
    """Return what a server used since the last snapshot, by scope; a scope of which a part is unknown is missing."""
    host = _host_joules(deployment)
    return _scoped(gpu_joules(deployment.gpus), None if host is None else sum(host.values()), deployment.pue)


def scoped_watts(deployment: Deployment, window: str) -> dict[str, float]:
    """Return a server's mean power over a window, by scope; a scope of which a part is unknown is missing.

    gpu = increase of energy / seconds, summed over the GPUs; it = gpu + host; facility = PUE x it. So gpu <= it <=
    facility.
    """
    host = None
    if _is_in_module(deployment):
        host = 0.0
    elif deployment.host is not None:
        host = deployment.host.watts.get(window)
    return _scoped(deployment.gpu_watts(window), host, deployment.pue)


def gpu_joules_per_token(deployment: Deployment, window: str, *concepts: str) -> float | None:
    """Return the GPUs' energy per token of these kinds over a window; None when either is unknown or no token came."""
    watts, rate = deployment.gpu_watts(window), deployment.token_rate(window, *concepts)
    return None if watts is None or rate is None else joules_per_token(watts, rate)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        gpu, host = _gpu_power(deployment), _host_power(deployment)
        for component, watts in (("gpu", gpu), ("host", host), ("overhead", overhead(gpu, host, deployment.pue))):
            if watts is not None:
                yield POWER(watts, *deployment.labels, component)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for deployment in world.deployments:
        components: dict[str, float] = {}
        for (component, basis), value in joules(deployment).items():
            yield ENERGY(value, *deployment.labels, component, basis)
            components[component] = components.get(component, 0.0) + value
        for component, value in components.items():
            for state in STATES:
                share = deployment.energy_shares.get(state, 0.0)
                yield BY_STATE[state](value * share, *deployment.labels, component)


def _gpu_joules(gpus: tuple[Gpu, ...], key: str) -> float | None:
    total = 0.0
    for gpu in gpus:
        if not gpu.energy_method:
            return None
        if gpu.server_tick is not None:
            total += gpu.server_tick.deltas.get(key, 0.0)
    return total if gpus else None


def _scoped(gpu: float | None, host: float | None, pue: float | None) -> dict[str, float]:
    if gpu is None:
        return {}
    if host is None:
        return {"gpu": gpu}
    known = {"gpu": gpu, "it": gpu + host}
    return known if pue is None else known | {"facility": pue * (gpu + host)}


def _is_in_module(deployment: Deployment) -> bool:
    """Say whether the GPUs' counters hold the host's processor and memory too, so that it must not be added."""
    return any(gpu.energy_scope == "module" for gpu in deployment.gpus)


def _host_joules(deployment: Deployment) -> Mapping[str, float] | None:
    """Return the host's joules by basis; nothing where the GPUs' counters hold them, None where nobody knows them."""
    if _is_in_module(deployment):
        return {}
    return deployment.host.joules or None if deployment.host else None


def _gpu_power(deployment: Deployment) -> float | None:
    powers = [gpu.reading.power_watts for gpu in deployment.gpus]
    known = [power for power in powers if power is not None]
    return sum(known) if known and len(known) == len(powers) else None


def _host_power(deployment: Deployment) -> float | None:
    if _is_in_module(deployment):
        return None
    return deployment.host.power if deployment.host else None
