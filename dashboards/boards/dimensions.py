"""Rows of the overview: computation, time, memory, energy and carbon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards import figures
from boards.kit import Row, bars, query, select, target, timeseries
from boards.money import BY_SLO, MODEL

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

NEEDS_RECORDS = "an SLO and request records (Pentameter's vLLM plugin, or OpenTelemetry spans)"
NEEDS_MODEL = "the model's configuration and a GPU of the specification table"
NEEDS_ENERGY = "NVML or DCGM readings of the GPUs"
NEEDS_WINDOW = "scraped for a whole window"

_precision = select("pentameter_roofline_ridge_flops_per_byte", precision="16bit")
COMPUTATION = Row(
    "1. Computation: how much of the GPUs' arithmetic is used",
    (
        timeseries(
            "Model FLOPs utilisation (MFU)",
            [
                query(figures.mfu(), "{{phase}} ({{basis}}) {{model_name}}"),
            ],
            unit="percentunit",
            stacked=True,
            span=8,
            needs=NEEDS_MODEL,
            text="Share of the GPUs' dense peak that the model's own operations took, idle time included; prefill and "
            "decode add up. Engines are weighted by the peak of their GPU.",
        ),
        timeseries(
            "Arithmetic intensity against the ridge",
            [
                query(figures.intensity(), "{{phase}} {{model_name}}"),
                target(f"max by (model_name) ({_precision})", "ridge at 16 bits {{model_name}}"),
            ],
            unit="none",
            axis="FLOP per byte",
            logarithmic=True,
            span=8,
            needs=NEEDS_MODEL,
            text="Operations per byte moved. Above the dashed ridge the arithmetic limits, below it the memory.",
        ),
        timeseries(
            "Tokens per second",
            [query(f"sum by (model_name, phase) ({select('pentameter_tokens_per_second')})",
                   "{{phase}} {{model_name}}")],
            unit="short",
            span=8,
            axis="tokens/s",
            text="prompt: whole prompts; prompt_computed: without what the prefix cache supplied; generation: output.",
        ),
    ),
)  # fmt: skip


def _threshold(objective: str) -> str:
    return f"max by (model_name, slo) ({select('pentameter_slo_threshold_seconds', objective=objective)})"


def _latency(title: str, quantity: str, meaning: str) -> dashboard.Panel:
    return timeseries(
        title,
        [
            query(figures.latency(quantity, 0.5), f"median {MODEL}"),
            query(figures.latency(quantity, 0.95), f"p95 {MODEL}"),
            target(_threshold(quantity), BY_SLO),
        ],
        unit="s",
        span=8,
        text=f"{meaning} Half of the requests are faster than the median, 95 % faster than p95. Dashed: the SLO's "
        "threshold. Without request records: the slowest replica's, from vLLM's own histograms.",
    )


_offered = select("pentameter_offered_requests_per_second")
_capacity = select("pentameter_goodput_capacity_requests_per_second", bound="=~estimate|lower")
TIME = Row(
    "2. Time: how long requests wait",
    (
        _latency("Time to first token", "ttft", "From arrival to the first token."),
        _latency("Time per output token", "tpot", "Mean time between the tokens of a request after the first."),
        timeseries(
            "Goodput",
            [
                query(f"sum by (model_name) ({_offered})", f"offered {MODEL}"),
                query(f"sum by (model_name, slo) ({select('pentameter_goodput_requests_per_second')})",
                      f"good {BY_SLO}"),
                query(f"sum by (model_name, slo, bound) ({_capacity})", f"capacity ({{{{bound}}}}) {BY_SLO}"),
            ],
            unit="reqps",
            span=8,
            needs=NEEDS_RECORDS,
            text="Requests that arrive, those served within the SLO, and the most that could be (capacity: appears "
            "after twenty spans of traffic, some two hours).",
        ),
    ),
)  # fmt: skip

MEMORY = Row(
    "3. Memory: what fills and what moves",
    (
        timeseries(
            "KV cache in use",
            [query(f"max by (model_name, instance, engine) ({select('pentameter_kv_cache_usage_ratio')})",
                   "{{instance}} engine {{engine}} {{model_name}}")],
            unit="percentunit",
            most=1,
            span=8,
            text="Share of the blocks that hold running requests. Near 1, requests wait or are preempted.",
        ),
        timeseries(
            "Memory bandwidth utilisation (MBU)",
            [
                query(figures.mbu(), "{{phase}} ({{basis}}) {{model_name}}"),
            ],
            unit="percentunit",
            stacked=True,
            span=8,
            needs=NEEDS_MODEL,
            text="Bytes of weights and KV cache moved over what the memory could move, idle time included.",
        ),
        bars(
            "What fills the GPUs' memory",
            [
                query(f"sum by (model_name) ({select('pentameter_weights_bytes')})", f"weights {MODEL}",
                      instant=True),
                query(f"sum by (model_name, state) ({select('pentameter_kv_cache_bytes')})",
                      f"KV {{{{state}}}} {MODEL}", instant=True),
                query(f"sum by (model_name) ({select('pentameter_gpu_memory_overhead_bytes')})", f"overhead {MODEL}",
                      instant=True),
            ],
            unit="bytes",
            span=8,
            needs="the model's configuration and NVML",
            text="KV capacity is what was set aside at start; allocated, live and wasted are parts of it.",
        ),
    ),
)  # fmt: skip

ENERGY = Row(
    "4. Energy and carbon: what it draws",
    (
        timeseries(
            "Power",
            [query(f"sum by (model_name, component) ({select('pentameter_power_watts')})",
                   "{{component}} {{model_name}}")],
            unit="watt",
            stacked=True,
            span=8,
            needs=NEEDS_ENERGY,
            text="GPUs, their host's part, and what the building adds (PUE).",
        ),
        timeseries(
            "Energy per output token",
            [query(figures.energy_per_output_token(), MODEL)],
            unit="joule",
            span=8,
            needs=f"{NEEDS_ENERGY}, {NEEDS_WINDOW}",
            text="All components that are known, idle time included: watts / generated tokens per second.",
        ),
        timeseries(
            "Carbon per 1M output tokens",
            [query(figures.carbon_per_million_output(), MODEL)],
            unit="massg",
            span=8,
            needs=f"the grid's region or intensity (settings: carbon), {NEEDS_WINDOW}",
            text="Grams of CO2-equivalent, of electricity and of making the hardware.",
        ),
    ),
)  # fmt: skip
