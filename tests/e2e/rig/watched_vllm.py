"""A real vLLM under a load that changes, Pentameter beside it, and a Prometheus that scrapes both.

There is no GPU: one processor thread stands for the accelerator. Its peaks are measured before vLLM starts, its price
is that of a rented machine, and the power is the exporter's own estimate for such a machine.
"""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from e2e.rig.board_answers import RULES, Watched
from e2e.rig.exporter import ExporterProcess
from e2e.rig.install import vllm_python
from e2e.rig.load import Load, Plan, Record
from e2e.rig.model import tiny_llama
from e2e.rig.process import free_port
from e2e.rig.prometheus import PrometheusServer
from e2e.rig.vllm import VllmServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH = 16
"""Requests that vLLM runs at one time; more of them wait."""
KV_BLOCKS = 48
"""Of 128 tokens: little enough for a batch of long prompts to fill."""
SYSTEM_PROMPT = 128
"""Tokens that all but the short prompts begin with: a block, which the prefix cache keeps."""

DOLLARS_PER_HOUR = 0.08925
"""Of a machine with two such threads: AWS's c7i.large in us-east-1, on demand."""

SHORT, MIXED, LONG = (16, 96), (16, 512), (400, 900)

PHASES = (
    (0.2, 70.0, SHORT, (8, 64)),
    (0.6, 90.0, MIXED, (8, 96)),
    (1.2, 45.0, MIXED, (16, 96)),
    (0.1, 60.0, LONG, (16, 128)),
    (0.4, 60.0, MIXED, (8, 96)),
    (0.35, 70.0, SHORT, (32, 128)),
)
"""Request rate over what a full batch of the mixed requests finishes, seconds, lengths of prompts and of answers."""


def phase_plan(capacity: float, phase: tuple[float, float, tuple[int, int], tuple[int, int]], seed: int) -> Plan:
    """Return what to send in one phase."""
    rate, seconds, prompts, answers = phase
    return Plan(
        requests=100_000,
        seconds=seconds,
        rate=rate * capacity,
        in_flight=100,
        prompt_tokens=prompts,
        output_tokens=answers,
        seed=seed,
        shared_tokens=0 if prompts == SHORT else SYSTEM_PROMPT,
    )


def thresholds(records: Sequence[Record]) -> tuple[float, float]:
    """Return the p95 of the TTFT and of the TPOT of some requests, in seconds.

    >>> thresholds([Record(9, time / 100, [0.2, 0.4], completion_tokens=3) for time in range(1, 20)])
    (0.19, 0.3)
    """
    ttft = [record.time_to_first_token for record in records if record.time_to_first_token is not None]
    tpot = [
        sum(record.between_chunks) / (tokens - 1) for record in records if (tokens := record.completion_tokens or 0) > 1
    ]
    return round(quantiles(ttft, n=20)[-1], 9), round(quantiles(tpot, n=20)[-1], 9)


def calibrated(server: VllmServer) -> tuple[float, float, float]:
    """Return the requests per second of a full batch, and the p95 of TTFT and TPOT at half of them."""
    burst = Load(server.url, server.model_name, Plan(80, 60.0, 1000.0, in_flight=32, prompt_tokens=MIXED, seed=9))
    begun = time.monotonic()
    burst.run()
    capacity = 80 / (time.monotonic() - begun)
    half = Load(server.url, server.model_name, phase_plan(capacity, (0.5, 15.0, MIXED, (8, 96)), seed=2))
    half.run()
    return capacity, *thresholds(half.records)


def measured_peaks() -> dict[str, float]:
    """Return FLOP/s and bytes/s of one processor thread."""
    command = [str(vllm_python()), "-P", str(Path(__file__).with_name("measured_peak.py"))]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def settings(server: VllmServer, socket: str, peaks: dict[str, float], ttft: float, tpot: float) -> dict[str, Any]:
    """Return the exporter's configuration: what it cannot find out for itself on a machine without a GPU."""
    known = {
        "url": server.url,
        "name": "vllm",
        "gpu_count": 1,
        "gpu_peak_flops_per_second": peaks["flops"],
        "gpu_bandwidth_bytes_per_second": peaks["bytes"],
        "model": {"path": str(tiny_llama())},
    }
    return {
        "vllm": {"servers": [known]},
        "windows": ["1m", "5m"],
        "nvml": {"enabled": False},
        "plugin": {"socket": socket},
        "energy": {"pue": 1.15, "host": {"estimate": True, "share": 1.0}},
        "grid": {"region": "us-east-1"},
        "economics": {
            "gpu_dollars_per_hour": DOLLARS_PER_HOUR,
            "split": {"output_to_input_ratio": 4, "cached_to_input_ratio": 0.1},
        },
        "slos": [
            {"name": "interactive", "ttft_seconds": 2 * ttft, "tpot_seconds": 1.25 * tpot},
            {"name": "patient", "ttft_seconds": 20 * ttft, "tpot_seconds": 2.5 * tpot, "target": 0.95},
        ],
    }


@contextmanager
def watched_vllm(scale: float = 1.0) -> Iterator[Watched]:
    """Put a real vLLM under load for some seven minutes times ``scale``, and hand over what watched it."""
    socket = f"@pentameter-pictures-{free_port()}"
    peaks = measured_peaks()
    arguments = ["--max-num-seqs", str(BATCH), "--num-gpu-blocks-override", str(KV_BLOCKS)]
    server = VllmServer(args=arguments, plugin=socket)
    started: list[VllmServer | ExporterProcess | PrometheusServer] = []
    try:
        started.append(server)
        server.start()
        capacity, ttft, tpot = calibrated(server)
        exporter = ExporterProcess(settings=settings(server, socket, peaks, ttft, tpot))
        started.append(exporter)
        exporter.start()
        prometheus = PrometheusServer(
            [exporter.address, server.url.removeprefix("http://")],
            rules=RULES,
        )
        started.append(prometheus)
        prometheus.start()
        begun = time.time()
        for seed, (rate, seconds, prompts, answers) in enumerate(PHASES):
            plan = phase_plan(capacity, (rate, scale * seconds, prompts, answers), seed)
            load = Load(server.url, server.model_name, plan)
            load.run()
            print(f"  {plan.rate:.1f} requests/s: {load.totals()}", flush=True)
        # Of a load that changes every minute, five minutes together would show little.
        yield Watched(prometheus.url, begun, given={"window": "1m"})
    finally:
        for one in reversed(started):
            one.stop()
