"""The board of time: does the service keep its promises, what does it miss, and how much more can it carry?"""

from __future__ import annotations

from boards import figures
from boards.each_engine import BY_REPLICA
from boards.kit import Board, Row, query, select, stat
from boards.latency import DISTRIBUTIONS, LATENCY, LOAD
from boards.parts import ESTIMATE, RECORDS
from boards.promises import DETAILS, PROMISE

_kept, _missed = figures.worst_attainment()

FINE = Row(
    "Is it fine?",
    (
        stat(
            "SLO attainment",
            [
                query(_kept, "{{slo}}", ref="attainment_kept", instant=True),
                query(_missed, "{{slo}}", ref="attainment_missed", instant=True),
            ],
            unit="percentunit",
            text="Share of the judged requests of the window that kept every threshold; of several models, the worst "
            "one's. Green where it reaches the SLO's target, red below.",
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
            decimals=1,
            needs=RECORDS,
            names=True,
        ),
        stat(
            "TTFT p95, worst model",
            [query(f"max ({figures.latency('ttft', 0.95)})", "p95")],
            unit="s",
            text="Time to first token: 95 % of the requests wait no longer, queue included.",
            span=4,
            needs="finished requests in the window",
        ),
        stat(
            "TPOT p95, worst model",
            [query(f"max ({figures.latency('tpot', 0.95)})", "p95")],
            unit="s",
            text="Time per output token after the first: the pace at which an answer appears.",
            span=4,
            needs="finished requests in the window",
        ),
        stat(
            "Waiting",
            [query(f"sum ({select('pentameter_requests_waiting')})", "waiting")],
            unit="short",
            text="Requests in the queues of all chosen engines, now.",
            span=3,
            decimals=0,
        ),
        stat(
            "Load",
            [query(f"max by (slo) ({select('pentameter_goodput_load_ratio', bound='estimate')})", "{{slo}}")],
            unit="percentunit",
            text="Offered rate over the estimated goodput capacity, of the replica nearest to its limit: above 100 % "
            "the SLO cannot be kept. Known after about two hours of traffic near the limit.",
            span=4,
            decimals=0,
            steps={1.0: "red"},
            needs=ESTIMATE,
        ),
    ),
)


BOARD = Board(
    slug="time",
    title="Time and goodput",
    description="Whether the SLOs are kept, which threshold is missed, where a request's time goes, and how much more"
    " load fits.",
    rows=(FINE, PROMISE, LATENCY, LOAD, DISTRIBUTIONS, BY_REPLICA, DETAILS),
)
