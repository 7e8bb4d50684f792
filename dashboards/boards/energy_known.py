"""What the board of energy tells of how energy is known, and of its drift."""

from __future__ import annotations

from boards.gpus import ONE
from boards.kit import Column, Row, query, select, table, timeseries, total_rate
from boards.parts import ENERGY, GPUS, drift

_SPLIT = "about 20 minutes of varied load"
_BY = "instance, server, index, method, scope"
_info = select("pentameter_gpu_energy_info")
_named = f"* on ({ONE}) group_left (index, server) {select('pentameter_gpu_info')}"


def _of_gpu(expression: str) -> str:
    return f"max by ({_BY}) ({_info} * on ({ONE}) group_left () ({expression}) {_named})"


DETAILS = Row(
    "Details: how energy is known",
    (
        table(
            "Energy of each GPU",
            {"instance": "Exporter", "server": "Server", "index": "GPU", "method": "Method", "scope": "Scope"},
            (
                Column("Counter / power", _of_gpu(select("pentameter_gpu_energy_audit_ratio")), "none", 3),
                Column(
                    "Not believed",
                    _of_gpu(f"sum by ({ONE}) (increase({select('pentameter_gpu_energy_anomalies_total')}[$__range]))"),
                    "short",
                    0,
                ),
            ),
            text="counter: the GPU's own energy counter; integrated: power x time. Counter / power: what the counter "
            "said over what the power says for the same time, 1 where they agree. Not believed: impossible readings in "
            "the time shown.",
            span=14,
            height=7,
            needs=GPUS,
            sort_by="Not believed",
        ),
        table(
            "Fit of the division by phase",
            {"instance": "Exporter", "server": "Server"},
            (
                Column("R²", f"min by (instance, server) ({select('pentameter_energy_split_fit_ratio')})", "none"),
                Column("Condition", f"max by (instance, server) ({select('pentameter_energy_split_condition')})",
                       "none"),
                Column("Idle power", f"max by (instance, server) ({select('pentameter_energy_split_idle_watts')})",
                       "watt"),
            ),
            text="Energy by phase is told from an R² of 0.98 on and up to a condition of 60.",
            span=10,
            height=7,
            needs=_SPLIT,
            sort_by="Condition",
        ),
        drift("Drift of energy per token", "pentameter_energy_drift_ratio"),
        timeseries(
            "Power while vLLM did not answer",
            [query(total_rate("pentameter_unobserved_energy_joules_total", "component", "$__rate_interval"),
                   "{{component}}")],
            unit="watt",
            text="Energy that flowed while nothing was known of requests and tokens. 0 W where vLLM is always read.",
            needs=ENERGY,
        ),
    ),
    collapsed=True,
)  # fmt: skip
