"""What the board of time shows of latency and load: quantiles, parts, queues, distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards.kit import (
    Row,
    heatmap,
    query,
    rate,
    select,
    target,
    timeseries,
)
from boards.parts import RECORDS, TOKENS_PER_SECOND, WHO

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard


def _threshold(objective: str) -> str:
    return f"max by (slo) ({select('pentameter_slo_threshold_seconds', objective=objective)})"


def _latency(title: str, metric: str, objective: str, text: str) -> dashboard.Panel:
    """Return a panel of one latency: quantiles by records, the histogram's beside them, and the SLOs' thresholds."""
    return timeseries(
        title,
        [
            query(select(metric, stat="=~p50|p95|p99", basis="requests"), f"{{{{stat}}}} {WHO}"),
            query(select(metric, stat="=~mean|p95", basis="histogram"), f"{{{{stat}}}}, histogram {WHO}"),
            target(_threshold(objective), "{{slo}}"),
        ],
        unit="s",
        text=text,
    )


def _mean_part(metric: str) -> str:
    """Return the mean over all finished requests of the selection: every engine's mean weighted by its requests."""
    finished = select("pentameter_requests_per_second")
    mean = select(metric, stat="mean", basis="histogram")
    weighted = f"sum ({mean} * ignoring (stat, basis) {finished})"
    return f"{weighted} / (sum ({finished}) > 0)"


LATENCY = Row(
    "Latency",
    (
        _latency("Time to first token", "pentameter_ttft_seconds", "ttft", "Queueing included."),
        _latency("Time per output token", "pentameter_tpot_seconds", "tpot", "Of finished requests, after the first."),
        _latency(
            "Inter-token latency",
            "pentameter_inter_token_latency_seconds",
            "inter_token",
            "Between two outputs of a request; an SLO on it is on the longest gap.",
        ),
        _latency("End-to-end latency", "pentameter_e2e_latency_seconds", "e2e", "From arrival to the last token."),
        timeseries(
            "Mean time of a request by part",
            [
                query(_mean_part("pentameter_queue_time_seconds"), "queue"),
                query(_mean_part("pentameter_prefill_time_seconds"), "prefill"),
                query(_mean_part("pentameter_decode_time_seconds"), "decode"),
            ],
            unit="s",
            text="Mean over all finished requests of the chosen engines. A growing queue asks for capacity, a growing"
            " prefill for computing, a growing decode for memory bandwidth or smaller batches.",
            stacked=True,
        ),
        timeseries(
            "Queue time",
            [
                query(
                    select("pentameter_queue_time_seconds", stat="=~p50|p95|p99", basis="requests"),
                    f"{{{{stat}}}} {WHO}",
                ),
                query(
                    select("pentameter_queue_time_seconds", stat="=~mean|p95", basis="histogram"),
                    f"{{{{stat}}}}, histogram {WHO}",
                ),
            ],
            unit="s",
        ),
    ),
)


LOAD = Row(
    "Load",
    (
        timeseries(
            "Running and waiting requests",
            [
                query(select("pentameter_requests_running"), f"running {WHO}"),
                query(select("pentameter_requests_waiting"), f"waiting {WHO}"),
            ],
            unit="short",
        ),
        timeseries(
            "Arrived, finished and aborted requests",
            [
                query(rate("pentameter_requests_arrived_total"), f"arrived {WHO}"),
                query(select("pentameter_requests_per_second"), f"finished {WHO}"),
                query(rate("pentameter_requests_aborted_total"), f"aborted {WHO}"),
            ],
            unit="reqps",
            text="vLLM's Python front end records no aborts: they are inferred, and a lower bound.",
        ),
        timeseries(
            "Token throughput",
            [query(select("pentameter_tokens_per_second"), f"{{{{phase}}}} {WHO}")],
            unit=TOKENS_PER_SECOND,
            text="prompt counts whole prompts with their cached part, prompt_computed what was computed here.",
        ),
        timeseries(
            "Stall",
            [query(select("pentameter_requests_stalled_seconds"), WHO)],
            unit="s",
            text="How long requests have been held without one finishing. A stall leaves no latency behind.",
            span=6,
        ),
        timeseries(
            "Preemptions",
            [query(rate("pentameter_preemptions_total"), WHO)],
            unit="ops",
            text="Requests thrown out of the batch for lack of KV cache, per second; their users wait.",
            span=6,
        ),
    ),
)


DISTRIBUTIONS = Row(
    "Distributions, from request records",
    tuple(
        heatmap(
            title,
            f"sum by (le) (increase({select(metric)}[$__rate_interval]))",
            unit=unit,
            text=f"How many requests finished, by {told}.",
            needs=RECORDS,
        )
        for title, metric, unit, told in (
            ("Time to first token, all requests", "pentameter_request_ttft_seconds_bucket", "s", "their TTFT"),
            ("Time per output token, all requests", "pentameter_request_tpot_seconds_bucket", "s", "their TPOT"),
            ("End-to-end latency, all requests", "pentameter_request_e2e_seconds_bucket", "s", "their whole time"),
            ("Closeness to the SLO", "pentameter_slo_score_ratio_bucket", "none", "their worst latency over its limit"),
        )
    ),
)
