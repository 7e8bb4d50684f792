"""What the boards' queries cost on a Prometheus that has watched a fleet for a week: prints a table, asserts nothing.

Run ``PYTHONPATH=tests:exporter python -m bench.board_queries --store FOLDER [--boards overview fleet]``. The first run
takes a page of the demo, makes 50 replicas of 3 models of it (``fleet_week.py``) and writes seven days of them into
Prometheus by remote write, in order of time, so that Prometheus cuts and compacts its own blocks: some ten minutes of
two cores and three GiB. Later runs find the store; give a new folder when the overview asks for new series, which is
said. The overview's series are written for the whole week, those that only other boards ask for over the last hours.

"cold" is the first run after a start of Prometheus, its files put out of the page cache; "warm" is the best of three
more. "CPU" is what Prometheus itself used in that best run, for when the machine is shared. Needs Prometheus.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

import board_files
import promql_text
from bench import grafana_asks, remote_write
from bench.fleet_week import PIECE, SCRAPE, Fleet, Replica, shapes
from e2e.rig.demo import DemoProcess
from e2e.rig.process import ServerProcess, end_tidily_when_terminated, free_port, http_get

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.grafana_asks import Answer, Asked

RANGES = {"1h": 3600, "3h": 10_800, "6h": 21_600, "24h": 86_400, "7d": 604_800}
WARM_RUNS = 3
BROWSER_CONNECTIONS = 6


@contextlib.contextmanager
def prometheus(store: Path, *, cold: bool = False) -> Iterator[tuple[str, psutil.Process]]:
    """Run Prometheus on the store; ``cold``: with none of its files in memory."""
    if cold:
        for path in (path for path in store.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    url = f"http://127.0.0.1:{free_port()}"
    config = store / "prometheus.yml"
    config.write_text("{}")
    options = [f"--storage.tsdb.path={store / 'data'}", f"--web.listen-address={url.removeprefix('http://')}"]
    server = ServerProcess(
        "prometheus-of-a-week",
        ["prometheus", f"--config.file={config}", *options, "--web.enable-remote-write-receiver"],
    )
    server.start()
    try:
        server.wait_until_answers(f"{url}/-/ready", 120.0)
        yield url, psutil.Process(server.pid)
    finally:
        server.stop(60.0)


def asked_for(slugs: Iterable[str]) -> set[str]:
    """Return the names of the series that boards ask for."""
    wanted = [path for path in board_files.paths() if path.stem.removeprefix("pentameter-") in set(slugs)]
    return {
        selector.metric
        for path in wanted
        for board in [board_files.load(path)]
        for query in (*board_files.panel_queries(board), *board_files.variable_queries(board))
        for selector in promql_text.read(query.expr).selectors
    }


def demo_pages(seconds: float) -> tuple[str, str]:
    """Return two pages of the demo, some seconds apart."""
    demo = DemoProcess()
    try:
        demo.start()
        time.sleep(60.0)
        before = http_get(f"http://{demo.address}/metrics")
        time.sleep(seconds)
        return before, http_get(f"http://{demo.address}/metrics")
    finally:
        demo.stop()


def write_week(store: Path, given: argparse.Namespace) -> None:
    """Fill an empty store."""
    before, after = demo_pages(30.0)
    every = [path.stem.removeprefix("pentameter-") for path in board_files.paths()]
    always, lately = asked_for(["overview"]), asked_for(every)
    end = int(time.time()) // PIECE * PIECE
    made = [shape for shape in shapes(before, after, 30.0) if shape.name in always | lately]
    print(
        f"{sum(shape.name in always for shape in made)} series of each of {given.replicas} replicas for {given.days} "
        f"days, {len(made)} for the last {given.lately} h",
        flush=True,
    )
    replicas = [Replica(number, made) for number in range(given.replicas)]
    begin = end - given.days * 86_400
    fleet = Fleet(replicas, begin, end, always, lately, end - given.lately * 3600)
    begun, sent = time.monotonic(), 0
    with prometheus(store) as (url, _), ThreadPoolExecutor(1) as sender:
        sending: Future[None] | None = None
        for body in fleet.requests():
            # The next request is made while Prometheus reads this one.
            if sending is not None:
                sending.result()
            sending = sender.submit(remote_write.send, url, body)
            sent += len(body)
        if sending is not None:
            sending.result()
    print(f"written in {time.monotonic() - begun:.0f} s, {sent / 1e9:.1f} GB of requests")
    written = {shape.name for shape in made}
    (store / "week.json").write_text(
        json.dumps({"end": end, "always": sorted(written & always), "all": sorted(written)})
    )


@dataclass(frozen=True)
class Cost:
    """What one query of a board costs over one range."""

    asked: Asked
    range: str
    cold: Answer
    warm: Answer
    cpu: float


def measure(url: str, process: psutil.Process, queries: list[Asked], name: str) -> list[Cost]:
    """Ask each query once, then each some times more."""
    cold = [grafana_asks.ask(url, query, time.perf_counter) for query in queries]
    return [
        Cost(query, name, first, *min((_timed(url, process, query) for _ in range(WARM_RUNS)), key=_seconds))
        for query, first in zip(queries, cold, strict=True)
    ]


def _timed(url: str, process: psutil.Process, query: Asked) -> tuple[Answer, float]:
    before = process.cpu_times()
    answer = grafana_asks.ask(url, query, time.perf_counter)
    after = process.cpu_times()
    return answer, after.user + after.system - before.user - before.system


def _seconds(run: tuple[Answer, float]) -> float:
    return run[0].seconds


def whole_board(url: str, queries: list[Asked]) -> float:
    """Return the seconds until all queries are answered, as many at a time as a browser sends."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(BROWSER_CONNECTIONS) as pool:
        list(pool.map(lambda query: grafana_asks.ask(url, query, time.perf_counter), queries))
    return time.perf_counter() - begun


