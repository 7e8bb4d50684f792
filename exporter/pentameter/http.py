"""The exporter's own HTTP server: views on the latest snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.gzip import GZipMiddleware

from pentameter import __version__
from pentameter.autoscaling import SELECTORS, autoscaling
from pentameter.exposition import Exposition
from pentameter.history import History
from pentameter.http_cost import mount_cost
from pentameter.http_status import mount_status
from pentameter.page_writer import buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pentameter.cost_hours import Entry
    from pentameter.metric import Sample
    from pentameter.snapshot import Snapshot, SourceHealth

STALLED_SECONDS = 180.0
"""No new snapshot for so long, three times the longest interval that can be set, means that the daemon is stuck."""

_READ = ["GET", "HEAD"]
"""What Go's exporters answer as well: load balancers and link checkers ask with HEAD."""


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as a JSON document."""
    return {
        "time": snapshot.wall,
        "sources": [_source(health) for health in snapshot.sources],
        "samples": [
            {
                "name": sample.metric.name,
                "labels": dict(zip(sample.metric.labels, sample.labels, strict=True)),
                **_figures(sample),
            }
            for sample in snapshot.samples
        ],
    }


def _figures(sample: Sample) -> dict[str, Any]:
    """Return the value of a sample, or the parts of a histogram.

    Bounds are strings, as in the label ``le``: JSON has no number for the last of them, +Inf.
    """
    if sample.histogram is None:
        return {"value": sample.value}
    return {"buckets": buckets(sample.histogram), "sum": sample.histogram.sum, "count": sample.histogram.count}


def _source(health: SourceHealth) -> dict[str, Any]:
    return {
        "source": health.source,
        "server": health.server,
        "up": health.up,
        "reason": health.reason,
        "message": health.message,
        "last_success": health.last_success,
        "failures": health.failures,
    }


def create_app(
    latest: Callable[[], Snapshot | None],
    answered: Callable[[], bool],
    hours: Callable[[], Sequence[Entry]] = tuple,
    history: History | None = None,
) -> FastAPI:
    """Return the application.

    ``latest`` gives the snapshot to show, ``answered`` says whether any vLLM server has ever answered, ``hours`` gives
    a copy of the cost journal, ``history`` holds the last hour of the status page.
    """
    # The documentation pages of FastAPI load scripts from elsewhere; the schema costs memory.
    app = FastAPI(title="Pentameter", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)
    exposition = Exposition(latest)

    @app.api_route("/metrics", methods=_READ)
    async def metrics(request: Request) -> Response:
        body, content_type = exposition.render(request.headers.get("accept", ""))
        return Response(body, media_type=None, headers={"Content-Type": content_type})

    @app.api_route("/healthz", methods=_READ)
    async def healthz() -> Response:
        snapshot = latest()
        if snapshot is not None and time.monotonic() - snapshot.monotonic > STALLED_SECONDS:
            return Response("no snapshot for too long\n", 503, media_type="text/plain")
        return Response("ok\n", media_type="text/plain")

    @app.api_route("/readyz", methods=_READ)
    async def readyz() -> JSONResponse:
        snapshot = latest()
        ready = snapshot is not None and answered()
        sources = [_source(health) for health in snapshot.sources] if snapshot else []
        return JSONResponse({"ready": ready, "sources": sources}, 200 if ready else 503)

    @app.api_route("/api/v1/snapshot", methods=_READ)
    async def snapshot_document() -> JSONResponse:
        snapshot = latest()
        return JSONResponse(document(snapshot)) if snapshot else JSONResponse({"error": "starting"}, 503)

    @app.api_route("/api/v1/autoscaling", methods=_READ)
    async def autoscaling_document(request: Request) -> JSONResponse:
        snapshot = latest()
        if snapshot is None:
            return JSONResponse({"error": "starting"}, 503)
        wanted = {key: value for key, value in request.query_params.items() if key in SELECTORS}
        return JSONResponse(autoscaling(snapshot, request.query_params.get("window"), wanted))

    mount_cost(app, latest, hours, _READ)
    mount_status(app, latest, history or History(), _READ)
    return app
