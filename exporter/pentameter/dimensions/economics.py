"""Economics: what a server costs, by component and by what it did meanwhile (lecture: "Cost Components")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost.plan import energy_dollars, energy_dollars_per_hour, fixed_per_hour, with_energy
from pentameter.cost_meter import WARMUP
from pentameter.dimensions.energy import earlier_joules, scoped_joules, scoped_watts
from pentameter.idle_meter import STATES
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.units import MILLION, SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import Deployment, World


def dollars_per_million(dollars_per_hour: float, tokens_per_second: float) -> float | None:
    """Return the cost of a million tokens, or None while no token is produced.

    >>> round(dollars_per_million(3.95, 1000), 4)  # an H100 at the lecture's 3.95 dollars, 1000 tokens/s
    1.0972
    """
    if tokens_per_second <= 0:
        return None
    return dollars_per_hour / (tokens_per_second * SECONDS_PER_HOUR) * MILLION


_COMPONENTS = (
    "component=gpu: the accelerators, rented (with all that the rent contains, which is the energy too) or bought; "
    "energy: electricity of owned hardware with the building's part; storage, network, host, overhead (place, staff, "
    "monitoring): as configured."
)

COST = Metric(
    "pentameter_cost_dollars_total",
    "counter",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of the server since the exporter saw it, whether it works, idles or is down; the sum over component is all "
    f"of it. {_COMPONENTS} component=energy is absent while the energy to be paid is unknown, and catches up later.",
    "sum over snapshots of cost per hour x hours; energy: measured kWh x price",
    (*ENGINE, "component"),
)
COST_PER_HOUR = Metric(
    "pentameter_cost_per_hour_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    f"Cost of the server per hour by component, and in total, which is their sum. {_COMPONENTS} Absent where a part of "
    "it is unknown.",
    "rented: GPUs x price of one; owned: (price - residual / (1 + r)^L) x r (1 + r)^L / ((1 + r)^L - 1) / 8760; "
    "energy: mean kW over the first window x PUE x $/kWh; overhead = fixed + ratio x the others",
    (*ENGINE, "component"),
)
IDLE_PER_HOUR = Metric(
    "pentameter_idle_cost_per_hour_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Part of the cost per hour that was paid while no request ran and vLLM was awake or asleep, over the window in the "
    "label. It is contained in the components, and no further amount. Metered energy is shared by time here.",
    "cost per hour x (idle + asleep seconds) / seconds",
    (*ENGINE, "window"),
)


def _of_state(state: str, meaning: str) -> Metric:
    return Metric(
        f"pentameter_{state}_cost_dollars_total",
        "counter",
        Unit.DOLLARS,
        Dimension.ECONOMICS,
        f"Part of pentameter_cost_dollars_total that was paid {meaning}",
        "cost of each snapshot x share of its seconds, energy x share of its joules, by vLLM's pages",
        (*ENGINE, "component"),
    )


_WHOLE = "Active, idle, asleep and unobserved add up to all."
BY_STATE = {
    "active": _of_state("active", f"while a request ran or tokens were made. {_WHOLE}"),
    "idle": _of_state("idle", f"while no request ran and no token was made, and vLLM was not asleep. {_WHOLE}"),
    "asleep": _of_state("asleep", f"while vLLM slept. {_WHOLE}"),
    "unobserved": _of_state("unobserved", f"while vLLM did not tell what it did. {_WHOLE}"),
    WARMUP: _of_state(
        WARMUP,
        "while a new process of vLLM was starting, as it tells once it answers. It is a part of the unobserved cost; "
        "metered energy is not divided so finely and is left out.",
    ),
}
METRICS = (COST, COST_PER_HOUR, IDLE_PER_HOUR, *BY_STATE.values())


def hourly(deployment: Deployment, window: str) -> dict[str, float] | None:
    """Return dollars per hour by component, metered energy with the mean power of a window.

    None where the number of GPUs, their price or the power that is to be paid is unknown: a sum without one of its
    parts is a wrong sum.
    """
    fixed = fixed_per_hour(deployment.cost, deployment.gpu_count)
    if fixed is None or not deployment.cost.dollars_per_kwh:
        return fixed and with_energy(deployment.cost, fixed, 0.0)
    watts = scoped_watts(deployment, window).get("facility")
    if watts is None:
        return None
    return with_energy(deployment.cost, fixed, energy_dollars_per_hour(watts, deployment.cost.dollars_per_kwh))


def total_per_hour(deployment: Deployment, window: str) -> float | None:
    """Return dollars per hour of a server, with the mean power of a window; None where a part of it is unknown."""
    parts = hourly(deployment, window)
    return None if parts is None else sum(parts.values())


def idle_per_hour(deployment: Deployment, window: str) -> float | None:
    """Return dollars per hour that were paid for waiting, of the total; None where either is unknown."""
    total, spent = total_per_hour(deployment, window), deployment.time.windows.get(window)
    if total is None or spent is None:
        return None
    seconds = sum(spent.deltas.get(state, 0.0) for state in STATES)
    waited = sum(spent.deltas.get(state, 0.0) for state in ("idle", "asleep"))
    return total * waited / seconds if seconds > 0 else None


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        parts = hourly(deployment, world.windows[0])
        if parts is None:
            continue
        for component, dollars in parts.items():
            yield COST_PER_HOUR(dollars, *deployment.labels, component)
        yield COST_PER_HOUR(sum(parts.values()), *deployment.labels, "total")
        for window in world.windows:
            idle = idle_per_hour(deployment, window)
            if idle is not None:
                yield IDLE_PER_HOUR(idle, *deployment.labels, window)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for deployment in world.deployments:
        by_state = _spent(deployment)
        if by_state is None:
            continue
        warm = by_state.pop(WARMUP)
        for component in warm:
            if component == "energy" and not _energy_is_known(deployment):
                continue
            yield COST(sum(parts.get(component, 0.0) for parts in by_state.values()), *deployment.labels, component)
            for state, parts in by_state.items():
                yield BY_STATE[state](parts.get(component, 0.0), *deployment.labels, component)
            if component != "energy":
                yield BY_STATE[WARMUP](warm[component], *deployment.labels, component)


def spent(deployment: Deployment) -> float | None:
    """Return the dollars that a server cost since the last snapshot: what the counters of its components grow by."""
    by_state = _spent(deployment)
    return None if by_state is None else sum(sum(by_state[state].values()) for state in STATES)


def _energy_is_known(deployment: Deployment) -> bool:
    return not deployment.cost.meters_energy or "facility" in scoped_joules(deployment)


def _payable_joules(deployment: Deployment) -> float:
    """Return what is to be paid with this snapshot; nothing while a part of it is unknown."""
    facility = scoped_joules(deployment).get("facility")
    return 0.0 if facility is None else facility + (deployment.pue or 0.0) * earlier_joules(deployment)


def _over(per_hour: dict[str, float], seconds: float) -> dict[str, float]:
    return {component: dollars * seconds / SECONDS_PER_HOUR for component, dollars in per_hour.items()}


def _spent(deployment: Deployment) -> dict[str, dict[str, float]] | None:
    """Return what was spent since the last snapshot, by state and component: time by its seconds, energy by its joules.

    The warm-up stands beside the states, a part of the unobserved one. None where the server cannot be priced.

    Energy that is unknown now is paid when it is known: the reading that follows a gap tells all of it, and what was
    known of the gap, of the host alone or of the GPUs alone, has been kept for it.
    """
    fixed = fixed_per_hour(deployment.cost, deployment.gpu_count)
    if fixed is None:
        return None
    seconds = deployment.time.tick.deltas if deployment.time.tick else {}
    energy = energy_dollars(_payable_joules(deployment), deployment.cost.dollars_per_kwh or 0.0)
    return {
        state: with_energy(
            deployment.cost,
            _over(fixed, seconds.get(state, 0.0)),
            energy * deployment.energy_shares.get(state, 0.0),  # of the warm-up there is no share: it is not that fine
        )
        for state in (*STATES, WARMUP)
    }
