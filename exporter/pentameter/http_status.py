"""The status page at ``/`` with its script and style, and the two documents that it shows."""

from __future__ import annotations

import asyncio
import json
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from pentameter import __version__
from pentameter.status import past, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from pentameter.history import History
    from pentameter.snapshot import Snapshot

FILES = {"/": ("index.html", "text/html"), "/status.js": ("status.js", "text/javascript")} | {
    "/status.css": ("status.css", "text/css")
}
"""What is served from the package, by path."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""For the page: nothing from elsewhere, nothing inline, and asked for anew after an upgrade."""

_DATA = {"X-Content-Type-Options": "nosniff"}


def mount_status(app: FastAPI, latest: Callable[[], Snapshot | None], history: History, methods: list[str]) -> None:
    """Add the page and its documents to the application."""
    for path, (name, kind) in FILES.items():
        _mount_file(app, path, files("pentameter").joinpath("web", name).read_bytes(), kind, methods)
    shown = _Latest(history)

    @app.api_route("/api/v1/status", methods=methods)
    async def status_document() -> JSONResponse:
        headers = {**_DATA, "Cache-Control": "no-store"}
        snapshot = latest()
        if snapshot is None:
            return JSONResponse({"error": "starting"}, 503, headers)
        age = max(0.0, time.monotonic() - snapshot.monotonic)
        return JSONResponse({"age": round(age, 1), **shown.document(snapshot)}, headers=headers)

    @app.api_route("/api/v1/history", methods=methods)
    async def history_document(request: Request) -> Response:
        wanted = request.query_params
        # Weak: packed or not, the points are the same. They are of the address that was asked, its query included.
        headers = {**_DATA, "Cache-Control": "no-cache", "ETag": f'W/"{history.version}"'}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        hour = history.hour(wanted.get("server"), wanted.get("model_name"))
        # An hour of many servers takes its time: not on the event loop, which has scrapes to answer.
        text = await asyncio.to_thread(lambda: json.dumps(past(hour), separators=(",", ":"), allow_nan=False))
        return Response(text, media_type="application/json", headers=headers)


class _Latest:
    """Makes the document once per snapshot, however many look at it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._snapshot: Snapshot | None = None
        self._document: dict[str, Any] = {}

    def document(self, snapshot: Snapshot) -> dict[str, Any]:
        if snapshot is not self._snapshot:
            self._document = status(snapshot, self._history, __version__)
            self._snapshot = snapshot
        return self._document


def _mount_file(app: FastAPI, path: str, body: bytes, kind: str, methods: list[str]) -> None:
    @app.api_route(path, methods=methods)
    async def file() -> Response:
        return Response(body, media_type=f"{kind}; charset=utf-8", headers=HEADERS)
