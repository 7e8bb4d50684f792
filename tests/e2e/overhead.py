"""What the plugin and the spans cost vLLM: the same benchmark against servers with and without them, in turn.

Run ``PYTHONPATH=tests python -m e2e.overhead --pairs 5``. Four real servers are started once: plain, another plain one,
with the plugin, and with OTLP over HTTP; an exporter watches each. In every round vLLM's own client sends the same
requests to each of them, in an order that rotates. What the ratio is between the two plain ones is noise. Nothing is
judged: the figures are for people.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import psutil

from e2e.rig.bench_client import BenchPlan, run_bench
from e2e.rig.cores import give_it_a_core
from e2e.rig.exporter import ExporterProcess
from e2e.rig.page import sample
from e2e.rig.process import end_tidily_when_terminated, free_port
from e2e.rig.timings import order_statistic
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until
from e2e.rig.watched_load import counted, has_read_after

ARMS = ("plain", "plain too", "plugin", "otlp")


@dataclass(frozen=True)
class Round:
    """One benchmark of one server; milliseconds."""

    tpot_p50: float
    tpot_p95: float
    ttft_p50: float
    cpu: float
    """Processor time of the API server, in which plugin and tracer live, per request."""


FIGURES = ("tpot_p50", "tpot_p95", "ttft_p50", "cpu")


def overhead(pairs: int, seconds: float, rate: float | None, *, own_core: bool) -> None:
    """Start everything, run the rounds, and print the table.

    ``own_core`` confines the servers to the first core, and client and exporters to the others. What plugin and spans
    cost is then taken from the model, which has no other core to go to, and nobody else disturbs it.
    """
    with ExitStack() as stack:
        ports = {name: free_port() for name in ARMS}
        servers = {name: start(stack, name, ports) for name in ports}
        for server in servers.values() if own_core else ():
            give_it_a_core(server.pid)
        exporters = {name: watch(stack, name, ports, server) for name, server in servers.items()}
        for server in servers.values():
            burst = run_bench(server, BenchPlan(requests=120, rate=float("inf")))
        rate = rate or 0.2 * burst.throughput
        print(f"{pairs} rounds of {seconds:.0f} s at {rate:.1f} requests/s, each against {', '.join(ARMS)}", flush=True)
        rounds: list[dict[str, Round]] = []
        for number in range(pairs):
            plan = BenchPlan(requests=round(rate * seconds), rate=rate, seed=100 + number)
            order = ARMS[number % len(ARMS) :] + ARMS[: number % len(ARMS)]
            done = {arm: bench(servers[arm], plan) for arm in order}
            rounds.append({arm: done[arm] for arm in ARMS})
            report_round(number, rounds[-1])
        report(rounds)
        time.sleep(3.0)  # for the last records of the last
        sent = 120 + pairs * plan.requests
        for name, exporter in exporters.items():
            judged = sample(exporter.metrics(), "pentameter_slo_requests_total") or 0.0
            print(f"exporter of {name}: {counted(exporter.metrics()):.0f} of {sent} records, {judged:.0f} judged")


def start(stack: ExitStack, name: str, ports: dict[str, int]) -> VllmServer:
    """Start a server that is ended with the stack."""
    server = VllmServer(
        plugin=f"@pentameter-overhead-{ports['plugin']}" if name == "plugin" else None,
        traces=f"http://127.0.0.1:{ports['otlp']}/v1/traces" if name == "otlp" else None,
    )
    stack.callback(server.stop)
    server.start()
    return server


def watch(stack: ExitStack, name: str, ports: dict[str, int], server: VllmServer) -> ExporterProcess:
    """Start the exporter beside a server; the plain one is scraped as well, so that scrapes make no difference."""
    settings = {
        "vllm": {"servers": [server.url]},
        "nvml": {"enabled": False},
        "plugin": {"enabled": name == "plugin", "socket": f"@pentameter-overhead-{ports['plugin']}"},
        "slos": [{"name": "slo", "ttft_seconds": 0.2, "tpot_seconds": 0.02}],
    }
    exporter = ExporterProcess(settings=settings, port=ports[name])
    stack.callback(exporter.stop)
    exporter.start()
    wait_until("the exporter has read vLLM", lambda: has_read_after(exporter, 0.0))
    return exporter


def bench(server: VllmServer, plan: BenchPlan) -> Round:
    """Run the benchmark once."""
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    result = run_bench(server, plan)
    after = process.cpu_times()
    assert result.errors == 0, result.errors
    tpots = [timing.tpot for timing in result.timings.values()]
    ttfts = [timing.ttft for timing in result.timings.values()]
    return Round(
        tpot_p50=order_statistic(tpots, 0.5) * 1e3,
        tpot_p95=order_statistic(tpots, 0.95) * 1e3,
        ttft_p50=order_statistic(ttfts, 0.5) * 1e3,
        cpu=(after.user + after.system - before.user - before.system) / len(tpots) * 1e3,
    )


def report_round(number: int, done: dict[str, Round]) -> None:
    """Print one round."""
    figures = (f"{arm} {one.tpot_p50:.3f}/{one.ttft_p50:.2f}/{one.cpu:.2f}" for arm, one in done.items())
    print(f"round {number + 1}, median TPOT/TTFT/CPU ms: " + ", ".join(figures), flush=True)


def report(rounds: list[dict[str, Round]]) -> None:
    """Print the ratio to the plain server: the median over the rounds, least and most."""
    print("\n| ratio to plain | " + " | ".join(FIGURES) + " |\n|---|" + "---|" * len(FIGURES))
    for arm in ARMS[1:]:
        cells = []
        for figure in FIGURES:
            ratios = [getattr(done[arm], figure) / getattr(done["plain"], figure) for done in rounds]
            cells.append(f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
        print(f"| {arm} | " + " | ".join(cells) + " |")
    plain = [f"{median(getattr(done['plain'], figure) for done in rounds):.2f} ms" for figure in FIGURES]
    print("| plain itself | " + " | ".join(plain) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of load in each benchmark (default 15)")
    parser.add_argument("--rate", type=float, help="requests per second (default: 0.2 of what a full batch finishes)")
    parser.add_argument("--own-core", action="store_true", help="give the servers the first core, and others the rest")
    options = parser.parse_args()
    end_tidily_when_terminated()
    overhead(options.pairs, options.seconds, options.rate, own_core=options.own_core)
