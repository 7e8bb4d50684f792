"""Economics, against the market: what commercial APIs would ask for the same traffic.

The lecture: "Cost per Token Evolution"; "for high-traffic applications self-hosting can reduce costs by 50-80 %".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.economics import total_per_hour
from pentameter.dimensions.timing import computed_prompt_tokens
from pentameter.market.basis import vintage
from pentameter.market.break_even import break_even_tokens, per_month, self_hosting_ratio
from pentameter.market.equivalent import Traffic, equivalent_dollars
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.cost.book import ApiPrice
    from pentameter.market.basis import Rival
    from pentameter.world import Deployment, World

_RIVAL = ("api_provider", "api_model", "vintage", "status")
_VINTAGE = "vintage=current, or baseline: the lecture's price of October 2025; status=listed, retired or deprecated."

API_PRICE = Metric(
    "pentameter_api_price_dollars_per_million_tokens",
    "gauge",
    Unit.DOLLARS_PER_MILLION_TOKENS,
    Dimension.ECONOMICS,
    "List price of a commercial API by tokens=input, cached_input (absent where the provider lists none), output. "
    f"{_VINTAGE} as_of is the day of the price, origin the layer of the price book that it is from.",
    "price book",
    ("api_provider", "api_model", "tokens", "vintage", "status", "as_of", "origin"),
)
EQUIVALENT = Metric(
    "pentameter_api_equivalent_cost_per_hour_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "What an API would ask per hour for the server's own input, cached and output tokens, rolling over the window in "
    "the label. Where the API has a price for cached input, that is applied to all that this server's own cache "
    "supplied, and writing to the API's cache is left out: a lower bound unless the API's cache hits more often than "
    "this one. Absent for those APIs where vLLM does not tell the cached tokens. Short prompts are assumed where the "
    f"price depends on their length. {_VINTAGE}",
    "((input - cached) x input price + cached x cached price, or input price where there is none, + output x output "
    "price) x token ratio / 1,000,000",
    (*ENGINE, "window", *_RIVAL),
)
RATIO = Metric(
    "pentameter_self_hosting_cost_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ECONOMICS,
    "Cost of the server over what an API would ask for the same traffic, rolling over the window in the label: below 1 "
    "self-hosting is cheaper. An upper bound where the equivalent is a lower one. It says nothing of how good the "
    f"models are. Absent without traffic. {_VINTAGE}",
    "cost per hour, metered energy with the mean power of the window / pentameter_api_equivalent_cost_per_hour_dollars",
    (*ENGINE, "window", *_RIVAL),
)
_MIX = "with the mix of input, cached and output tokens of the longest window"
BREAK_EVEN_HOUR = Metric(
    "pentameter_break_even_tokens_per_hour",
    "gauge",
    Unit.TOKENS_PER_HOUR,
    Dimension.ECONOMICS,
    f"Input and output tokens per hour at which the server costs what an API asks, {_MIX}; with more of them "
    f"self-hosting is cheaper. Absent while that window has no traffic. {_VINTAGE}",
    "cost per hour x 1,000,000 / what the API asks for a million tokens of this mix",
    (*ENGINE, *_RIVAL),
)
BREAK_EVEN_MONTH = Metric(
    "pentameter_break_even_tokens_per_month",
    "gauge",
    Unit.TOKENS_PER_MONTH,
    Dimension.ECONOMICS,
    f"The same per month of 730 hours, {_MIX}. Divided by 100,000,000 it is the self-hosting ratio at 100 million "
    f"tokens a month, from where the lecture expects 0.5 to 0.2. {_VINTAGE}",
    "pentameter_break_even_tokens_per_hour x 730",
    (*ENGINE, *_RIVAL),
)
BREAK_EVEN_LOAD = Metric(
    "pentameter_break_even_utilization_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ECONOMICS,
    "Share of the goodput capacity that must be in use, around the clock, for the server to cost what an API asks: "
    "above 1 self-hosting cannot pay within the SLO at this mix. Absent while the capacity is not estimated. "
    f"{_VINTAGE}",
    "pentameter_break_even_tokens_per_hour / (pentameter_goodput_capacity_requests_per_second, bound=estimate x tokens "
    "of a request x 3600)",
    (*ENGINE, "slo", *_RIVAL),
)
METRICS = (API_PRICE, EQUIVALENT, RATIO, BREAK_EVEN_HOUR, BREAK_EVEN_MONTH, BREAK_EVEN_LOAD)


def samples(world: World) -> Iterator[Sample]:
    """Yield prices, and for every server what they would mean for it."""
    for price in world.market.prices:
        yield from _prices(price)
    for deployment in world.deployments:
        for window in world.windows:
            yield from _compared(world, deployment, window)
        yield from _break_even(world, deployment)


def hourly_traffic(deployment: Deployment, window: str) -> Traffic | None:
    """Return tokens per hour of all engines; None where input or output of any is unknown.

    Cached is what this server did not compute itself: prompts that came by transfer are taken for cached.
    """
    if not deployment.engines:
        return None
    prompts, outputs, computed = 0.0, 0.0, 0.0
    known = True
    for engine in deployment.engines:
        interval = engine.rolled.windows.get(window)
        prompt, output = (interval.rate(name) if interval else None for name in ("prompt_tokens", "generation_tokens"))
        if interval is None or prompt is None or output is None:
            return None
        own = computed_prompt_tokens(interval)
        known &= own is not None
        prompts, outputs = prompts + prompt, outputs + output
        # A scrape can fall between the two counters, and then more seems computed than was asked.
        computed += min(prompt, (own or 0.0) / interval.seconds)
    cached = (prompts - computed) * SECONDS_PER_HOUR if known else None
    return Traffic(prompts * SECONDS_PER_HOUR, cached, outputs * SECONDS_PER_HOUR)


def longest_window(deployment: Deployment) -> str | None:
    """Return the window that covers the most time; None where none covers any."""
    covered: dict[str, float] = {}
    for engine in deployment.engines:
        for window, interval in engine.rolled.windows.items():
            covered[window] = max(interval.seconds, covered.get(window, 0.0))
    return max(covered, key=lambda window: covered[window], default=None)


def _prices(price: ApiPrice) -> Iterator[Sample]:
    kinds = (("input", price.input), ("cached_input", price.cached_input), ("output", price.output))
    for tokens, dollars in kinds:
        if dollars is not None:
            labels = (tokens, vintage(price), price.status, price.as_of, price.origin)
            yield API_PRICE(dollars, price.provider, price.model, *labels)


def _labels(rival: Rival) -> tuple[str, str, str, str]:
    price = rival.price
    return (price.provider, price.model, vintage(price), price.status)


def _compared(world: World, deployment: Deployment, window: str) -> Iterator[Sample]:
    traffic, own = hourly_traffic(deployment, window), total_per_hour(deployment, window)
    if traffic is None:
        return
    for rival in world.market.rivals:
        dollars = equivalent_dollars(rival.price, traffic, rival.token_ratio)
        if dollars is None:
            continue
        yield EQUIVALENT(dollars, *deployment.labels, window, *_labels(rival))
        ratio = None if own is None else self_hosting_ratio(own, dollars)
        if ratio is not None:
            yield RATIO(ratio, *deployment.labels, window, *_labels(rival))


def _break_even(world: World, deployment: Deployment) -> Iterator[Sample]:
    window = longest_window(deployment)
    traffic = None if window is None else hourly_traffic(deployment, window)
    own = None if window is None else total_per_hour(deployment, window)
    if traffic is None or own is None:
        return
    capacities = token_capacities(world, deployment)
    for rival in world.market.rivals:
        dollars = equivalent_dollars(rival.price, traffic, rival.token_ratio)
        tokens = None if dollars is None else break_even_tokens(own, dollars, traffic.total)
        if tokens is None:
            continue
        labels = _labels(rival)
        yield BREAK_EVEN_HOUR(tokens, *deployment.labels, *labels)
        yield BREAK_EVEN_MONTH(per_month(tokens), *deployment.labels, *labels)
        for slo, capacity in capacities.items():
            yield BREAK_EVEN_LOAD(tokens / capacity, *deployment.labels, slo, *labels)


def token_capacities(world: World, deployment: Deployment) -> dict[str, float]:
    """Return tokens per hour at the estimated goodput capacity by SLO, at the mix that it was estimated for.

    requests/s x (prompt + output tokens of a request) x 3600. What is not estimated is left out.
    """
    found = {}
    for one in world.capacities:
        rate, prompt, output = one.capacity.estimate, one.capacity.prompt_tokens, one.capacity.output_tokens
        of_this = (one.server, one.model_name) == (deployment.server, deployment.model_name)
        if of_this and rate is not None and prompt is not None and output is not None and rate * (prompt + output) > 0:
            found[one.slo.name] = rate * (prompt + output) * SECONDS_PER_HOUR
    return found
