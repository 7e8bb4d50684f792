"""What the overview and the board of money share: the names of series, and figures that both show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards import figures
from boards.kit import query, timeseries

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.prometheus import Dataquery
    from grafana_foundation_sdk.models import dashboard

NEEDS_COST = "a price of the GPUs (settings: economics)"
MODEL = "{{model_name}}"
BY_SLO = "{{slo}} {{model_name}}"


def cost_by_state(span: int, height: int = 9) -> dashboard.Panel:
    """Return the graph of the cost per hour by what the servers did, stacked."""
    return timeseries(
        "Cost per hour by what the servers did",
        [
            query(f"sum ({figures.cost_per_hour_in_state(state)})", state)
            for state in ("active", "idle", "asleep", "unobserved")
        ],
        unit="currencyUSD",
        decimals=2,
        stacked=True,
        span=span,
        height=height,
        needs=NEEDS_COST,
        text="All chosen servers: money paid while requests ran, while none did (idle), while vLLM slept, and while it "
        "did not answer.",
    )


def costs_of_1000_requests() -> list[Dataquery]:
    """Return the queries of what 1,000 good requests cost, and 1,000 of any."""
    return [
        query(f"({figures.cost_per_good_request()}) * 1000", f"good {BY_SLO}"),
        query(f"({figures.cost_per_request()}) * 1000", f"any {MODEL}"),
    ]
