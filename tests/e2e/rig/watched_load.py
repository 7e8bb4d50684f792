"""One load of vLLM's own client on a real server, seen at the same time by everything that can see it.

The plugin's datagrams pass a tap and the spans pass a collector, so that beside the client's book there are the raw
records of both. Four exporters watch the very same requests, each with other eyes: ``plugin`` with the plugin alone,
``otlp`` with spans alone, ``both`` with the two at once, ``histograms`` with vLLM's page alone.

    vLLM --datagrams--> tap --> plugin, both
         --spans------> otlp --forwards--> both --forwards--> collector
         <--/metrics--- plugin, otlp, both, histograms
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from e2e.rig.bench_client import BenchPlan, run_bench
from e2e.rig.collector import Collector
from e2e.rig.exporter import ExporterProcess
from e2e.rig.page import sample
from e2e.rig.process import free_port
from e2e.rig.tap import PluginTap
from e2e.rig.timings import Threshold, good, order_statistic
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from e2e.rig.bench_client import BenchResult
    from e2e.rig.timings import Timing

EXPORTERS = ("plugin", "otlp", "both", "histograms")
WITH_RECORDS = ("plugin", "otlp", "both")

WINDOW = "1h"
"""Longer than any exporter here lives: it holds every request since the start."""

SETTLE_SECONDS = 20.0
"""For the last records to arrive."""

SCRAPE_SECONDS = 1.0
DERIVED_SECONDS = 5.0
"""The most that a page may be older than its scrape, on a busy machine."""
BATCH = 16
"""Requests that vLLM runs at one time: beyond it they queue, so that an overload shows in TTFT as well as in TPOT."""

READING_ERROR = 0.02
"""How far the client's TPOT may be from the engine's: it reads its tokens when it is given the time to."""

RATES = {"light": 0.15, "knee": 0.7, "overload": 1.8}
"""Level -> request rate over what a full batch finishes."""

LEVELS = {"light": 15.0, "knee": 36.0, "overload": 12.0}
"""Level -> seconds of load in the tests."""

MEANING = {"light": (0.97, 1.0), "knee": (0.7, 0.97), "overload": (0.0, 0.8)}
"""Level -> between which shares the client's best attainment lies, near the knee that of any SLO."""

CORRECTIONS = {"light": (0.5, 1.0), "knee": (0.85, 1.15), "overload": (1.0, 1.4)}
"""Level -> what to multiply a rate by that proved too high, or too low."""

ATTEMPTS = 4
"""Loads to try per level: a machine that others use too is not as fast at every moment as it was when calibrated."""

SLOS = (("strict", 1.5, 0.8), ("middle", 1.5, 0.9), ("loose", 1.5, 0.97), ("patient", 15.0, 0.99))
"""Name, TTFT threshold over the p95 near the knee, quantile near the knee that is the TPOT threshold."""


@dataclass(frozen=True)
class Seen:
    """What everybody saw of one load."""

    client: BenchResult
    records: Mapping[str, Mapping[str, Timing]]
    """``plugin`` or ``otlp`` -> the client's request id -> the raw record."""
    finishing_order: list[str]
    """The requests in the order in which vLLM finished them."""
    scrapes: Mapping[str, list[str]]
    """Exporter -> its pages, from before the load until its figures had settled."""
    lifetimes: Mapping[str, tuple[float, float]]
    """Exporter -> least and most seconds for which it can have been watching when its last page was derived."""
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    lost: int = 0
    """Datagrams that the tap could not hand on."""

    def last(self, exporter: str) -> str:
        """Return an exporter's page after the load."""
        return self.scrapes[exporter][-1]

    def ttft_offset(self, source: str) -> float:
        """Return the median over the requests of the client's TTFT minus the record's, in seconds.

        The client measures from sending to reading: the way there and back, and the HTTP server, are in it.
        """
        return median(self.ttft_offsets(source))

    def ttft_offsets(self, source: str) -> list[float]:
        """Return the client's TTFT minus the record's of every request, in seconds."""
        records, client = self.records[source], self.client.timings
        return [client[name].ttft - records[name].ttft for name in records.keys() & client.keys()]

    def clients_good(self, source: str, threshold: Threshold) -> tuple[int, int]:
        """Return the least and the most requests that the client finds good, with its offset in TTFT accounted for.

        The offset differs from request to request, the more the busier the machine is, and so does the moment at
        which the client reads a token. A request that this decides about is good in the second count alone.
        """
        offsets, timings = self.ttft_offsets(source), self.client.timings.values()
        strict = Threshold(threshold.ttft, threshold.tpot * (1.0 - READING_ERROR))
        lax = Threshold(threshold.ttft, threshold.tpot * (1.0 + READING_ERROR))
        usual = order_statistic(offsets, 0.05), order_statistic(offsets, 0.95)
        return good(timings, strict, usual[0]), good(timings, lax, usual[1])

    def shares(self) -> list[float]:
        """Return the client's attainment of every SLO."""
        timings = self.client.timings.values()
        return [good(timings, threshold) / len(timings) for threshold in self.thresholds.values()]


