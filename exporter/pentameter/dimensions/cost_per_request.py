"""What a request costs, and one that was served in time (lecture: "Cost per Request", "Meeting the SLA")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.economics import dollars_per_million, total_per_hour
from pentameter.dimensions.goodput import good_of_server
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import Deployment, World

_GOOD = (
    "that kept the SLO, rolling over the window in the label: the others' cost, and that of idle time, is charged to "
    "these. Needs request records of all of the server's engines, and an SLO of this name for each of them; absent "
    "while none is good."
)

PER_REQUEST = Metric(
    "pentameter_cost_per_request_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost per finished request, idle time and aborted requests included, rolling over the window in the label. Absent "
    "while none finishes.",
    "cost per hour / requests per hour",
    (*ENGINE, "window"),
)
PER_GOOD_REQUEST = Metric(
    "pentameter_cost_per_good_request_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    f"Cost per request {_GOOD}",
    "cost per hour / (pentameter_goodput_requests_per_second x 3600)",
    (*ENGINE, "window", "slo"),
)
PER_MILLION_GOOD_TOKENS = Metric(
    "pentameter_cost_per_million_good_tokens_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    f"Cost of a million output tokens of requests {_GOOD}",
    "cost per hour / (pentameter_goodput_tokens_per_second x 3600) x 1,000,000",
    (*ENGINE, "window", "slo"),
)
METRICS = (PER_REQUEST, PER_GOOD_REQUEST, PER_MILLION_GOOD_TOKENS)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        for window in world.windows:
            hourly = total_per_hour(deployment, window)
            if hourly is not None:
                yield from _per(world, deployment, window, hourly)


def _per(world: World, deployment: Deployment, window: str, hourly: float) -> Iterator[Sample]:
    labels = (*deployment.labels, window)
    requests = deployment.request_rate(window)
    if requests:
        yield PER_REQUEST(hourly / SECONDS_PER_HOUR / requests, *labels)
    for slo in dict.fromkeys(slo.name for slo in world.slos):
        good = good_of_server(world, deployment, slo, window)
        if good is None:
            continue
        if good[0] > 0:
            yield PER_GOOD_REQUEST(hourly / SECONDS_PER_HOUR / good[0], *labels, slo)
        per_million = dollars_per_million(hourly, good[1])
        if per_million is not None:
            yield PER_MILLION_GOOD_TOKENS(per_million, *labels, slo)
