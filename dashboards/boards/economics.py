"""The board of money: what is paid, for what, by which method, against which API, and why it changed."""

from __future__ import annotations

from boards import figures
from boards.kit import Board, Column, Row, query, select, stat, table, timeseries, total_rate
from boards.languages import LANGUAGES
from boards.many import TOKENS, dearest, together
from boards.markets import APIS, DRIFT, LISTED, PRICES
from boards.money import BY_SLO, MODEL, NEEDS_COST, cost_by_state, costs_of_1000_requests

NEEDS_GOOD = "a price, an SLO and request records (plugin or spans)"
NEEDS_TRAFFIC = "a price and traffic"

_cost = select("pentameter_cost_per_hour_dollars", component="total")
_idle = f"sum({total_rate('pentameter_idle_cost_dollars_total')})"
_asleep = f"sum({total_rate('pentameter_asleep_cost_dollars_total')})"
_all_cost = f"sum({total_rate('pentameter_cost_dollars_total')})"
_asked = select("pentameter_api_equivalent_cost_per_hour_dollars", **LISTED)
_DAY = {"window": "1h", "since": "1d"}

NOW = Row(
    "What does it cost, per what, against what, and is that getting worse?",
    (
        stat(
            "Cost per hour",
            [query(f"sum({_cost})", "all chosen servers")],
            unit="currencyUSD", decimals=2, span=3, needs=NEEDS_COST,
            text="What all chosen servers cost each hour, working or not.",
        ),
        stat(
            "Cost per month",
            [query(f"sum({_cost}) * 730", "all chosen servers")],
            unit="currencyUSD", span=3, graph=False, needs=NEEDS_COST,
            text="The cost per hour of this moment x 730 hours.",
        ),
        stat(
            "Paid without work",
            [query(f"({_idle} + {_asleep}) / ({_all_cost} > 0)", "idle or asleep")],
            unit="percentunit", decimals=1, span=3, needs=NEEDS_COST,
            text="Share of all cost that was paid while no request ran, awake or asleep, over the window.",
        ),
        stat(
            "1M output tokens",
            [query(dearest(figures.cost_per_million_output()), MODEL)],
            unit="currencyUSD", span=3, needs=NEEDS_TRAFFIC,
            text="Cost of a million generated tokens: all cost, idle time included, over the tokens of the window. Of "
            "many models, the four dearest.",
        ),
        stat(
            "1,000 good requests",
            [query(f"max by (slo) ({figures.cost_per_good_request()}) * 1000", "{{slo}}")],
            unit="currencyUSD", span=4, needs=NEEDS_GOOD,
            text="All cost charged to the requests that kept the SLO: what a thousand satisfied users cost. By SLO; of "
            "many models, the dearest.",
        ),
        stat(
            "Own cost / API's",
            [query(f"sum({_cost}) / min(sum by (api_provider, api_model) ({_asked}) > 0)", "of the cheapest API")],
            unit="percentunit", decimals=0, span=3, steps={1: "red"}, needs="the shipped price book and traffic",
            text="Own cost over what the cheapest listed API would ask for the same tokens. 100 %: both cost the same; "
            "below, self-hosting is the cheaper; above (red), the API is. The quality of the models is not compared.",
        ),
        stat(
            "Dearer than a day ago, and why",
            [
                query(f"max({select('pentameter_cost_drift_ratio', cause='all', **_DAY)}) - 1", "per token"),
                query(f"topk(1, max by (cause) ({select('pentameter_cost_drift_ratio', cause='!=all', **_DAY)})) - 1",
                      "most by {{cause}}"),
                query("max(" + select("pentameter_load_matched_ratio", quantity="cost_per_token", against="rolling")
                      + ") - 1", "same load"),
            ],
            unit="percentunit", decimals=1, span=5, graph=False, names=True,
            needs="a day of traffic",
            text="Change of the cost per generated token in the last full hour against that hour of the day before; "
            "the cause that adds most (idle: less to do; load: smaller batches; efficiency: slower requests; price); "
            "and, after three days, the change at the same load, which is not the traffic's doing. Of several servers, "
            "the greatest.",
        ),
    ),
)  # fmt: skip

