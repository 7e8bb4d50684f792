"""What the board of time shows of latency and load: quantiles, parts, queues, distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards import figures
from boards.kit import (
    Row,
    heatmap,
    query,
    select,
    target,
    timeseries,
    total_rate,
)
from boards.many import foremost
from boards.money import MODEL
from boards.parts import RECORDS, WHO

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

_FINISHED = "finished requests in the window"
_STEP = "$__rate_interval"


def slowest(series: str, stat: str) -> str:
    """Return the statistic of each engine; of many, of those that were slowest in the time shown."""
    gauge = select(series, stat=stat, basis="histogram")
    return foremost(figures.of_engines(series, stat), gauge, "cluster, namespace, instance, engine")


def _threshold(objective: str) -> str:
    return f"max by (slo) ({select('pentameter_slo_threshold_seconds', objective=objective)})"


def _latency(title: str, quantity: str, text: str) -> dashboard.Panel:
    """Return a panel of one latency: quantiles over all requests of a model, and the SLOs' thresholds."""
    return timeseries(
        title,
        [
            query(figures.latency(quantity, 0.5), f"median {MODEL}"),
            query(figures.latency(quantity, 0.95), f"p95 {MODEL}"),
            query(figures.latency(quantity, 0.99), f"p99 {MODEL}"),
            target(_threshold(quantity), "{{slo}}"),
        ],
        unit="s",
        text=f"{text} 95 % of the requests are faster than p95. Dashed: the SLOs' thresholds. Without request records:"
        " the slowest replica's, from vLLM's own histograms.",
        span=8,
        height=9,
        needs=_FINISHED,
    )


LATENCY = Row(
    "Latency: how long requests take, and in what",
    (
        _latency("Time to first token", "ttft", "From arrival to the first token, queueing included."),
        _latency("Time per output token", "tpot", "The mean pace of a request after its first token."),
        _latency("End-to-end latency", "e2e", "From arrival to the last token."),
        timeseries(
            "Mean time of a request by part",
            [
                query(figures.mean_time("pentameter_queue_time_seconds", "window"), "queue"),
                query(figures.mean_time("pentameter_prefill_time_seconds", "window"), "prefill"),
                query(figures.mean_time("pentameter_decode_time_seconds", "window"), "decode"),
            ],
            unit="s",
            text="Mean over all finished requests of the choice. A growing queue asks for capacity, a growing"
            " prefill for computing, a growing decode for memory bandwidth or smaller batches.",
            span=8,
            height=9,
            stacked=True,
            needs=_FINISHED,
        ),
        timeseries(
            "Queue time p95 of each engine",
            [query(slowest("pentameter_queue_time_seconds", "p95"), WHO)],
            unit="s",
            text="From arrival until the engine takes the request up: 95 % wait no longer. Where one engine's queue is"
            " far longer than the others', requests are spread unevenly.",
            span=8,
            height=9,
            needs="request records, or queues long enough for vLLM's buckets to tell",
        ),
        timeseries(
            "Inter-token latency p95 of each engine",
            [
                query(slowest("pentameter_inter_token_latency_seconds", "p95"), WHO),
                target(_threshold("inter_token"), "{{slo}}"),
            ],
            unit="s",
            text="Between two outputs of a request; an SLO on it is on the longest gap.",
            span=8,
            height=9,
            needs=_FINISHED,
        ),
    ),
)


LOAD = Row(
    "Load: what comes in and what is worked on",
    (
        timeseries(
            "Running and waiting requests",
            [
                query(f"sum by (model_name) ({select('pentameter_requests_running')})", f"running {MODEL}"),
                query(f"sum by (model_name) ({select('pentameter_requests_waiting')})", f"waiting {MODEL}"),
            ],
            unit="short",
            text="Requests in the batches of all engines, and in their queues. Waiting ones mean that the engines are"
            " full.",
            span=8,
        ),
        timeseries(
            "Arrived, finished and aborted requests",
            [
                query(total_rate("pentameter_requests_arrived_total", span=_STEP), f"arrived {MODEL}"),
                query(f"sum by (model_name) ({select('pentameter_requests_per_second')})", f"finished {MODEL}"),
                query(total_rate("pentameter_requests_aborted_total", span=_STEP), f"aborted {MODEL}"),
            ],
            unit="reqps",
            text="Arrived and aborted as they come, finished over the window. vLLM's Python front end records no"
            " aborts: they are inferred, and a lower bound.",
            span=8,
        ),
        timeseries(
            "Token throughput",
            [
                query(
                    f"sum by (model_name, phase) ({select('pentameter_tokens_per_second')})",
                    "{{phase}} {{model_name}}",
                )
            ],
            unit="short",
            axis="tokens/s",
            decimals=1,
            text="prompt counts whole prompts with their cached part, prompt_computed what was computed here,"
            " generation the output.",
            span=8,
        ),
        timeseries(
            "Longest stall",
            [query(f"max by (model_name) ({select('pentameter_requests_stalled_seconds')})", MODEL)],
            unit="s",
            text="How long an engine has held requests without finishing one, the longest of all engines. A stall"
            " leaves no latency behind, because nothing finishes.",
        ),
        timeseries(
            "Preemptions",
            [query(total_rate("pentameter_preemptions_total", span=_STEP), MODEL)],
            unit="ops",
            text="Requests thrown out of the batch for lack of KV cache, per second; their users wait.",
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
