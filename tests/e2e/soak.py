"""Soak: Pentameter beside a real vLLM under steady load; prints what the exporter costs and how it fares.

Run ``PYTHONPATH=tests python -m e2e.soak --minutes 10``. Nothing is judged: the figures are for people.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import multiprocessing
import statistics
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from e2e.rig.cores import give_it_a_core
from e2e.rig.exporter import ExporterProcess
from e2e.rig.load import Load, Plan, Totals
from e2e.rig.page import sample
from e2e.rig.process import free_port
from e2e.rig.prometheus import PrometheusServer, promtool_check_metrics
from e2e.rig.vllm import VllmServer

SCRAPES_PER_SECOND = 1.0
"""Beside Prometheus, which scrapes once a second too. Every scrape costs the exporter about 0.1 % of a core."""

GZIP_SHARE = 0.25
"""The last part of the time, in which the page is asked for compressed."""


@dataclass
class Watch:
    """What was seen from outside while the load ran."""

    plain_seconds: list[float] = field(default_factory=list)
    gzip_seconds: list[float] = field(default_factory=list)
    peer_seconds: list[float] = field(default_factory=list)
    plain_bytes: int = 0
    gzip_bytes: int = 0
    failed: int = 0
    rss_bytes: list[int] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def soak(minutes: float, rate: float, *, own_core: bool) -> None:
    """Start everything, watch for the given time, and print the report.

    ``own_core`` confines vLLM to the first core and everything else to the others, as on a GPU machine,
    where cores are free. Where all share two busy cores the latencies are the scheduler's.
    """
    vllm = VllmServer()
    exporter = ExporterProcess(["--vllm-url", vllm.url])
    prometheus = PrometheusServer([exporter.address])
    seconds = minutes * 60.0
    plan = Plan(requests=int(seconds * rate * 2), seconds=seconds, rate=rate)
    try:
        vllm.start()
        if own_core:
            give_it_a_core(vllm.pid)
        exporter.start()
        prometheus.start()
        peer = trivial_peer()
        # The load has a process of its own: its threads would make this one's stopwatch wait for its turn.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            load = pool.submit(send, vllm.url, vllm.model_name, plan)
            seen = watch(exporter, peer, seconds)
            report(seen, load.result(), exporter, prometheus, seconds)
    finally:
        prometheus.stop()
        exporter.stop()
        vllm.stop()


def send(url: str, model_name: str, plan: Plan) -> Totals:
    """Run the load to its end."""
    return Load(url, model_name, plan).run()


def trivial_peer() -> str:
    """Start a server that only sends bytes, in a process of its own, and return its URL: the floor of any latency."""
    port = free_port()
    multiprocessing.get_context("spawn").Process(target=send_bytes, args=(port,), daemon=True).start()
    return f"http://127.0.0.1:{port}/"


def send_bytes(port: int) -> None:
    """Answer every GET with a page of the exporter's size."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "30000")
            self.end_headers()
            self.wfile.write(b"#" * 30_000)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def watch(exporter: ExporterProcess, peer: str, seconds: float) -> Watch:
    """Scrape the exporter at a steady pace and note how it does."""
    seen = Watch()
    began, cpu = time.monotonic(), exporter.cpu_seconds()
    for tick in range(int(seconds * SCRAPES_PER_SECOND)):
        time.sleep(max(0.0, began + tick / SCRAPES_PER_SECOND - time.monotonic()))
        compressed = tick >= (1.0 - GZIP_SHARE) * seconds * SCRAPES_PER_SECOND
        scrape_once(exporter, seen, compressed=compressed)
        scrape_peer(peer, seen)
        seen.rss_bytes.append(exporter.rss_bytes())
    seen.wall_seconds = time.monotonic() - began
    seen.cpu_seconds = exporter.cpu_seconds() - cpu
    return seen


def scrape_once(exporter: ExporterProcess, seen: Watch, *, compressed: bool) -> None:
    """Time one GET of the page, to the last byte."""
    headers = {"Accept-Encoding": "gzip"} if compressed else {}
    request = urllib.request.Request(f"{exporter.url}/metrics", headers=headers)
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=5.0) as response:
            body, encoding = response.read(), response.headers.get("Content-Encoding")
    except OSError:
        seen.failed += 1
        return
    took = time.perf_counter() - began
    if compressed:
        seen.gzip_seconds.append(took)
        # A server may answer plainly; the report then shows no difference in size.
        assert encoding is None or gzip.decompress(body)
        seen.gzip_bytes = len(body)
    else:
        seen.plain_seconds.append(took)
        seen.plain_bytes = len(body)


def scrape_peer(url: str, seen: Watch) -> None:
    """Time the same GET of the trivial server."""
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(url, timeout=5.0) as response:
            response.read()
    except OSError:
        return  # it is still starting
    seen.peer_seconds.append(time.perf_counter() - began)


def report(
    seen: Watch, totals: Totals, exporter: ExporterProcess, prometheus: PrometheusServer, seconds: float
) -> None:
    """Print the figures."""
    page = exporter.metrics()
    reads = sample(page, "pentameter_source_reads_total", source="vllm") or 0.0
    failures = sample(page, "pentameter_source_failures_total", source="vllm") or 0.0
    window = f"[{int(seconds) + 60}s]"
    [(_, up)] = prometheus.query(f"avg_over_time(up{window})")
    [(_, scrapes)] = prometheus.query(f"count_over_time(up{window})")
    status, complaints = promtool_check_metrics(page)
    print(f"load                       {totals}")
    print(f"reads of vLLM              {reads:.0f}, failed {failures:.0f}")
    print(f"scrapes by Prometheus      {scrapes:.0f}, success ratio {up:.6f}")
    print(f"scrapes by this script     {len(seen.plain_seconds) + len(seen.gzip_seconds)}, failed {seen.failed}")
    print(f"CPU share of one core      {seen.cpu_seconds / seen.wall_seconds:.4f}")
    rss = [value / 2**20 for value in seen.rss_bytes]
    print(f"RSS first, max, last       {rss[0]:.1f}, {max(rss):.1f}, {rss[-1]:.1f} MiB")
    print(f"GET /metrics plain         {seen.plain_bytes} bytes, {latency(seen.plain_seconds)}")
    print(f"GET /metrics gzip          {seen.gzip_bytes} bytes, {latency(seen.gzip_seconds)}")
    print(f"GET of a trivial server    30000 bytes, {latency(seen.peer_seconds)}")
    print(f"promtool check metrics     {status} {complaints.strip() or 'silent'}")


def latency(seconds: list[float]) -> str:
    """Return p50, p99 and maximum in milliseconds."""
    if len(seconds) < 2:
        return "too few samples"
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms, max {max(seconds) * 1e3:.2f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=5.0, help="requests per second (default 5)")
    parser.add_argument("--own-core", action="store_true", help="give vLLM a core of its own")
    options = parser.parse_args()
    soak(options.minutes, options.rate, own_core=options.own_core)
