"""The row of single engines under the board of time: attainment, goodput and latency of each."""

from __future__ import annotations

from boards.kit import Row, query, select, target, timeseries
from boards.latency import slowest
from boards.many import CROWD
from boards.parts import RECORDS, TOKENS_PER_SECOND, WHO
from boards.replicas import EACH

_CAPACITY = "pentameter_goodput_capacity_requests_per_second"
_GOODPUT = select("pentameter_goodput_requests_per_second")


def _lowest(attainment: str) -> str:
    """Return those lines of an attainment that fell lowest in the time shown: the same ones all along."""
    labels = "cluster, namespace, instance, engine, slo"
    least = f"min by ({labels}) (min_over_time({attainment}[$__range] @ end()))"
    return f"{attainment} and on ({labels}) bottomk({CROWD}, {least})"


BY_REPLICA = Row(
    EACH,
    (
        timeseries(
            "SLO attainment of each engine",
            [
                query(_lowest(select("pentameter_slo_attainment_ratio", bound="exact")), f"{{{{slo}}}} exact {WHO}"),
                query(
                    _lowest(select("pentameter_slo_attainment_ratio", bound="=~lower|upper")),
                    f"{{{{slo}}}} {{{{bound}}}} {WHO}",
                ),
                target(f"max by (slo) ({select('pentameter_slo_target_ratio')})", "{{slo}}"),
            ],
            unit="percentunit",
            text="Of many engines, those that fell lowest. The bounds come from vLLM's histograms and need no request "
            "records: the truth lies between them. The exact figure may lie slightly outside, for vLLM's page is read "
            "at other moments than the records come.",
            height=12,
            most=1,
            needs="an SLO, and traffic in the window",
        ),
        timeseries(
            "Goodput of each engine",
            [
                query(_GOODPUT, f"good {{{{slo}}}} {WHO}"),
                query(select("pentameter_offered_requests_per_second"), f"offered {WHO}"),
                query(select(_CAPACITY, bound="=~lower|upper"), f"capacity {{{{slo}}}}, {{{{bound}}}} {WHO}"),
                target(select(_CAPACITY, bound="estimate"), f"capacity {{{{slo}}}} {WHO}"),
            ],
            unit="reqps",
            text="The load of each, what it serves within the SLO, and what it could. Capacities come after about two "
            "hours of traffic near the limit.",
            height=12,
        ),
        timeseries(
            "TTFT p95 of each engine",
            [query(slowest("pentameter_ttft_seconds", "p95"), WHO)],
            unit="s",
            text="Time to first token, of the slowest engines. From request records, or else from vLLM's histograms.",
        ),
        timeseries(
            "TPOT p95 of each engine",
            [query(slowest("pentameter_tpot_seconds", "p95"), WHO)],
            unit="s",
            text="Time per output token, of the slowest engines. From request records, or else from vLLM's histograms.",
        ),
        timeseries(
            "Goodput within bounds",
            [query(select("pentameter_goodput_bound_requests_per_second"), f"{{{{slo}}}} {{{{bound}}}} {WHO}")],
            unit="reqps",
            text="From vLLM's histograms, for servers without request records: the truth lies between the two.",
            height=9,
            needs="an SLO",
        ),
        timeseries(
            "Good output tokens",
            [
                query(select("pentameter_goodput_tokens_per_second"), f"{{{{slo}}}} {WHO}"),
                query(select("pentameter_goodput_per_gpu_tokens_per_second"), f"{{{{slo}}}} per GPU {WHO}"),
            ],
            unit=TOKENS_PER_SECOND,
            text="Output tokens of the requests that kept the SLO.",
            decimals=0,
            height=9,
            needs=RECORDS,
        ),
    ),
    collapsed=True,
)
