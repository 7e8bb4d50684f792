"""Rows of the overview: computation, time, memory, energy and carbon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards import figures
from boards.kit import Row, bars, query, select, target, timeseries
from boards.kv_cache import in_use
from boards.money import BY_SLO, MODEL
from boards.parts import of_gpus

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

NEEDS_RECORDS = "an SLO and request records (Pentameter's vLLM plugin, or OpenTelemetry spans)"
NEEDS_MODEL = "the model's configuration and a GPU of the specification table"
NEEDS_ENERGY = "NVML or DCGM readings of the GPUs"

_precision = select("pentameter_roofline_ridge_flops_per_byte", precision="16bit")
COMPUTATION = Row(
    "1. Computation: how much of the GPUs' arithmetic is used",
    (
        timeseries(
            "Model FLOPs utilisation (MFU)",
            [
                query(figures.mfu("model_name, phase", basis="model"), "{{phase}} {{model_name}}"),
            ],
            unit="percentunit",
            span=8,
            needs=NEEDS_MODEL,
            text="Share of the GPUs' dense peak that the model's own operations took, idle time included. Engines "
            "are weighted by the peak of their GPU. A server that mostly decodes has a low MFU by nature.",
        ),
        timeseries(
            "Arithmetic intensity against the ridge",
            [
                query(figures.intensity(), "{{phase}} {{model_name}}"),
                target(f"max by (model_name) ({_precision})", "ridge at 16 bits {{model_name}}"),
            ],
            unit="short",
            decimals=0,
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
            decimals=1,
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
        height=9,
        text=f"{meaning} Half of the requests are faster than the median, 95 % faster than p95. Dashed: the SLO's "
        "threshold. Without request records: the slowest replica's, from vLLM's own histograms.",
    )


_offered = select("pentameter_offered_requests_per_second")
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
                target(figures.capacity("estimate"), f"capacity {BY_SLO}"),
            ],
            unit="reqps",
            span=8,
            height=9,
            text="Requests that arrive, those served within the SLO (from request records), and, dashed, the most that "
            "could be. The capacity is known after about two hours of traffic near the limit, and drawn once it is "
            "known of every replica.",
        ),
    ),
)  # fmt: skip


def _gpus(what: str) -> str:
    return f"sum ({of_gpus(f'pentameter_gpu_memory_{what}_bytes')})"


def _cache(state: str) -> str:
    return f"sum ({select('pentameter_kv_cache_bytes', state=state)})"


MEMORY_PARTS = {
    "weights": f"sum ({select('pentameter_weights_bytes')})",
    "KV cache, live": _cache("live"),
    "KV cache, wasted": _cache("wasted"),
    "KV cache, free": f"{_cache('capacity')} - {_cache('allocated')}",
    "other": f"sum ({select('pentameter_gpu_memory_overhead_bytes', basis='model')})",
    "unused": f"{_gpus('total')} - {_gpus('used')}",
}
MEMORY = Row(
    "3. Memory: what fills and what moves",
    (
        in_use(
            "Share of the blocks that hold running requests. Near 100 %, requests wait or are preempted. Where "
            "the fullest engine is far above all together, requests are spread unevenly."
        ),
        timeseries(
            "Memory bandwidth utilisation (MBU)",
            [
                query(figures.mbu("model_name, phase", basis="model"), "{{phase}} {{model_name}}"),
            ],
            unit="percentunit",
            span=8,
            needs=NEEDS_MODEL,
            text="Bytes of weights and KV cache moved over what the memory could move, idle time included.",
        ),
        bars(
            "What fills the GPUs' memory",
            [query(expression, name, instant=True) for name, expression in MEMORY_PARTS.items()],
            unit="bytes",
            span=8,
            needs=f"{NEEDS_MODEL}, and a source of GPU figures",
            text="Parts of the memory of all chosen servers' GPUs, now. vLLM sets the KV cache aside when it starts; "
            "other: activations, CUDA graphs, the driver, and whatever else runs there.",
        ),
    ),
)  # fmt: skip

ENERGY = Row(
    "4. Energy and carbon: what it draws",
    (
        timeseries(
            "Power",
            [query(f"sum by (component) ({select('pentameter_power_watts')})", "{{component}}")],
            unit="watt",
            stacked=True,
            span=8,
            needs=NEEDS_ENERGY,
            text="All chosen servers: their GPUs, their hosts' part (host), what the building adds (overhead: PUE).",
        ),
        timeseries(
            "Energy per output token",
            [query(figures.energy_per_output_token(), MODEL)],
            unit="joule",
            span=8,
            needs=f"{NEEDS_ENERGY}, and traffic in the window",
            text="All components that are known, idle time included: joules / generated tokens, of the same window.",
        ),
        timeseries(
            "Carbon per 1M output tokens",
            [query(figures.carbon_per_million_output(), MODEL)],
            unit="massg",
            span=8,
            needs=f"{NEEDS_ENERGY}, the grid's region or intensity (settings: grid), and traffic",
            text="Grams of CO2-equivalent, of electricity and of making the hardware.",
        ),
    ),
)  # fmt: skip
