"""The board of time: does the service keep its promises, what does it miss, and how much more can it carry?"""

from __future__ import annotations

from boards.kit import (
    Board,
    Row,
    judged,
    query,
    ratio,
    select,
    stat,
    total_rate,
)
from boards.latency import DISTRIBUTIONS, LATENCY, LOAD
from boards.parts import ESTIMATE, RECORDS
from boards.promises import DETAILS, PROMISE

_KEPT = ratio(
    total_rate("pentameter_slo_requests_total", by="slo", verdict="good"),
    total_rate("pentameter_slo_requests_total", by="slo"),
)


def _quantile(metric: str, which: str = "p95") -> str:
    """Return the worst engine's quantile: from request records where there are any, else from vLLM's histograms."""
    by_records = select(metric, stat=which, basis="requests")
    return f"max({by_records}) or max({select(metric, stat=which, basis='histogram')})"


FINE = Row(
    "Is it fine?",
    (
        stat(
            "SLO attainment",
            judged(
                _KEPT, f"on (slo) max by (slo) ({select('pentameter_slo_target_ratio')})", "{{slo}}", "slo", most=False
            ),
            unit="percentunit",
            text="Share of the judged requests that kept every threshold. Green where it reaches the SLO's target.",
            span=5,
            decimals=1,
            needs=RECORDS,
            names=True,
        ),
        stat(
            "Goodput",
            [query(f"sum by (slo) ({select('pentameter_goodput_requests_per_second')})", "{{slo}}")],
            unit="reqps",
            text="Requests per second that kept the SLO, all chosen engines together.",
            span=4,
            decimals=2,
            needs=RECORDS,
            names=True,
        ),
        stat(
            "TTFT p95, slowest engine",
            [query(_quantile("pentameter_ttft_seconds"), "p95")],
            unit="s",
            text="Time to first token.",
            span=4,
        ),
        stat(
            "TPOT p95, slowest engine",
            [query(_quantile("pentameter_tpot_seconds"), "p95")],
            unit="s",
            text="Time per output token after the first.",
            span=4,
        ),
        stat(
            "Waiting requests",
            [query(f"sum ({select('pentameter_requests_waiting')})", "waiting")],
            unit="short",
            text="Requests in the queues of all chosen engines.",
            span=3,
            decimals=0,
        ),
        stat(
            "Load on the capacity",
            [query(f"max by (slo) ({select('pentameter_goodput_load_ratio', bound='estimate')})", "{{slo}}")],
            unit="percentunit",
            text="Offered rate over the estimated goodput capacity: above 100 % the SLO cannot be kept.",
            span=4,
            decimals=0,
            steps={0.8: "orange", 1.0: "red"},
            needs=ESTIMATE,
            names=True,
        ),
    ),
)


BOARD = Board(
    slug="time",
    title="Time and goodput",
    description="Whether the SLOs are kept, which threshold is missed, where a request's time goes, and how much more"
    " load fits.",
    rows=(FINE, PROMISE, LATENCY, LOAD, DISTRIBUTIONS, DETAILS),
)