COST = Row(
    "Cost per hour",
    (
        timeseries(
            "Cost per hour by component",
            [query(f"sum by (component) ({select('pentameter_cost_per_hour_dollars', component='!=total')})",
                   "{{component}}")],
            unit="currencyUSD", decimals=2, stacked=True, height=10, needs=NEEDS_COST,
            text="All chosen servers: what the money is paid for. The components add up to the total.",
        ),
        cost_by_state(span=12, height=10),
    ),
)  # fmt: skip

_million = "pentameter_cost_per_million_tokens_dollars"


def _dearest(tokens: str) -> str:
    return f"max by (model_name, method) ({select(_million, tokens=tokens)})"


TOKENS_BY_METHOD = Row(
    "Cost of 1M tokens: there is no one right price of an input token",
    (
        table(
            "Cost of 1M tokens by method",
            {"method": "Method", "model_name": "Model"},
            [
                Column("Output", _dearest("output"), "currencyUSD"),
                Column("Input", _dearest("input"), "currencyUSD"),
                Column("Cached", _dearest("cached_input"), "currencyUSD"),
                Column("Any", _dearest("blended"), "currencyUSD"),
            ],
            span=10, height=11, sort_by="Output", widths={"Method": 110, "Model": 200}, needs=NEEDS_TRAFFIC,
            text="The same cost divided between input and output in different ways. output_only: all on the "
            "output; all_tokens: each token alike; gpu_time: by the time of the GPUs' steps; flops: by operations; "
            "request_time: by the time of requests; ratio: by configured ratios. Of several servers, the dearest.",
        ),
        timeseries(
            "Cost of 1M output tokens by method",
            [query(together(select(_million, tokens="output"), TOKENS, "model_name, method"),
                   "{{method}} {{model_name}}")],
            unit="currencyUSD", span=7, height=11, needs=NEEDS_TRAFFIC,
            text="output_only charges everything to the output; the others leave a share to the input.",
        ),
        timeseries(
            "Share of the cost that the input bears",
            [query(together(select("pentameter_cost_input_share_ratio"), _cost, "model_name, method"),
                   "{{method}} {{model_name}}")],
            unit="percentunit", most=1, span=7, height=11, needs=NEEDS_TRAFFIC,
            text="How each method divides the cost; the output bears the rest.",
        ),
    ),
)  # fmt: skip

_good_tokens = select("pentameter_goodput_tokens_per_second")
GOOD = Row(
    "Cost of good service",
    (
        timeseries(
            "Cost of 1,000 requests",
            costs_of_1000_requests(),
            unit="currencyUSD", span=8, height=9, logarithmic=True, needs=NEEDS_GOOD,
            text="Good ones kept the SLO and bear the cost of all. The gap to any is what those cost that missed it.",
        ),
        timeseries(
            "Cost of 1M good output tokens",
            [query(together(select("pentameter_cost_per_million_good_tokens_dollars"), _good_tokens,
                            "model_name, slo", "slo"), BY_SLO)],
            unit="currencyUSD", span=8, height=9, logarithmic=True, needs=NEEDS_GOOD,
            text="All cost charged to the output of requests that kept the SLO.",
        ),
        timeseries(
            "Cost of 1M output tokens at capacity",
            [query(f"max by (model_name, slo, bound) "
                   f"({select('pentameter_cost_per_million_tokens_at_capacity_dollars')})", f"{{{{bound}}}} {BY_SLO}")],
            unit="currencyUSD", span=8, height=9,
            needs="the goodput capacity, which is known after two hours of load",
            text="What a token would cost if the server carried as much as it can within the SLO. Of several servers, "
            "the dearest.",
        ),
    ),
)  # fmt: skip

BOARD = Board(
    slug="economics",
    title="Economics",
    description="What serving costs, what it is paid for, how it compares with buying tokens, and why it changed.",
    rows=(NOW, COST, TOKENS_BY_METHOD, GOOD, APIS, LANGUAGES, DRIFT, PRICES),
)