@dataclass(frozen=True)
class Calibration:
    """What suits this machine."""

    capacity: float
    """Requests per second that a full batch finishes."""
    thresholds: Mapping[str, Threshold]
    ttft_offset: float


class Observatory:
    """A vLLM with plugin and spans, and all that watches it."""

    def __init__(self) -> None:
        self._ports = {name: free_port() for name in EXPORTERS}
        feed = f"@pentameter-e2e-{self._ports['plugin']}"
        self._sockets = {name: f"{feed}-{name}" for name in ("plugin", "both")}
        self._tap = PluginTap(feed, list(self._sockets.values()))
        self._collector = Collector()
        self.server = VllmServer(args=["--max-num-seqs", str(BATCH)], plugin=feed, traces=self._traces_url("otlp"))
        self._loads = 0

    def start(self) -> None:
        """Start all but the exporters, which live for one load each."""
        self._tap.start()
        self._collector.start()
        self.server.start()

    def stop(self) -> None:
        """End everything."""
        self.server.stop()
        self._collector.stop()
        self._tap.stop()

    def calibrate(self) -> Calibration:
        """Find out how fast this machine is, and what TTFT and TPOT are near its knee."""
        burst = self.watch(BenchPlan(requests=120, rate=float("inf")), names=("otlp",))
        capacity = burst.client.throughput
        near_knee = self.watch(plan_at(capacity, "knee", seconds=15.0), names=("otlp",))
        timings = near_knee.records["plugin"].values()
        ttft, tpot = [timing.ttft for timing in timings], [timing.tpot for timing in timings]
        return Calibration(
            capacity=capacity,
            # Well beyond most TTFTs, where a millisecond more or less on the way decides about few requests.
            thresholds={
                name: Threshold(patience * order_statistic(ttft, 0.95), order_statistic(tpot, share))
                for name, patience, share in SLOS
            },
            ttft_offset=near_knee.ttft_offset("plugin"),
        )

    def watch(
        self, plan: BenchPlan, thresholds: Mapping[str, Threshold] | None = None, names: Sequence[str] = EXPORTERS
    ) -> Seen:
        """Send a load and return what all saw of it; the exporters named start before and end after it."""
        thresholds = thresholds or {}
        exporters = {name: self._exporter(name, thresholds, forwards=name != names[-1]) for name in names}
        prefix = f"load{self._loads}-"
        self._loads += 1
        scrapes: dict[str, list[str]] = {name: [] for name in names}
        try:
            births = start_all(exporters)
            for exporter in exporters.values():
                wait_until("an exporter has read vLLM", lambda exporter=exporter: has_read_after(exporter, 0.0))
            with scraping(exporters, scrapes):
                client = run_bench(self.server, BenchPlan(**{**vars(plan), "prefix": prefix}))
                settle(exporters, plan.requests)
            lifetimes = {}
            for name, exporter in exporters.items():
                scrapes[name].append(exporter.metrics())
                now = time.monotonic()
                lifetimes[name] = now - births[1] - DERIVED_SECONDS, now - births[0]
        finally:
            for exporter in exporters.values():
                exporter.stop()
        records = {"plugin": self._tap.timings(prefix), "otlp": self._collector.timings(prefix)}
        order = self._tap.finishing_order(prefix)
        return Seen(client, records, order, scrapes, lifetimes, thresholds, self._tap.lost)

    def watch_level(self, found: Calibration, level: str, goodput: Mapping[str, float]) -> Seen:
        """Send the load of a level, again at another rate where it was not what it is called, and return the last."""
        rate = found.capacity
        for _ in range(ATTEMPTS):
            plan = plan_at(rate, level, LEVELS[level])
            seen = self.watch(BenchPlan(**{**vars(plan), "goodput": goodput}), found.thresholds)
            verdict = judge(level, seen.shares())
            if verdict == 0:
                break
            too_high, too_low = CORRECTIONS[level]
            rate *= too_high if verdict > 0 else too_low
        return seen

    def _exporter(self, name: str, thresholds: Mapping[str, Threshold], *, forwards: bool) -> ExporterProcess:
        chain = {"otlp": self._traces_url("both"), "both": self._collector.url}
        forward = chain if forwards else {}
        settings = {
            # Four readers of one page: together not more often than two would.
            "vllm": {"servers": [self.server.url], "interval_seconds": 2},
            "windows": ["1m", WINDOW],
            "nvml": {"enabled": False},
            "host": {"enabled": False},
            "plugin": {"enabled": name in self._sockets, **optional("socket", self._sockets.get(name))},
            "otlp": {"http": "loopback" if name in chain else "off", **optional("forward_url", forward.get(name))},
            "slos": [
                {"name": slo, "ttft_seconds": threshold.ttft, "tpot_seconds": threshold.tpot}
                for slo, threshold in thresholds.items()
            ],
        }
        return ExporterProcess(settings=settings, port=self._ports[name])

    def _traces_url(self, exporter: str) -> str:
        return f"http://127.0.0.1:{self._ports[exporter]}/v1/traces"


