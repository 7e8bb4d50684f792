"""Rows of single GPUs: those that serve, the most throttled first, and those that no server is known to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards.energy import HOT
from boards.gpus import ONE
from boards.kit import Column, Row, rate, select, table
from boards.parts import GPUS
from boards.style import EMPTY

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

_info = select("pentameter_gpu_info")
_SERVING = select("pentameter_gpu_info", server="!=")

UNCLAIMED = f"max by ({ONE}) ({select('pentameter_gpu_info', server='')} unless on (cluster, gpu) {_SERVING})"
"""GPUs that no server of any exporter is known to use."""

_power, _limit = select("pentameter_gpu_power_watts"), select("pentameter_gpu_power_limit_watts")
_used, _all = select("pentameter_gpu_memory_used_bytes"), select("pentameter_gpu_memory_total_bytes")
_throttled = rate("pentameter_gpu_throttled_seconds_total", "$__rate_interval", reason="!=power_cap")

_MEANING = (
    "Busy: share of TIME in which any kernel ran, not of the peak (that is MFU). Slowed: share of time in which heat "
    "or the power supply held the clocks down, by the reason that did so the longest; the power limit, which is normal "
    f"under full load, does not count. Temperature is red above {HOT} degrees, where the alert PentameterGpuHot fires."
)


def _of(labels: str, among: str, figure: str) -> str:
    return f"max by ({labels}) (({figure}) * on ({ONE}) group_left (name, index, server) {among})"


def _columns(labels: str, among: str) -> list[Column]:
    return [
        Column("Slowed", _of(labels, among, f"max by ({ONE}) ({_throttled})"), "percentunit", 1),
        Column("Temp.", _of(labels, among, select("pentameter_gpu_temperature_celsius")), "celsius", 0, {HOT: "red"}),
        Column("Busy", _of(labels, among, select("pentameter_gpu_utilization_ratio")), "percentunit", 0),
        Column("Power", _of(labels, among, _power), "watt", 0),
        Column("Of limit", _of(labels, among, f"{_power} / {_limit}"), "percentunit", 0),
        Column("Memory", _of(labels, among, _used), "bytes"),
        Column("Of all", _of(labels, among, f"{_used} / {_all}"), "percentunit", 0),
    ]


_LABELS = {"pod": "Pod", "instance": "Exporter", "server": "Server", "index": "GPU", "name": "Type"}


def unclaimed(span: int, height: int) -> dashboard.Panel:
    """Return the table of GPUs that no server is known to use."""
    among = f"({select('pentameter_gpu_info', server='')} unless on (cluster, gpu) {_SERVING})"
    labels = {"instance": "Exporter", "index": "GPU", "name": "Type"}

    def of(figure: str) -> str:
        return f"max by (instance, index, name) (({figure}) * on ({ONE}) group_left (name, index) {among})"

    return table(
        "GPUs without a server",
        labels,
        [
            Column("Busy", of(select("pentameter_gpu_utilization_ratio")), "percentunit", 0),
            Column("Power", of(_power), "watt", 0),
            Column("Memory", of(f"{_used} / {_all}"), "percentunit", 0),
        ],
        span=span,
        height=height,
        sort_by="Power",
        widths={"Exporter": 130, "GPU": 44, "Type": 140},
        needs=f"{EMPTY}none: every GPU that is seen is counted to a vLLM server",
        text="GPUs that an exporter sees and that no vLLM server is known to use: idle, of other programs, or of a "
        "server whose GPUs are not told (vllm.servers[].gpus). Their energy and cost are in no figure of a server.",
    )


GPUS_BY_GPU = Row(
    "GPUs",
    (
        table(
            "GPUs of servers",
            _LABELS,
            _columns(", ".join(_LABELS), _SERVING),
            span=16,
            height=10,
            sort_by="Slowed",
            widths={"Pod": 110, "Exporter": 130, "Server": 85, "GPU": 44, "Type": 186},
            needs=GPUS,
            text=f"{_MEANING} The choice of a model does not filter GPUs; that of a replica does.",
        ),
        unclaimed(span=8, height=10),
    ),
)
