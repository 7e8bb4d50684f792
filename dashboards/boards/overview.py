"""The first board: is the service good and what does it cost, then a row for each of the five dimensions."""

from __future__ import annotations

from boards import figures
from boards.dimensions import COMPUTATION, ENERGY, MEMORY, NEEDS_RECORDS, TIME
from boards.kit import Board, Row, judged, query, stat, target, timeseries
from boards.money import BY_SLO, MODEL, NEEDS_COST, cost_by_state, costs_of_1000_requests

_attainment = figures.attainment()

MONEY = Row(
    "Service level and money",
    (
        stat(
            "Requests within the SLO",
            judged(_attainment, figures.slo_target(), BY_SLO, "attainment", most=False),
            unit="percentunit",
            decimals=1,
            names=True,
            graph=False,
            needs=NEEDS_RECORDS,
            text="Share of the judged requests that kept every threshold of the SLO, over the window. Green where it "
            "reaches the SLO's target, red below.",
        ),
        stat(
            "Error budget burn rate",
            [query(figures.burn_rate(), BY_SLO)],
            unit="short",
            decimals=2,
            names=True,
            steps={1: "orange", 2: "red"},
            needs=NEEDS_RECORDS,
            text="Misses over allowed misses: 1 uses the budget up exactly, 2 twice as fast. "
            "(1 - attainment) / (1 - target).",
        ),
        stat(
            "Cost per hour",
            [query(figures.cost_per_hour(), MODEL)],
            unit="currencyUSD",
            decimals=2,
            needs=NEEDS_COST,
            text="What the servers cost each hour, working or not.",
        ),
        stat(
            "Cost of 1M output tokens",
            [query(figures.cost_per_million_output(), MODEL)],
            unit="currencyUSD",
            decimals=3,
            needs=NEEDS_COST,
            text="All cost, idle time included, charged to the generated tokens: $/hour / tokens per hour x 1,000,000.",
        ),
        timeseries(
            "Requests within the SLO over time",
            [query(_attainment, BY_SLO), target(figures.slo_target(), BY_SLO)],
            unit="percentunit",
            most=1,
            needs=NEEDS_RECORDS,
            text="Good requests over judged requests, from counters, so that replicas add up. Dashed: the target.",
        ),
        timeseries(
            "Cost of 1M output tokens over time",
            [query(figures.cost_per_million_output(), MODEL)],
            unit="currencyUSD",
            decimals=3,
            needs=NEEDS_COST,
            text="Rises when traffic falls, because idle hours cost the same.",
        ),
    ),
)

ECONOMICS = Row(
    "5. Economics: where the money goes",
    (
        cost_by_state(span=8),
        timeseries(
            "Cost of 1,000 good requests",
            costs_of_1000_requests(),
            unit="currencyUSD",
            decimals=3,
            span=8,
            needs=NEEDS_RECORDS,
            text="All cost charged to the requests that kept the SLO, beside the cost of any request.",
        ),
        stat(
            "Self-hosting against the cheapest API",
            [query(f"{figures.cost_per_hour()} / ({figures.cheapest_api_cost_per_hour()} > 0)", MODEL)],
            unit="percentunit",
            decimals=0,
            span=8,
            height=8,
            steps={1: "red"},
            needs="the shipped price book and traffic",
            text="Cost of the servers over what the cheapest API of today's price book would ask for the same tokens: "
            "below 100 % self-hosting is the cheaper. The quality of the models is not compared.",
        ),
    ),
)

BOARD = Board(
    slug="overview",
    title="Overview",
    description="Does the service keep its SLO, what does it cost, and what do the five dimensions say of why.",
    rows=(MONEY, COMPUTATION, TIME, MEMORY, ENERGY, ECONOMICS),
)
