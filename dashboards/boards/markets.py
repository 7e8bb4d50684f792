"""Rows of the board of money: against APIs, by language, over time, and the age of the prices."""

from __future__ import annotations

from boards import figures
from boards.kit import Column, Row, bars, query, select, table, timeseries, total_rate
from boards.money import MODEL, NEEDS_COST

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
                query(figures.cost_per_hour(), f"own {MODEL}"),
                query(figures.cheapest_api_cost_per_hour(), f"cheapest API {MODEL}"),
            ],
            unit="currencyUSD", decimals=2, span=10, height=12, needs="the shipped price book and traffic",
            text="Dollars per hour for the same tokens. The quality of the models is not compared.",
        ),
        table(
            "APIs of today's price book",
            {"api_provider": "Provider", "api_model": "Model"},
            [
                Column("Input, $/1M", _list_price("input"), "currencyUSD", 2),
                Column("Output, $/1M", _list_price("output"), "currencyUSD", 2),
                Column("This traffic, $/hour", _asked, "currencyUSD", 2),
                Column("Own / API", f"scalar({_own}) / ({_asked} > 0)", "percentunit", 0, {1: "red"}),
                Column("Break-even/month", _per_api("pentameter_break_even_tokens_per_month"), "short", 1),
            ],
            span=14, height=12, sort_by="This traffic, $/hour", needs="the shipped price book and traffic",
            text="What each API would ask for the traffic of the chosen models, and the tokens a month from which "
            "self-hosting is the cheaper. Own / API: own cost over the API's; below 100 % own is cheaper.",
        ),
    ),
)  # fmt: skip

_WORDS = select("pentameter_cost_per_thousand_words_dollars", tokens="blended")

LANGUAGES = Row(
    "Languages",
    (
        bars(
            "Cost of 1M words by language",
            [query(f"max by (language) ({_WORDS}) * 1000", "{{language}}", instant=True)],
            unit="currencyUSD", decimals=3, height=12, span=12, needs="vLLM's /tokenize and a price",
            text="The same content, which is a million words in English, in each language.",
        ),
        bars(
            "Extra cost against English",
            [query(f"max by (language) ({select('pentameter_language_extra_cost_ratio')})", "{{language}}",
                   instant=True)],
            unit="percentunit", decimals=0, least=None, height=12, span=12, needs="vLLM's /tokenize",
            text="How many more tokens the served model's tokenizer makes of the same content than of English.",
        ),
    ),
)  # fmt: skip

_CAUSES = "model_name, window, since, cause"
_drift = f"max by ({_CAUSES}) ({select('pentameter_cost_drift_ratio', window=None)}) - 1"
DRIFT = Row(
    "Drift: what changed, and why",
    (
        bars(
            "Cost per token against the past, by cause",
            [query(_drift, "{{window}} against {{since}} ago: {{cause}}", instant=True)],
            unit="percentunit", decimals=1, least=None, span=8, needs=NEEDS_DAY,
            text="Change of the cost per generated token, and what each cause adds: idle time, smaller batches (load), "
            "slower requests (efficiency), price. The factors multiply to all. Of several replicas, the greatest.",
        ),
        timeseries(
            "At the same load",
            [query(f"max by (model_name, quantity, against) ({select('pentameter_load_matched_ratio')}) - 1",
                   "{{quantity}} ({{against}}) {{model_name}}")],
            unit="percentunit", decimals=1, least=None, span=8,
            needs="three days of traffic, of which the last ended a day ago",
            text="The last 24 hours against the past at the same load: a change here is not the traffic's doing.",
        ),
        timeseries(
            "At capacity",
            [query(f"max by (model_name, slo, against) ({select('pentameter_cost_at_capacity_drift_ratio')}) - 1",
                   "{{slo}} ({{against}}) {{model_name}}")],
            unit="percentunit", decimals=1, least=None, span=8, needs="the goodput capacity and a day of the past",
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
            span=12, height=6, needs=NEEDS_COST,
            text="The price of one GPU for an hour that the cost is computed with, and where it is from.",
        ),
        bars(
            "Age of the price tables",
            [
                query(f"time() - min by (table, row) ({select('pentameter_price_table_as_of_timestamp_seconds')})",
                      "{{table}}: {{row}} row", instant=True),
                query(f"time() - min by (model_name) ({select('pentameter_gpu_price_as_of_timestamp_seconds')})",
                      "GPU price of {{model_name}}", instant=True),
            ],
            unit="s", span=6, height=6, steps={90 * 86400: "orange", 365 * 86400: "red"}, base="green",
            text="Time since the day that the oldest and the newest row of each table are of.",
        ),
        bars(
            "Cost of adapters per hour",
            [query(_adapters, "{{adapter}} {{model_name}}", instant=True)],
            unit="currencyUSD", decimals=2, span=6, height=6, needs="LoRA adapters and the plugin",
            text="Cost of the server divided by adapter, by the tokens that each decoded.",
        ),
    ),
)  # fmt: skip
