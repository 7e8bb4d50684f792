"""A server of plain HTTP that refuses what is no HTTP at once, as vLLM's does to a TLS greeting."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from fakes.http_server import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOT_FOUND = page("not found", status="404 Not Found")


@contextlib.contextmanager
def plain_server(answers: Mapping[str, bytes]) -> Iterator[str]:
    """Serve these answers by path, and give the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.wfile.write(answers.get(self.path, _NOT_FOUND))

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(5)
