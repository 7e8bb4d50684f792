"""A server with its engines and GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.world import Deployment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.readings import VllmReading
    from pentameter.server_plan import ServerPlan
    from pentameter.world import Engine, Gpu


def deployment_of(
    plan: ServerPlan,
    last: VllmReading,
    engines: tuple[Engine, ...],
    gpus: tuple[Gpu, ...],
    serving: int | None,
    seen: int | None,
    shares: Mapping[str, float],
) -> Deployment:
    """Return a server as the unit that draws power and costs money.

    Args:
        plan: what is configured of it.
        last: its last page, which tells whom the cost is for through an outage.
        engines: those on its page now.
        gpus: those that are counted to it.
        serving: GPUs by vLLM's own parallelism.
        seen: GPUs that were last visible.
        shares: of its energy by state.
    """
    # A mapped GPU that is not visible now must make neither the energy nor the price smaller.
    complete = not plan.gpus or len(gpus) == len(plan.gpus)
    return Deployment(
        server=plan.server,
        model_name=_only([engine.model_name for engine in last.engines]),
        engine=_only([engine.engine for engine in last.engines]),
        engines=engines,
        gpus=gpus if complete else (),
        gpu_count=plan.gpu_count or len(plan.gpus) or seen,
        serving_gpus=plan.gpu_count or len(plan.gpus) or serving or seen,
        cost=plan.cost,
        energy_shares=shares,
    )


def cannot_yet_be_priced(deployment: Deployment) -> bool:
    """Say whether a price is known and not yet for how many GPUs: its time is charged when they are."""
    return deployment.cost.quote is not None and deployment.gpu_count is None


def names_of(
    plan: ServerPlan, gpus: tuple[Gpu, ...], before: tuple[str, ...], told: int | None = None
) -> tuple[str, ...]:
    """Return the table's names of a server's GPUs, one for each; ``before`` while they are not visible.

    A configured type or number is believed; where a number is configured, or the server has told one, and not all are
    visible, equal ones stand for the others. Empty where one of them is of no known type.
    """
    seen = tuple(gpu.spec.gpu if gpu.spec else "" for gpu in gpus) or before
    kinds = {plan.gpu_spec.gpu} if plan.gpu_spec else set(seen)
    count = plan.gpu_count or len(plan.gpus) or told or len(seen)
    if "" in kinds or not kinds:
        return ()
    if len(kinds) == 1:
        return tuple(kinds) * count
    return seen if len(seen) == count else ()


def _only(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else ""