def of_one_replica(query: Asked) -> Asked:
    """Return the same query of the first replica alone."""
    only = '{instance=~"10[.][0-9]+[.]0[.]7:9400",cluster=~'
    return replace(query, parameters=tuple((key, value.replace("{cluster=~", only)) for key, value in query.parameters))


def print_costs(costs: list[Cost], shown: int | None = None) -> None:
    """Print a table, the slowest last."""
    print(f"{'cold s':>8} {'warm s':>8} {'CPU s':>7} {'samples':>12} {'series':>6}  range  query")
    for cost in sorted(costs, key=lambda cost: cost.warm.seconds)[-(shown or len(costs)) :]:
        print(
            f"{cost.cold.seconds:8.3f} {cost.warm.seconds:8.3f} {cost.cpu:7.2f} {cost.warm.samples:12,} "
            f"{cost.warm.series:6}  {cost.range:>5}  {cost.asked.board.removeprefix('pentameter-')}: {cost.asked.where}"
        )


def print_what_is_missing(slug: str, week: dict[str, Any]) -> None:
    """Say which series the store lacks that a board asks for: the queries of those cost too little here."""
    asked = asked_for([slug])
    print(f"{slug}: not in the store: {', '.join(sorted(asked - set(week['all']))) or 'none'}")
    if lately := asked & set(week["all"]) - set(week["always"]):
        print(f"{slug}: only in its last hours: {', '.join(sorted(lately))}")


def print_range(url: str, process: psutil.Process, costs: list[Cost], queries: list[Asked]) -> None:
    """Say what opening a board over one range costs, and its slowest query for the fleet and for one replica."""
    slowest = max(costs, key=lambda cost: cost.warm.seconds)
    alone = min((_timed(url, process, of_one_replica(slowest.asked)) for _ in range(WARM_RUNS)), key=_seconds)
    print(
        f"{slowest.asked.board} over {slowest.range}, steps of {max(query.step for query in queries):.0f} s: "
        f"{len(queries)} queries, all at once {whole_board(url, queries):.2f} s; slowest {slowest.warm.seconds:.3f} s "
        f"(cold {slowest.cold.seconds:.3f} s), of one replica {alone[0].seconds:.3f} s: {slowest.asked.where}",
        flush=True,
    )


def measure_board(path: Path, given: argparse.Namespace, week: dict[str, Any]) -> list[Cost]:
    """Measure a board over every range, and print."""
    board, found, end = board_files.load(path), [], week["end"]
    print_what_is_missing(path.stem.removeprefix("pentameter-"), week)
    for name in given.ranges:
        queries = list(grafana_asks.asked(board, RANGES[name], end, SCRAPE))
        with prometheus(given.store, cold=True) as (url, process):
            costs = measure(url, process, queries, name)
            print_range(url, process, costs, queries)
        found += costs
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="folder of the Prometheus; filled if it is not there")
    parser.add_argument("--boards", nargs="*", default=["overview"], help="all if none is named")
    parser.add_argument("--ranges", nargs="*", default=list(RANGES), choices=list(RANGES))
    parser.add_argument("--slowest", type=int, help="of how many queries the costs are printed; of all if not given")
    parser.add_argument("--replicas", type=int, default=50)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--lately", type=int, default=6, help="hours of the series that the overview does not show")
    given = parser.parse_args()
    end_tidily_when_terminated()
    if not (given.store / "week.json").exists():
        given.store.mkdir(parents=True)
        write_week(given.store, given)
    week = json.loads((given.store / "week.json").read_text())
    paths = [p for p in board_files.paths() if not given.boards or p.stem.removeprefix("pentameter-") in given.boards]
    print_costs([cost for path in paths for cost in measure_board(path, given, week)], given.slowest)


if __name__ == "__main__":
    main()
