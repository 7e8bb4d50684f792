"""``/api/v1/cost``: what every server cost hour by hour, as JSON for people and as FOCUS in CSV. A view."""

from __future__ import annotations

import asyncio
import math
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from pentameter.cost_focus import to_csv
from pentameter.cost_focus_format import moment
from pentameter.cost_hours import LAST_HOUR
from pentameter.dimensions.cost_per_token import COST_PER_MILLION
from pentameter.dimensions.economics import COST_PER_HOUR
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fastapi import FastAPI

    from pentameter.cost_hours import Entry
    from pentameter.snapshot import Snapshot

PARAMETERS = ("start", "end", "format")
FORMATS = ("json", "csv")
FIRST_TIME = 1e9
"""Of 2001: there is no cost before."""


def mount_cost(
    app: FastAPI, latest: Callable[[], Snapshot | None], entries: Callable[[], Sequence[Entry]], methods: list[str]
) -> None:
    """Add the path to the application; ``entries`` gives a copy of the cost journal."""

    @app.api_route("/api/v1/cost", methods=methods)
    async def cost(request: Request) -> Response:
        snapshot = latest()
        if snapshot is None:
            return JSONResponse({"error": "starting"}, 503)
        try:
            start, end, kind = _asked(request.query_params, request.headers.get("accept", ""))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        chosen = [entry for entry in entries() if start <= entry.start < end]
        # A month of many servers takes its time: not on the event loop, which has scrapes to answer.
        if kind == "csv":
            text = await asyncio.to_thread(partial(to_csv, chosen, wall=snapshot.wall, host=socket.gethostname()))
            return Response(text, media_type="text/csv; charset=utf-8; header=present")
        return await asyncio.to_thread(lambda: JSONResponse(document(snapshot, chosen)))


def document(snapshot: Snapshot, entries: Iterable[Entry]) -> dict[str, Any]:
    """Return the journal as a JSON document, with the present figures of every server."""
    return {
        "time": snapshot.wall,
        "currency": "USD",
        "servers": _servers(snapshot),
        "rows": [_row(entry, snapshot.wall) for entry in entries],
    }


def _servers(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return what every server costs now, per hour by component and per million tokens."""
    servers: dict[tuple[str, ...], dict[str, Any]] = {}
    for sample in snapshot.samples:
        if sample.metric not in (COST_PER_HOUR, COST_PER_MILLION):
            continue
        labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
        place = {name: labels.pop(name) for name in ("server", "model_name", "engine")}
        empty = {**place, "dollars_per_hour": {}, "dollars_per_million_tokens": []}
        server = servers.setdefault(tuple(place.values()), empty)
        if sample.metric is COST_PER_HOUR:
            server["dollars_per_hour"][labels["component"]] = sample.value
        else:
            server["dollars_per_million_tokens"].append({**labels, "value": sample.value})
    return list(servers.values())


def _row(entry: Entry, wall: float) -> dict[str, Any]:
    account = entry.account
    gpu_seconds = entry.total("gpu_seconds")
    return {
        "start": moment(entry.start),
        "end": moment(entry.end),
        "complete": entry.end <= wall,
        "server": account.server,
        "model_name": account.model_name,
        "engine": account.engine,
        "price": asdict(account.quote) | {"dollars_per_kwh": account.dollars_per_kwh} if account.quote else None,
        "dollars": entry.total("dollars"),
        "dollars_by_component": entry.by(1, "dollars"),
        "dollars_by_state": entry.by(2, "dollars"),
        "warmup_dollars": entry.total("warmup"),
        "gpu_hours": None if gpu_seconds is None else gpu_seconds / SECONDS_PER_HOUR,
        "seconds_by_state": entry.by(1, "seconds"),
        "joules_by_component": entry.by(1, "joules"),
        "joules_by_state": entry.by(2, "joules"),
        "grams_by_kind": entry.by(1, "grams"),
        "tokens": entry.tokens(),
        "requests": entry.total("requests"),
    }


def _asked(query: Mapping[str, str], accept: str) -> tuple[float, float, str]:
    """Return what was asked for: from when, until when, and how; raises ``ValueError`` with what is wrong."""
    unknown = [name for name in query if name not in PARAMETERS]
    if unknown:
        message = f"unknown parameter {unknown[0]!r:.60}; there are {', '.join(PARAMETERS)}"
        raise ValueError(message)
    start, end = _time(query, "start", -math.inf), _time(query, "end", math.inf)
    if end < start:
        message = "end is before start"
        raise ValueError(message)
    kind = query.get("format") or ("csv" if "text/csv" in accept else "json")
    if kind not in FORMATS:
        message = f"format is {kind!r:.60}; it may be {' or '.join(FORMATS)}"
        raise ValueError(message)
    return start, end, kind


def _time(query: Mapping[str, str], name: str, missing: float) -> float:
    """Return a time as Unix seconds; one without an offset is of UTC."""
    text = query.get(name)
    if text is None:
        return missing
    try:
        seconds = float(text)
    except ValueError:
        try:
            told = datetime.fromisoformat(text)
        except ValueError:
            message = f"{name} is {text!r:.60}, no time: give Unix seconds or ISO 8601 such as 2026-11-01T00:00:00Z"
            raise ValueError(message) from None
        seconds = (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    # A year, or a date without its hyphens, is a number too, and was not meant as seconds of 1970.
    if not (seconds == 0 or FIRST_TIME <= seconds <= LAST_HOUR):
        message = f"{name} is {text!r:.60}, which is out of range"
        raise ValueError(message)
    return seconds
