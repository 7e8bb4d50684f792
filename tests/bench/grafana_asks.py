"""The queries of a board over a time range, as Grafana 13 sends them to Prometheus."""

from __future__ import annotations

import itertools
import json
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import board_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTH = 1920
"""Pixels of the browser's window: a panel asks for at most one value for each of its own."""
STEPS = (
    *(10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000),
    *(600_000, 900_000, 1_200_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000),
)
"""Milliseconds that Grafana rounds an interval to."""


@dataclass(frozen=True)
class Asked:
    """One request: where it comes from, and what it asks."""

    board: str
    where: str
    endpoint: str
    parameters: tuple[tuple[str, str], ...]
    step: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What Prometheus said of it."""

    seconds: float
    samples: int
    series: int


def step_of(seconds: float, points: int, least: float) -> float:
    """Return the seconds between two values of a graph: the range over the points, rounded, and not below the least.

    >>> step_of(3600, 1000, 30), step_of(86_400, 1000, 30), step_of(7 * 86_400, 1000, 30)
    (30, 60.0, 600.0)
    """
    wanted = 1000 * seconds / points
    # Grafana rounds at the middle of two neighbours.
    rounded = next((low for low, high in itertools.pairwise(STEPS) if wanted < (low + high) / 2), STEPS[-1])
    return max(least, rounded / 1000)


def seconds_of(interval: str) -> float:
    """Return the seconds of an interval such as ``5m``."""
    return float(interval[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[interval[-1]]


def asked(board: dict[str, Any], span: int, end: int, scrape: int, **chosen: str) -> Iterator[Asked]:
    """Yield what a board asks when it is opened over the ``span`` seconds until ``end``, all variables at "All"."""
    for variable in board_files.variables(board):
        if variable["type"] == "query":
            yield _values_asked_for(board, variable, end - span, end)
    for panel in board_files.panels(board):
        points = panel.get("maxDataPoints") or max(1000, panel["gridPos"]["w"] * WIDTH // 24)
        least = seconds_of(panel["interval"]) if panel.get("interval") else scrape
        step = step_of(span, points, least)
        given = board_files.values(board) | chosen | _of_grafana(span, step, scrape)
        for target in panel.get("targets", []):
            where = f"{panel['title']} / {target['refId']}"
            expr = board_files.filled(target["expr"], given)
            if target.get("instant"):
                yield Asked(board["uid"], where, "query", (("query", expr), ("time", str(end))))
            else:
                start = end - span
                times = (("start", f"{start // step * step}"), ("end", f"{end // step * step}"), ("step", f"{step}"))
                yield Asked(board["uid"], where, "query_range", (("query", expr), *times), step)


def _of_grafana(span: int, step: float, scrape: int) -> dict[str, str]:
    return {
        "__range": f"{span}s",
        "__range_s": f"{span}",
        "__interval": f"{step:.0f}s",
        "__rate_interval": f"{max(step + scrape, 4 * scrape):.0f}s",
    }


def _values_asked_for(board: dict[str, Any], variable: dict[str, Any], start: int, end: int) -> Asked:
    selector, label = board_files.values_asked_for(board_files.variable_definition(variable))
    selector = board_files.filled(selector, board_files.values(board))
    parameters = (("match[]", selector), ("start", str(start)), ("end", str(end)))
    return Asked(board["uid"], f"variable {variable['name']}", f"label/{label}/values", parameters)


def ask(url: str, query: Asked, clock: Callable[[], float]) -> Answer:
    """Send a request, with ``clock`` for the time it takes; raise ``OSError`` when Prometheus refuses it."""
    address = f"{url}/api/v1/{query.endpoint}"
    body = urllib.parse.urlencode([*query.parameters, ("stats", "all")])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    reads = query.endpoint.startswith("label/")
    request = urllib.request.Request(f"{address}?{body}") if reads else urllib.request.Request(address, body.encode())
    begun = clock()
    with opener.open(request, timeout=180.0) as response:
        content = response.read()
    seconds = clock() - begun
    data = json.loads(content)["data"]
    if reads:
        return Answer(seconds, 0, len(data))
    return Answer(seconds, data["stats"]["samples"]["totalQueryableSamples"], len(data["result"]))
