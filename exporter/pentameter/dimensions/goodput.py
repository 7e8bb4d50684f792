"""Goodput: what is served in time now, and the highest rate that could be (Zhong et al. 2024).

Two things under two names: ``goodput`` is the rate of requests that keep the SLO at this moment;
``goodput_capacity`` is the lecture's definition, the highest request rate at which at least the target share of
requests keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.attainment import is_covered, slos_for, tally
from pentameter.dimensions.requests import offered_rate
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pentameter.slo import Slo
    from pentameter.world import CapacityOf, Deployment, Served, World

STATES = ("unknown", "lower_bound", "extrapolated", "observed")

GOODPUT = Metric(
    "pentameter_goodput_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Rate of finished requests that kept the SLO, served now, from request records, rolling over the window in the "
    "label. What could be served is pentameter_goodput_capacity_requests_per_second.",
    "increase of good requests / seconds covered",
    (*ENGINE, "window", "slo"),
)
GOOD_TOKENS = Metric(
    "pentameter_goodput_tokens_per_second",
    "gauge",
    Unit.TOKENS_PER_SECOND,
    Dimension.TIME,
    "Rate of output tokens of requests that kept the SLO, from request records, rolling over the window in the label.",
    "increase of good tokens / seconds covered",
    (*ENGINE, "window", "slo"),
)
GOODPUT_PER_GPU = Metric(
    "pentameter_goodput_per_gpu_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Served goodput of a server over the GPUs that serve (as configured, else by vLLM's parallelism, else those "
    "visible), rolling over the window in the label.",
    "goodput / GPUs",
    (*ENGINE, "window", "slo"),
)
GOOD_TOKENS_PER_GPU = Metric(
    "pentameter_goodput_per_gpu_tokens_per_second",
    "gauge",
    Unit.TOKENS_PER_SECOND,
    Dimension.TIME,
    "Good output tokens of a server over the GPUs that serve, rolling over the window in the label.",
    "good tokens per second / GPUs",
    (*ENGINE, "window", "slo"),
)
CAPACITY = Metric(
    "pentameter_goodput_capacity_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Goodput capacity: the highest request rate at which at least the target share of requests keeps the SLO, "
    "estimated from this server's own traffic, with its mix and burstiness. Absent while unknown; lower alone while "
    "the traffic has not come close. docs/capacity.md has the method and its measured error.",
    "rate at which 1 / (target quantile of the SLO score), linear in the rate, falls to 1; at most the rate that fills "
    "the KV cache or the batch; the crossing of the isotonic fit once misses are seen",
    (*ENGINE, "slo", "bound"),
)
CAPACITY_PER_GPU = Metric(
    "pentameter_goodput_capacity_per_gpu_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Goodput capacity over the GPUs that serve.",
    "goodput capacity / GPUs",
    (*ENGINE, "slo", "bound"),
)
CAPACITY_STATE = Metric(
    "pentameter_goodput_capacity_state",
    "gauge",
    Unit.NONE,
    Dimension.TIME,
    "1 on what is known of the goodput capacity, 0 on the others: unknown (too little traffic), lower_bound (the "
    "traffic has not come close), extrapolated (close, at most 1.3 times the highest load seen), observed (crossed).",
    "see docs/capacity.md",
    (*ENGINE, "slo", "state"),
)
CONSTRAINT = Metric(
    "pentameter_goodput_capacity_constraint_info",
    "gauge",
    Unit.INFO,
    Dimension.TIME,
    "What bounds the goodput capacity: ttft, tpot, inter_token, e2e, kv_cache or max_num_seqs; always 1.",
    "the least of the limits that the estimate rests on",
    (*ENGINE, "slo", "constraint"),
)
HIGHEST_RATE = Metric(
    "pentameter_goodput_capacity_highest_rate_requests_per_second",
    "gauge",
    Unit.REQUESTS_PER_SECOND,
    Dimension.TIME,
    "Highest request rate that the estimate of the capacity has seen.",
    "99.5th percentile of the windows' rates of arrival",
    (*ENGINE, "slo"),
)
WINDOWS = Metric(
    "pentameter_goodput_capacity_windows",
    "gauge",
    Unit.NONE,
    Dimension.TIME,
    "Spans of traffic, of five to ten minutes each, that the estimate of the capacity rests on; it needs twenty.",
    "number of spans that have enough requests, all finished, and began without a backlog",
    (*ENGINE, "slo"),
)
DISPERSION = Metric(
    "pentameter_goodput_capacity_dispersion_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.TIME,
    "Burstiness of the traffic that the estimate of the capacity rests on, and that it holds for: 1 for a Poisson "
    "process, more for bursts. The same server carries more of a steadier load.",
    "variance / mean of the arrivals in 5 s, median over the windows of the upper half of the load",
    (*ENGINE, "slo"),
)
LOAD = Metric(
    "pentameter_goodput_load_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.TIME,
    "Offered rate, rolling over the window in the label, over goodput capacity, for autoscalers: above 1 the SLO "
    "cannot be kept. bound=estimate where the capacity is estimated; bound=upper: over the capacity's lower bound, the "
    "load at most.",
    "pentameter_offered_requests_per_second / pentameter_goodput_capacity_requests_per_second",
    (*ENGINE, "window", "slo", "bound"),
)

METRICS = (
    GOODPUT,
    GOOD_TOKENS,
    GOODPUT_PER_GPU,
    GOOD_TOKENS_PER_GPU,
    CAPACITY,
    CAPACITY_PER_GPU,
    CAPACITY_STATE,
    CONSTRAINT,
    HIGHEST_RATE,
    WINDOWS,
    DISPERSION,
    LOAD,
)


def samples(world: World) -> Iterator[Sample]:
    """Yield the served goodput and the capacity."""
    yield from _exact(world)
    for one in world.capacities:
        yield from _capacity(world, one)


def _exact(world: World) -> Iterator[Sample]:
    deployments = {deployment.server: deployment for deployment in world.deployments}
    for window in world.windows:
        rates: dict[tuple[str, str], list[tuple[float, float] | None]] = {}
        for served in world.served:
            for slo in slos_for(world, served.model_name):
                rate = good_rate(served, slo, window)
                rates.setdefault((served.server, slo.name), []).append(rate)
                if rate is not None:
                    yield GOODPUT(rate[0], *served.labels, window, slo.name)
                    yield GOOD_TOKENS(rate[1], *served.labels, window, slo.name)
        for (server, name), parts in rates.items():
            deployment = deployments.get(server)
            if deployment is not None:
                yield from _per_gpu(world, deployment, window, name, parts)


def good_rate(served: Served, slo: Slo, window: str) -> tuple[float, float] | None:
    """Return good requests and good tokens per second, or None where records do not speak for all requests."""
    interval = served.rolled.windows.get(window)
    if interval is None:
        return None
    if not is_covered(interval.delta("finished") or 0.0, interval.delta("ended")):
        return None
    counts = tally(slo, interval)
    if counts.unknown:
        return None
    return counts.good / interval.seconds, counts.good_tokens / interval.seconds


def all_recorded(world: World, deployment: Deployment) -> bool:
    """Say whether records come from every engine of a server, or from the server as a whole."""
    recorded = {served.labels for served in world.served}
    return all(recorded & {engine.labels, (*engine.labels[:2], "")} for engine in deployment.engines)


def good_of_server(world: World, deployment: Deployment, slo: str, window: str) -> tuple[float, float] | None:
    """Return good requests and good tokens per second of a server; None where not all of its engines are judged.

    What the server takes, it takes for all of them: set against the good ones of some it would be a wrong figure.
    """
    models = {engine.reading.model_name for engine in deployment.engines}
    if any(slo not in {one.name for one in slos_for(world, model)} for model in models):
        return None
    parts = [
        good_rate(served, one, window)
        for served in world.served
        if served.server == deployment.server
        for one in slos_for(world, served.model_name)
        if one.name == slo
    ]
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts) or not all_recorded(world, deployment):
        return None
    return sum(requests for requests, _ in known), sum(tokens for _, tokens in known)


def _per_gpu(
    world: World, deployment: Deployment, window: str, slo: str, parts: Sequence[tuple[float, float] | None]
) -> Iterator[Sample]:
    """Yield the sums over a server's engines by GPU; a sum that lacks an engine is a wrong sum."""
    known = [part for part in parts if part is not None]
    if deployment.serving_gpus and len(known) == len(parts) and all_recorded(world, deployment):
        labels = (*deployment.labels, window, slo)
        yield GOODPUT_PER_GPU(sum(requests for requests, _ in known) / deployment.serving_gpus, *labels)
        yield GOOD_TOKENS_PER_GPU(sum(tokens for _, tokens in known) / deployment.serving_gpus, *labels)


