"""Energy for what it bought: joules per token, per request, per good request (lecture: "Energy Consumption Units")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.energy import joules_per_token, scoped_watts
from pentameter.dimensions.goodput import good_of_server
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import Deployment, World

_SCOPE = "scope=gpu: the GPUs alone; it: with the host; facility: with the building. "

ENERGY_PER_TOKEN = Metric(
    "pentameter_energy_per_token_joules",
    "gauge",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy per token, idle time included, rolling over the window in the label. tokens=generated: output only; all: "
    f"prompts, their cached part included, and output. {_SCOPE}Absent while no token is produced.",
    "mean power over the window / tokens per second",
    (*ENGINE, "window", "tokens", "scope"),
)
ENERGY_PER_REQUEST = Metric(
    "pentameter_energy_per_request_joules",
    "gauge",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy per finished request, idle time and aborted requests included, rolling over the window in the label. "
    f"{_SCOPE}Absent while none finishes.",
    "mean power over the window / requests per second",
    (*ENGINE, "window", "scope"),
)
ENERGY_PER_GOOD_REQUEST = Metric(
    "pentameter_energy_per_good_request_joules",
    "gauge",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy per request that kept the SLO, rolling over the window in the label: what the others used is charged to "
    f"these. {_SCOPE}Needs request records; absent while none is good.",
    "mean power over the window / pentameter_goodput_requests_per_second",
    (*ENGINE, "window", "slo", "scope"),
)
METRICS = (ENERGY_PER_TOKEN, ENERGY_PER_REQUEST, ENERGY_PER_GOOD_REQUEST)

TOKENS = (("generated", ("generation_tokens",)), ("all", ("prompt_tokens", "generation_tokens")))


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        for window in world.windows:
            for scope, watts in scoped_watts(deployment, window).items():
                yield from _per(world, deployment, window, scope, watts)


def _per(world: World, deployment: Deployment, window: str, scope: str, watts: float) -> Iterator[Sample]:
    labels = (*deployment.labels, window)
    for tokens, concepts in TOKENS:
        rate = deployment.token_rate(window, *concepts)
        per_token = None if rate is None else joules_per_token(watts, rate)
        if per_token is not None:
            yield ENERGY_PER_TOKEN(per_token, *labels, tokens, scope)
    requests = deployment.request_rate(window)
    if requests:
        yield ENERGY_PER_REQUEST(watts / requests, *labels, scope)
    for slo in dict.fromkeys(slo.name for slo in world.slos):
        good = good_of_server(world, deployment, slo, window)
        if good is not None and good[0] > 0:
            yield ENERGY_PER_GOOD_REQUEST(watts / good[0], *labels, slo, scope)
