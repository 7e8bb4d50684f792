"""Drift: by what cause a token costs more than it did, and whether it does at the same load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.economics import dollars_per_million, total_per_hour
from pentameter.drift.book import AT_CAPACITY
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import CapacityOf, Deployment, World

_SPANS = (
    "window=1h, since=1d: the last full hour against the same hour of the day before; window=1d, since=7d: the last 24 "
    "full hours against the same of the week before. Mostly it shows how much traffic there was: "
    "pentameter_load_matched_ratio does not. Absent where less than nine tenths of either was watched, or nothing was "
    "generated."
)
_CAUSES = (
    "Each cause is the factor by which it made it more. cause=idle: the server worked for less of the time; load: "
    "smaller running batches meanwhile; efficiency: fewer tokens per second of each running request, as in a larger "
    "batch; all: their product"
)


def _drift(figure: str, dimension: Dimension, what: str, first: str, formula: str) -> Metric:
    return Metric(
        f"pentameter_{figure}_drift_ratio",
        "gauge",
        Unit.RATIO,
        dimension,
        f"{what} per generated token now over then, above 1: more. {_CAUSES}. {first} {_SPANS}",
        formula,
        (*ENGINE, "window", "since", "cause"),
    )


_USE = "(active share x requests in the batch while active x tokens per second of each)"
COST_DRIFT = _drift(
    "cost", Dimension.ECONOMICS, "Cost", "cause=price: more dollars per hour.", f"$/token = dollars per second / {_USE}"
)
ENERGY_DRIFT = _drift(
    "energy",
    Dimension.ENERGY,
    "Energy, without the building's,",
    "cause=power: more mean power. GPUs and host where both are known, else GPUs.",
    f"J/token = watts / {_USE}",
)
CARBON_DRIFT = _drift(
    "carbon",
    Dimension.ENERGY,
    "Operational carbon",
    "cause=power: more mean power; pue: the building's part; grid: the grid's intensity.",
    f"g/token = watts x PUE x grams per joule / {_USE}",
)
MATCHED = Metric(
    "pentameter_load_matched_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ECONOMICS,
    "The last 24 hours against the past at the same load: 1.05 is 5 % more, whatever the traffic does. "
    "quantity=cost_per_token, energy_per_token (GPUs): per generated token, at the same tokens per second; tpot: time "
    "per output token, at the same mean running batch. against=rolling: the days with traffic that drift.horizon_days "
    "says, but the last; pinned: the baseline of the settings. Absent with too little past or likeness: see "
    "pentameter_load_matched_periods and pentameter_load_table_days. Slower requests raise the realised cost only once "
    "the server is full; tpot shows them before.",
    "exp(median over the periods of 5 minutes of (log value - log value of the past at that load))",
    (*ENGINE, "quantity", "against"),
)
PERIODS = Metric(
    "pentameter_load_matched_periods",
    "gauge",
    Unit.NONE,
    Dimension.ECONOMICS,
    "Periods of 5 minutes, of the last 24 hours, whose load the past has seen too; the ratio needs 36.",
    "number of periods with 1000 generated tokens and more, at a load within drift.match_ratio of a past one",
    (*ENGINE, "quantity", "against"),
)
DAYS = Metric(
    "pentameter_load_table_days",
    "gauge",
    Unit.NONE,
    Dimension.ECONOMICS,
    "Days of the past that the rolling comparison is with; it needs 3, of which the last ended 24 hours ago.",
    "days with traffic that are remembered, at most drift.horizon_days",
    (*ENGINE, "quantity"),
)
COST_AT_CAPACITY = Metric(
    "pentameter_cost_per_million_tokens_at_capacity_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of a million generated tokens if the server carried as much as it can with the SLO kept: an efficiency loss "
    "shows here while the realised cost hides it behind idle time. bound=estimate; lower and upper: at the upper and "
    "the lower bound of the capacity. With the present cost per hour, metered power included.",
    "cost per hour / (goodput capacity x 3600 x mean output tokens per request) x 1,000,000",
    (*ENGINE, "slo", "bound"),
)
COST_AT_CAPACITY_DRIFT = Metric(
    "pentameter_cost_at_capacity_drift_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ECONOMICS,
    "Cost of a token at goodput capacity, the last 24 hours against the past. against=rolling: the days that are "
    "remembered; pinned: the baseline of the settings.",
    "median of pentameter_cost_per_million_tokens_at_capacity_dollars over 24 hours / median over the past",
    (*ENGINE, "slo", "against"),
)
METRICS = (
    COST_DRIFT,
    ENERGY_DRIFT,
    CARBON_DRIFT,
    MATCHED,
    PERIODS,
    DAYS,
    COST_AT_CAPACITY,
    COST_AT_CAPACITY_DRIFT,
)

_BY_FIGURE = {"cost": COST_DRIFT, "energy": ENERGY_DRIFT, "carbon": CARBON_DRIFT}
_BOUNDS = (("lower", "upper"), ("estimate", "estimate"), ("upper", "lower"))
"""Of the cost, and of the capacity that it is at: the more is carried, the less a token costs."""


def at_capacity(world: World, deployment: Deployment, one: CapacityOf) -> dict[str, float]:
    """Return dollars per million generated tokens at goodput capacity, by bound; what is unknown is missing.

    Nothing where the server has other models too: nobody knows which part of the cost is whose.
    """
    dollars = total_per_hour(deployment, world.windows[0])
    if dollars is None or one.model_name != deployment.model_name or not one.capacity.output_tokens:
        return {}
    rates = {"lower": one.capacity.lower, "estimate": one.capacity.estimate, "upper": one.capacity.upper}
    found: dict[str, float] = {}
    for bound, capacity in _BOUNDS:
        cost = dollars_per_million(dollars, (rates[capacity] or 0.0) * one.capacity.output_tokens)
        if cost is not None:
            found[bound] = cost
    return found


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        for one in world.capacities:
            if one.server == deployment.server:
                for bound, dollars in at_capacity(world, deployment, one).items():
                    yield COST_AT_CAPACITY(dollars, *deployment.labels, one.slo.name, bound)
        yield from _causes(deployment)
        yield from _matched(deployment)


def _causes(deployment: Deployment) -> Iterator[Sample]:
    for one in deployment.drift.causes if deployment.drift else ():
        yield _BY_FIGURE[one.figure](one.ratio, *deployment.labels, one.window, one.since, one.cause)


def _matched(deployment: Deployment) -> Iterator[Sample]:
    if deployment.drift is None:
        return
    for one in deployment.drift.matched:
        ratio, slo = one.comparison.ratio, one.quantity.removeprefix(AT_CAPACITY)
        if slo != one.quantity:
            if ratio is not None:
                yield COST_AT_CAPACITY_DRIFT(ratio, *deployment.labels, slo, one.against)
            continue
        yield PERIODS(one.comparison.periods, *deployment.labels, one.quantity, one.against)
        if ratio is not None:
            yield MATCHED(ratio, *deployment.labels, one.quantity, one.against)
    for quantity, days in deployment.drift.days.items():
        if not quantity.startswith(AT_CAPACITY):
            yield DAYS(days, *deployment.labels, quantity)