def plan_at(capacity: float, level: str, seconds: float) -> BenchPlan:
    """Return the plan of a load level for a time."""
    rate = RATES[level] * capacity
    return BenchPlan(requests=round(rate * seconds), rate=rate)


def judge(level: str, shares: Sequence[float]) -> int:
    """Return 0 where the attainments are those of a level, 1 where its load was too high, -1 where too low.

    >>> judge("light", [0.8, 0.9]), judge("knee", [0.99, 0.9]), judge("knee", [0.98, 1.0]), judge("overload", [0.81])
    (1, 0, -1, -1)
    """
    low, high = MEANING[level]
    if level == "knee" and any(low <= share <= high for share in shares):
        return 0
    best = max(shares)
    return 1 if best < low else -1 if best > high else 0


def optional(key: str, value: str | None) -> dict[str, str]:
    """Return the setting, or none."""
    return {} if value is None else {key: value}


def counted(page: str) -> float:
    """Return how many requests an exporter counted from records, each once."""
    return sample(page, "pentameter_request_records_total", outcome="counted") or 0.0


def has_read_after(exporter: ExporterProcess, moment: float) -> bool:
    """Say whether an exporter's page rests on a vLLM page that was read after a Unix time."""
    read = sample(exporter.metrics(), "pentameter_source_last_success_timestamp_seconds", source="vllm")
    return read is not None and read > moment


def start_all(exporters: Mapping[str, ExporterProcess]) -> tuple[float, float]:
    """Start exporters at once; return between which moments they were."""
    before = time.monotonic()
    with ThreadPoolExecutor() as pool:
        # To a list: an exporter that does not start is an error here.
        list(pool.map(ExporterProcess.start, exporters.values()))
    return before, time.monotonic()


def settle(exporters: Mapping[str, ExporterProcess], requests: int) -> None:
    """Wait until the exporters with records have all of them, and all have vLLM's page of after the load.

    Records that do not come are no error here: the tests say so better.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    waiting = [exporter for name, exporter in exporters.items() if name in WITH_RECORDS]
    while waiting and time.monotonic() < deadline:
        waiting = [exporter for exporter in waiting if counted(exporter.metrics()) < requests]
        time.sleep(0.2)
    ended = time.time()
    for exporter in exporters.values():
        wait_until("the exporter has read vLLM after the load", lambda e=exporter: has_read_after(e, ended))
    # Spans come twice to one of them, and the second time is worth waiting for too.
    time.sleep(1.5)


class scraping:  # noqa: N801 - a context manager reads as a verb
    """Scrape all exporters at a steady pace inside the block; a failed scrape fails the block's end."""

    def __init__(self, exporters: Mapping[str, ExporterProcess], pages: Mapping[str, list[str]]) -> None:
        self._exporters = exporters
        self._pages = pages
        self._ended = threading.Event()
        self._errors: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert not self._errors, self._errors

    def _run(self) -> None:
        while not self._ended.wait(SCRAPE_SECONDS):
            for name, exporter in self._exporters.items():
                try:
                    self._pages[name].append(exporter.metrics())
                except OSError as error:
                    self._errors.append(f"{name}: {error}")
