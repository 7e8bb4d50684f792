"""The first board: is the service good and what does it cost, then a row for each of the five dimensions."""

from __future__ import annotations

from boards import figures
from boards.dimensions import COMPUTATION, ENERGY, MEMORY, NEEDS_RECORDS, TIME
from boards.firing import firing, how_many_fire
from boards.kit import Board, Row, query, stat, target, timeseries
from boards.money import BY_SLO, MODEL, NEEDS_COST, cost_by_state, costs_of_1000_requests

_kept, _missed = figures.worst_attainment()
_attainment = figures.attainment()

MONEY = Row(
    "Is the service good, and what does it cost?",
    (
        stat(
            "Requests within the SLO",
            [
                query(_kept, "{{slo}}", ref="attainment_kept", instant=True),
                query(_missed, "{{slo}}", ref="attainment_missed", instant=True),
            ],
            unit="percentunit",
            decimals=1,
            span=6,
            names=True,
            needs=NEEDS_RECORDS,
            text="Share of the judged requests of the window that kept every threshold of the SLO; of several models, "
            "the worst one's. Green where it reaches the SLO's target, red below.",
        ),
        stat(
            "Error budget burn rate",
            [query(f"max by (slo) ({figures.burn_rate()})", "{{slo}}")],
            unit="suffix: x",
            decimals=1,
            span=6,
            names=True,
            steps={1: "red"},
            needs=NEEDS_RECORDS,
            text="Misses over the misses that the target allows: at 1 the budget is used up just in time, at 2 in half "
            "the time. Red above 1, which is where the target is missed. (1 - attainment) / (1 - target).",
        ),
        stat(
            "Cost per hour",
            [query(figures.cost_per_hour("component"), "all servers")],
            unit="currencyUSD",
            decimals=2,
            span=4,
            needs=NEEDS_COST,
            text="What all chosen servers cost each hour, working or not.",
        ),
        stat(
            "Cost of 1M output tokens",
            [query(figures.cost_per_million_output(), MODEL)],
            unit="currencyUSD",
            span=4,
            needs=NEEDS_COST,
            text="All cost, idle time included, charged to the generated tokens: $/hour / tokens per hour x 1,000,000.",
        ),
        how_many_fire(span=4),
        timeseries(
            "Requests within the SLO over time",
            [query(_attainment, BY_SLO), target(figures.slo_target(), BY_SLO)],
            unit="percentunit",
            most=1,
            span=9,
            height=9,
            needs=NEEDS_RECORDS,
            text="Good requests over judged requests, from counters, so that replicas add up. Dashed: the target.",
        ),
        timeseries(
            "Cost of 1M output tokens over time",
            [query(figures.cost_per_million_output(), MODEL)],
            unit="currencyUSD",
            span=8,
            height=9,
            needs=NEEDS_COST,
            text="Rises when traffic falls, because idle hours cost the same.",
        ),
        firing(span=7, height=9),
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
            span=8,
            height=9,
            logarithmic=True,
            needs=NEEDS_RECORDS,
            text="All cost charged to the requests that kept the SLO, beside the cost of any request. Where the lines "
            "part, money goes into requests that came too late. The scale is logarithmic.",
        ),
        timeseries(
            "Cost against the cheapest API",
            [query(f"{figures.cost_per_hour()} / ({figures.cheapest_api_cost_per_hour()} > 0)", MODEL)],
            unit="percentunit",
            span=8,
            height=9,
            needs="traffic, and a price of the GPUs (settings: economics)",
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
