"""Economics: cost per hour and per million tokens (lecture: "GPU Costs", "Cost per Token Evolution")."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


COST = Metric(
    "pentameter_cost_dollars_total",
    "counter",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of the server since the exporter saw it, whether it works, idles or is down. component=gpu: the configured "
    "GPU price.",
    "cost per hour x hours",
    (*ENGINE, "component"),
)
COST_PER_HOUR = Metric(
    "pentameter_cost_per_hour_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of the server per hour by component, and in total.",
    "GPUs of the server x configured price of one GPU",
    (*ENGINE, "component"),
)
COST_PER_MILLION = Metric(
    "pentameter_cost_per_million_tokens_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of a million tokens at the throughput of the window in the label, idle time included. tokens=blended, "
    "method=all_tokens: spread over output and prompt tokens, cached ones included; tokens=output, "
    "method=output_only: all charged to the output. Absent while no token is produced.",
    "cost per hour / tokens per hour x 1,000,000",
    (*ENGINE, "window", "tokens", "method"),
)
METRICS = (COST, COST_PER_HOUR, COST_PER_MILLION)

METHODS = (
    ("blended", "all_tokens", ("prompt_tokens", "generation_tokens")),
    ("output", "output_only", ("generation_tokens",)),
)


def cost_per_hour(deployment: Deployment) -> float | None:
    """Return dollars per hour of the server's GPUs, or None when their number or price is unknown."""
    if deployment.gpu_count is None or deployment.gpu_dollars_per_hour is None:
        return None
    return deployment.gpu_count * deployment.gpu_dollars_per_hour


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        hourly = cost_per_hour(deployment)
        if hourly is None:
            continue
        yield COST_PER_HOUR(hourly, *deployment.labels, "gpu")
        yield COST_PER_HOUR(hourly, *deployment.labels, "total")
        for window in world.windows:
            for tokens, method, concepts in METHODS:
                rate = deployment.token_rate(window, *concepts)
                dollars = None if rate is None else dollars_per_million(hourly, rate)
                if dollars is not None:
                    yield COST_PER_MILLION(dollars, *deployment.labels, window, tokens, method)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    elapsed = world.elapsed_seconds or 0.0
    for deployment in world.deployments:
        hourly = cost_per_hour(deployment)
        if hourly is not None:
            yield COST(hourly * elapsed / SECONDS_PER_HOUR, *deployment.labels, "gpu")
