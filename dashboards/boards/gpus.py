"""GPUs over time: power, heat, and how their clocks are held down."""

from __future__ import annotations

from boards.kit import Row, query, rate, select, target, timeseries
from boards.many import CROWD, foremost
from boards.parts import GPU, GPUS, named_gpus, of_gpus

ONE = "cluster, namespace, instance, gpu"
"""The labels that tell one GPU from all others."""

_MOST = f"Of more than {CROWD}, those that rose highest in the time shown."
_throttled = "pentameter_gpu_throttled_seconds_total"
_slowed = named_gpus(rate(_throttled, "$__rate_interval"))


def _foremost(series: str) -> str:
    return foremost(of_gpus(series), select(series), ONE)


GPUS_OVER_TIME = Row(
    "GPUs: power, heat, and clocks that are held down",
    (
        timeseries(
            "Power of each GPU",
            [
                query(_foremost("pentameter_gpu_power_watts"), GPU),
                target(f"min by (name) ({of_gpus('pentameter_gpu_power_limit_watts')})", "limit of {{name}}"),
            ],
            unit="watt",
            span=8,
            height=9,
            needs=GPUS,
            text=f"A GPU that stays at its limit (dashed, the lowest of each type) is slowed down by it. {_MOST}",
        ),
        timeseries(
            "Temperature of each GPU",
            [query(_foremost("pentameter_gpu_temperature_celsius"), GPU)],
            unit="celsius",
            span=8,
            height=9,
            needs=GPUS,
            text="Hot silicon leaks more, so joules per token rise with it. A GPU that is too hot slows down. " + _MOST,
        ),
        timeseries(
            "Clock throttling",
            [query(f"max by (reason) ({_slowed})", "{{reason}}")],
            unit="percentunit",
            span=8,
            height=9,
            most=1,
            needs="NVML, directly or through the plugin inside vLLM (dcgm-exporter and virtual GPUs do not tell it)",
            text="Share of time in which the clocks of a GPU were held down, by reason, of the GPU that was so the "
            "longest; the reasons overlap and do not add up. power_cap is normal under full load; hw_thermal, "
            "hw_power_brake and hw_slowdown are faults of cooling or supply. Which GPU: see the board Fleet.",
        ),
    ),
)