def _capacity(world: World, one: CapacityOf) -> Iterator[Sample]:
    capacity, labels = one.capacity, (*one.labels, one.slo.name)
    for state in STATES:
        yield CAPACITY_STATE(float(state == capacity.state), *labels, state)
    yield WINDOWS(capacity.windows, *labels)
    if capacity.highest_rate is not None:
        yield HIGHEST_RATE(capacity.highest_rate, *labels)
    if capacity.dispersion is not None:
        yield DISPERSION(capacity.dispersion, *labels)
    if capacity.binding:
        yield CONSTRAINT(1, *labels, capacity.binding)
    gpus = {deployment.server: deployment.serving_gpus for deployment in world.deployments}.get(one.server)
    for bound, value in (("lower", capacity.lower), ("estimate", capacity.estimate), ("upper", capacity.upper)):
        if value is not None:
            yield CAPACITY(value, *labels, bound)
            if gpus:
                yield CAPACITY_PER_GPU(value / gpus, *labels, bound)
    yield from _load(world, one)


def _load(world: World, one: CapacityOf) -> Iterator[Sample]:
    for window in world.windows:
        offered = _offered(world, one, window)
        for bound, capacity in (("estimate", one.capacity.estimate), ("upper", one.capacity.lower)):
            if offered is not None and capacity:
                yield LOAD(offered / capacity, *one.labels, window, one.slo.name, bound)


def _offered(world: World, one: CapacityOf, window: str) -> float | None:
    """Return the requests per second that arrive at all engines of a model, or None where one of them is unknown."""
    engines = [engine for engine in world.engines if engine.labels[:2] == one.labels[:2]]
    flows = [engine.flow.windows.get(window) if engine.stalled_seconds is not None else None for engine in engines]
    rates = [offered_rate(flow) for flow in flows if flow is not None]
    return sum(rates) if rates and len(rates) == len(engines) else None
