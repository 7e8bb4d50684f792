"""What the drill-down boards share: how a series is named, which GPUs are meant, what is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards.kit import query, select, timeseries

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

WHO = "{{pod}} {{server}} engine {{engine}}"
"""The name of an engine. The pod is empty outside Kubernetes; inside it tells replicas of one address apart."""

WHOSE = "{{pod}} {{server}}"
"""The name of a server, for figures that belong to no single engine."""

GPU = "GPU {{index}} {{pod}} {{server}}"

RECORDS = "request records (the plugin inside vLLM, or its OpenTelemetry spans)"
MODEL = "a known model (the plugin inside vLLM, or vllm.servers[].model)"
PEAKS = "a known model and a GPU of the specification table"
GPUS = "a source of GPU figures (NVML, the plugin inside vLLM, or dcgm-exporter)"
ENERGY = "the energy of the server's GPUs"
A_DAY = "a day of history"
FLAG = "vLLM started with --enable-mfu-metrics"
TRAFFIC = "traffic in the window"
FINISHED = "finished requests in the window"
SAVING = "prefix caching, and a known model"
ESTIMATE = "two hours of load (near the limit: docs/capacity.md)"
GRID = "the region of the grid (grid.region) or its own figure"
SCI = f"{ENERGY}, {GRID}, and a GPU whose making is known"

GRAMS_PER_KWH = "suffix: g/kWh"
TOKENS_PER_SECOND = "suffix: tokens/s"

_PLACE = "cluster, namespace, instance"


def of_gpus(series: str) -> str:
    """Return the figure of each GPU of the chosen models' servers, with its index and its server in the labels."""
    return named_gpus(select(series))


def named_gpus(figure: str) -> str:
    """Return an expression's figure of each GPU, as ``of_gpus`` does.

    Figures of a GPU carry no model: the server that the GPU is counted to does.
    """
    named = f"{figure} * on ({_PLACE}, gpu) group_left (index, name, server) {select('pentameter_gpu_info')}"
    return f"({named}) and on ({_PLACE}, server) {select('pentameter_engine_info')}"


def drift(title: str, series: str) -> dashboard.Panel:
    """Return a panel of what made a figure per token greater or smaller than it was."""
    by = "model_name, cause, window, since"
    return timeseries(
        title,
        [query(f"max by ({by}) ({select(series, window=None)}) - 1",
               "{{cause}}, {{window}} since {{since}} {{model_name}}")],
        unit="percentunit",
        decimals=1,
        text="Change against the past: 0 % is unchanged. all is what its causes make together; mostly it tells how "
        "much traffic there was. Of several servers, the greatest.",
        least=None,
        needs=A_DAY,
    )  # fmt: skip
