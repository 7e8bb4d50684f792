"""What a real Prometheus answers to the queries of a dashboard, asked as Grafana asks."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import board_files
from e2e.rig.demo import DemoProcess
from e2e.rig.process import http_get
from e2e.rig.prometheus import PrometheusServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from board_files import Query

POINTS = 90
"""Of a graph, at most: Grafana asks for about as many as it has pixels."""

RULES = board_files.CHECKOUT / "deploy" / "rules" / "pentameter.rules.yml"

Series = dict[str, Any]


class QueryFailedError(Exception):
    """Prometheus refused a query; the message is its own."""


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has scraped since a time."""

    url: str
    begun: float
    ended: float | None = None
    """When it scraped last; None where it still does."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Values of variables that suit what it has seen."""

    def now(self) -> float:
        """Return the Unix time that pictures are of."""
        return time.time() if self.ended is None else self.ended

    def answer(self, query: Query, given: dict[str, str], now: float) -> list[Series]:
        """Return the series of a query, each with ``metric`` and ``values``; raise ``QueryFailedError``."""
        expr = board_files.filled(query.expr, given)
        if query.instant or query.shape == "table":
            return [
                {"metric": series["metric"], "values": [series["value"]]}
                for series in self._ask("query", query=expr, time=now)
            ]
        step = self.step(now)
        # Grafana aligns to the step, so that a graph does not flicker.
        start, end = (moment // step * step for moment in (self.begun, now))
        return self._ask("query_range", query=expr, start=start, end=end, step=step)

    def step(self, now: float) -> int:
        """Return the seconds between two points of a graph that ends now."""
        return max(1, round((now - self.begun) / POINTS))

    def _ask(self, endpoint: str, **parameters: object) -> list[Series]:
        url = f"{self.url}/api/v1/{endpoint}?{urllib.parse.urlencode(parameters)}"
        try:
            page = http_get(url)
        except urllib.error.HTTPError as error:
            message = json.loads(error.read()).get("error", str(error))
            raise QueryFailedError(message) from error
        found: list[Series] = json.loads(page)["data"]["result"]
        return found


@contextmanager
def watched_demo(seconds: float) -> Iterator[Watched]:
    """Run the demo and a Prometheus that scrapes it each second, and hand it over after some seconds."""
    demo = DemoProcess()
    prometheus = PrometheusServer([demo.address])
    try:
        demo.start()
        prometheus.start()
        begun = time.time()
        time.sleep(seconds)
        yield Watched(prometheus.url, begun)
    finally:
        prometheus.stop()
        demo.stop()


FLEET = (
    ("h100-8b", {"cluster": "eu-west", "namespace": "chat", "pod": "llama-chat-0"}),
    ("h100x2-8b", {"cluster": "eu-west", "namespace": "chat", "pod": "llama-chat-1"}),
    ("h100-8b", {"cluster": "us-east", "namespace": "batch", "pod": "llama-batch-0"}),
)
"""What each demo simulates, and where it is said to be."""


@contextmanager
def watched_fleet(seconds: float) -> Iterator[Watched]:
    """Run several demos as if in clusters, with the rules evaluated, and hand them over after some seconds."""
    demos = [DemoProcess("--preset", preset) for preset, _ in FLEET]
    places = {demo.address: labels for demo, (_, labels) in zip(demos, FLEET, strict=True)}
    prometheus = PrometheusServer(list(places), "5s", RULES, labels=places)
    pause = seconds / 4 / len(demos)
    try:
        prometheus.start()
        begun = time.time()
        for demo in demos:
            # Not all at the same hour of their simulated day.
            demo.start()
            time.sleep(pause)
        time.sleep(max(0.0, begun + seconds - time.time()))
        yield Watched(prometheus.url, begun)
    finally:
        prometheus.stop()
        for demo in demos:
            demo.stop()


def legend(query: Query, series: Series) -> str:
    """Return the name that a series has in the panel.

    >>> legend(board_files.Query("b", "p / A", "up", "{{job}} {{ x }}"), {"metric": {"job": "rig"}})
    'rig '
    """
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: str(series["metric"].get(match[1], "")), query.legend)
