"""The board of money: what is paid, for what, by which method, against which API, and why it changed."""

from __future__ import annotations

from boards import figures
from boards.kit import Board, Row, bars, query, select, stat, timeseries, total_rate
from boards.markets import APIS, DRIFT, LANGUAGES, PRICES
from boards.money import BY_SLO, MODEL, NEEDS_COST, cost_by_state, costs_of_1000_requests

NEEDS_GOOD = "a price, an SLO and request records (plugin or spans)"
NEEDS_TRAFFIC = "a price and traffic"


def _sum(series: str, by: str = "model_name", **matchers: str | None) -> str:
    return f"sum by ({by}) ({select(series, **matchers)})"


_idle = total_rate("pentameter_idle_cost_dollars_total")
_asleep = total_rate("pentameter_asleep_cost_dollars_total")
_all_cost = total_rate("pentameter_cost_dollars_total")

NOW = Row(
    "Now",
    (
        stat(
            "Cost per hour",
            [query(figures.cost_per_hour(), MODEL)],
            unit="currencyUSD", decimals=2, needs=NEEDS_COST,
            text="What the servers cost each hour, working or not.", span=4,
        ),
        stat(
            "Cost per month at this rate",
            [query(f"{figures.cost_per_hour()} * 730", MODEL)],
            unit="currencyUSD", decimals=2, needs=NEEDS_COST, graph=False,
            text="Cost per hour x 730 hours.", span=4,
        ),
        stat(
            "Share of the money that idles",
            [query(f"({_idle} + {_asleep}) / ({_all_cost} > 0)", MODEL)],
            unit="percentunit", decimals=1, needs=NEEDS_COST, steps={0.3: "orange", 0.6: "red"},
            text="Cost paid while no request ran, awake or asleep, over all cost, over the window.", span=4,
        ),
        stat(
            "Cost of 1M output tokens",
            [query(figures.cost_per_million_output(), MODEL)],
            unit="currencyUSD", decimals=3, needs=NEEDS_TRAFFIC,
            text="All cost, idle time included, over the generated tokens.", span=4,
        ),
        stat(
            "Cost of 1,000 requests",
            [query(f"({figures.cost_per_request()}) * 1000", MODEL)],
            unit="currencyUSD", decimals=3, needs=NEEDS_TRAFFIC,
            text="Cost per finished request x 1,000.", span=4,
        ),
        stat(
            "Cost of 1,000 good requests",
            [query(f"({figures.cost_per_good_request()}) * 1000", "{{slo}}")],
            unit="currencyUSD", decimals=3, needs=NEEDS_GOOD,
            text="All cost charged to the requests that kept the SLO, x 1,000.", span=4,
        ),
    ),
)  # fmt: skip

COST = Row(
    "Cost per hour",
    (
        timeseries(
            "Cost per hour by component",
            [
                query(_sum("pentameter_cost_per_hour_dollars", "model_name, component", component="!=total"),
                      "{{component}} {{model_name}}"),
            ],
            unit="currencyUSD", decimals=2, stacked=True, needs=NEEDS_COST,
            text="What the money is paid for; the components add up to the total.",
        ),
        cost_by_state(span=12),
    ),
)  # fmt: skip

_METHODS = "model_name, tokens, method"
_million = f"max by ({_METHODS}) ({select('pentameter_cost_per_million_tokens_dollars')})"
TOKENS = Row(
    "Cost of 1M tokens, by method",
    (
        bars(
            "Cost of 1M tokens by method",
            [query(_million, "{{method}}: {{tokens}}", instant=True)],
            unit="currencyUSD", decimals=3, span=8, height=10, needs=NEEDS_TRAFFIC,
            text="The same cost divided between input and output in different ways: there is no one right price of an "
            "input token. Of several replicas, the dearest.",
        ),
        timeseries(
            "Cost of 1M output tokens by method",
            [
                query(f"max by ({_METHODS}) ({select('pentameter_cost_per_million_tokens_dollars', tokens='output')})",
                      "{{method}} {{model_name}}"),
            ],
            unit="currencyUSD", decimals=3, span=8, height=10, needs=NEEDS_TRAFFIC,
            text="output_only charges everything to the output. Of several replicas, the dearest.",
        ),
        timeseries(
            "Share of the cost that the input bears",
            [query(f"max by (model_name, method) ({select('pentameter_cost_input_share_ratio')})",
                   "{{method}} {{model_name}}")],
            unit="percentunit", most=1, span=8, height=10, needs=NEEDS_TRAFFIC,
            text="How each method divides the cost. Of several replicas, the greatest share.",
        ),
    ),
)  # fmt: skip

GOOD = Row(
    "Cost of good service",
    (
        timeseries(
            "Cost of 1,000 requests",
            costs_of_1000_requests(),
            unit="currencyUSD", decimals=3, span=8, needs=NEEDS_GOOD,
            text="The gap is what requests cost that missed the SLO.",
        ),
        timeseries(
            "Cost of 1M good output tokens",
            [query(f"max by (model_name, slo) ({select('pentameter_cost_per_million_good_tokens_dollars')})", BY_SLO)],
            unit="currencyUSD", decimals=3, span=8, logarithmic=True, needs=NEEDS_GOOD,
            text="All cost charged to the output of requests that kept the SLO. Of several replicas, the dearest.",
        ),
        timeseries(
            "Cost of 1M output tokens at capacity",
            [
                query(f"max by (model_name, slo, bound) "
                      f"({select('pentameter_cost_per_million_tokens_at_capacity_dollars')})",
                      f"{{{{bound}}}} {BY_SLO}"),
            ],
            unit="currencyUSD", decimals=3, span=8,
            needs="the goodput capacity: some two hours of traffic near the limit",
            text="What a token would cost if the server carried as much as it can within the SLO.",
        ),
    ),
)  # fmt: skip

BOARD = Board(
    slug="economics",
    title="Economics",
    description="What serving costs, what it is paid for, how it compares with buying tokens, and why it changed.",
    rows=(NOW, COST, TOKENS, GOOD, APIS, LANGUAGES, DRIFT, PRICES),
)
