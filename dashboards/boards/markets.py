"""Rows of the board of money: against APIs, by language, over time, and the age of the prices."""

from __future__ import annotations

from boards import figures
from boards.kit import Column, Row, query, select, table, timeseries, total_rate
from boards.money import NEEDS_COST

NEEDS_DAY = "a day of traffic to compare with"
API = "api_provider, api_model"
LISTED = {"vintage": "current", "status": "listed"}


def _per_api(series: str) -> str:
    """Return a figure by API; of several replicas, the greatest."""
    return f"max by ({API}) ({select(series, **LISTED)})"


_asked = f"sum by ({API}) ({select('pentameter_api_equivalent_cost_per_hour_dollars', **LISTED)})"
_own = f"sum({select('pentameter_cost_per_hour_dollars', component='total')})"


def _list_price(tokens: str) -> str:
    return f"max by ({API}) ({select('pentameter_api_price_dollars_per_million_tokens', tokens=tokens, **LISTED)})"


APIS = Row(
    "Against commercial APIs",
    (
        timeseries(
            "Own cost and what the cheapest API would ask",
            [
                query(_own, "own cost"),
                query(f"min({_asked})", "cheapest API"),
            ],
            unit="currencyUSD", decimals=2, span=10, height=12, needs="the shipped price book and traffic",
            text="Dollars per hour of all chosen servers, for the same tokens. Where the line of the API lies above, "
            "self-hosting is the cheaper. The quality of the models is not compared.",
        ),
        table(
            "APIs of today's price book",
            {"api_provider": "Provider", "api_model": "Model"},
            [
                Column("Input/1M", _list_price("input"), "currencyUSD", 2),
                Column("Output/1M", _list_price("output"), "currencyUSD", 2),
                Column("$/hour", _asked, "currencyUSD", 2),
                Column("Own / API", f"scalar({_own}) / ({_asked} > 0)", "percentunit", 0, {1: "red"}, "green"),
                Column("Break-even", _per_api("pentameter_break_even_tokens_per_month"), "short"),
            ],
            span=14, height=12, sort_by="Own / API", widths={"Provider": 120, "Model": 190},
            needs="the shipped price book and traffic",
            text="List prices, and what each API would ask per hour for this traffic; the cheapest first. Own / API: "
            "own cost over the API's. 100 %: both cost the same; above (red), the API is the cheaper. Break-even: "
            "tokens a month from which self-hosting is the cheaper, of the server that needs the most.",
        ),
    ),
)  # fmt: skip

_CAUSES = "model_name, cause"


def _drift(window: str, since: str) -> str:
    drift = select("pentameter_cost_drift_ratio", window=window, since=since)
    return f"max by ({_CAUSES}) ({drift}) - 1"


DRIFT = Row(
    "Drift: what changed, and why",
    (
        table(
            "Cost per token against the past, by cause",
            {"cause": "Cause", "model_name": "Model"},
            [
                Column("1 h to 1 d ago", _drift("1h", "1d"), "percentunit", 1),
                Column("1 d to 7 d ago", _drift("1d", "7d"), "percentunit", 1),
            ],
            span=8, height=9, needs=NEEDS_DAY, sort_by="1 h to 1 d ago", widths={"Cause": 85, "Model": 180},
            text="Change of the cost per generated token, and what each cause adds: idle time, smaller batches (load), "
            "slower requests (efficiency), price; all is what they make together. The last full hour against that hour "
            "a day before; the last 24 hours against those a week before. Of several servers, the greatest.",
        ),
        timeseries(
            "At the same load",
            [query(f"max by (model_name, quantity, against) ({select('pentameter_load_matched_ratio')}) - 1",
                   "{{quantity}} ({{against}}) {{model_name}}")],
            unit="percentunit", decimals=1, least=None, span=8, height=9,
            needs="three days of traffic, of which the last ended a day ago",
            text="The last 24 hours against the past at the same load: a change here is not the traffic's doing.",
        ),
        timeseries(
            "At capacity",
            [query(f"max by (model_name, slo, against) ({select('pentameter_cost_at_capacity_drift_ratio')}) - 1",
                   "{{slo}} ({{against}}) {{model_name}}")],
            unit="percentunit", decimals=1, least=None, span=8, height=9,
            needs="the goodput capacity, and days of the past to compare with",
            text="Change of what a token costs at the goodput capacity.",
        ),
    ),
)  # fmt: skip

_by_adapter = total_rate("pentameter_adapter_cost_dollars_total", "model_name, adapter", method="decode_tokens")
_adapters = (
    f"{_by_adapter} / on (model_name) group_left () "
    f"({total_rate('pentameter_cost_dollars_total')} > 0) * on (model_name) group_left () {figures.cost_per_hour()}"
)
_price = select("pentameter_gpu_price_per_hour_dollars")
_what = select("pentameter_gpu_price_info")


def _age(row: str) -> str:
    return f"time() - max by (table) ({select('pentameter_price_table_as_of_timestamp_seconds', row=row)})"


PRICES = Row(
    "Prices: what they are, and how old",
    (
        table(
            "Price of a GPU",
            {
                "model_name": "Model", "server": "Server", "origin": "Origin", "provider": "Provider",
                "gpu_type": "GPU", "pricing": "Pricing", "as_of": "As of",
            },
            [
                Column(
                    "$/hour",
                    "max by (model_name, server, origin, provider, gpu_type, pricing, as_of) "
                    f"({_what} * on ({figures.REPLICA}, engine) group_left () {_price})",
                    "currencyUSD",
                    2,
                )
            ],
            span=11, height=6, needs=NEEDS_COST, widths={"Model": 220},
            text="The price of one GPU for an hour that the cost is computed with, and where it is from.",
        ),
        table(
            "Age of the price tables",
            {"table": "Table"},
            [Column("Newest row", _age("newest"), "s"), Column("Oldest row", _age("oldest"), "s")],
            span=7, height=6, needs="the shipped price book",
            text="Time since the day that the newest and the oldest price of each table of the price book are of. "
            "Alerts tell of prices in use that are older than 90 days.",
        ),
        table(
            "Cost of adapters per hour",
            {"adapter": "Adapter", "model_name": "Model"},
            [Column("$/hour", _adapters, "currencyUSD", width=80)],
            span=6, height=6, needs="LoRA adapters, and the plugin inside vLLM", sort_by="$/hour",
            widths={"Model": 150},
            text="Cost of the servers divided by adapter, by the tokens that each decoded.",
        ),
    ),
)  # fmt: skip
