"""A receiver of alerts: it keeps what an Alertmanager posts to it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Told:
    """One alert of one message."""

    receiver: str
    """The last part of the URL that was posted to."""
    status: str
    """``firing`` or ``resolved``."""
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        """Return the name of the alert."""
        return self.labels["alertname"]


class Webhook:
    """Listens on a free loopback port; every path is a receiver."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._server = _Server(self.told)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def of(self, name: str, status: str = "firing") -> list[Told]:
        """Return what was told of an alert, the first message first."""
        return [one for one in list(self.told) if (one.name, one.status) == (name, status)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, told: list[Told]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told = told


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        message: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        receiver = self.path.rpartition("/")[2]
        self.server.told.extend(
            Told(receiver, one["status"], one["labels"], one["annotations"]) for one in message["alerts"]
        )
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""
