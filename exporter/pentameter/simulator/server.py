"""The simulated vLLM behind real HTTP on the loopback interface."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from pentameter.simulator.live import LiveSimulation
from pentameter.simulator.plugin import SimulatedPlugin
from pentameter.simulator.power import SimulatedGpus
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.tokenizer import answer as tokenizer_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pentameter.simulator.presets import Preset

    _Answer = Callable[[str], tuple[HTTPStatus, str, bytes]]
    _AnswerPost = Callable[[str, bytes], tuple[HTTPStatus, str, bytes]]

VLLM_VERSION = "0.32.0"
METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"
JSON_TYPE = "application/json"
MOST_POSTED_BYTES = 1024 * 1024


class SimulatedVllm:
    """A vLLM server that is not there: ``start()`` it, scrape its URL, read its ``gpus``, ``close()`` it.

    Simulated time is ``begin`` seconds at construction. Both clocks are injectable; the defaults are real time.
    With a ``plugin_socket`` it also sends the plugin's messages there, about every request that finishes after
    ``start()``.
    """

    def __init__(
        self,
        preset: Preset = DEFAULT,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        begin: float = 0.0,
        plugin_socket: str | None = None,
    ) -> None:
        self.preset = preset
        self._live = LiveSimulation(preset, seed, clock, wall_clock, begin)
        self.gpus = SimulatedGpus(self._live)
        self._models = _models(preset, int(wall_clock()))
        self._server: _Server | None = None
        self._plugin_socket = plugin_socket
        self._plugin: SimulatedPlugin | None = None

    def start(self) -> str:
        """Listen on an ephemeral loopback port and return the server's URL, without a final slash.

        Raises ``OSError`` if the loopback interface gives no port. A second start returns the same URL.
        """
        if self._server is None:
            self._server = _Server(self._answer, self._answer_post)
            self._server.start()
            if self._plugin_socket is not None:
                self._plugin = SimulatedPlugin(self._live, self._plugin_socket)
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def gpu_indices(self) -> list[str]:
        """Return the indices of its GPUs."""
        return [str(gpu.index) for gpu in self._live.read_gpus().gpus]

    def close(self) -> None:
        """Stop listening and reporting, and end open connections; a second close does nothing."""
        if self._plugin is not None:
            self._plugin.close()
            self._plugin = None
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and body for a path."""
        match path.partition("?")[0]:
            case "/metrics" | "/metrics/":
                return HTTPStatus.OK, METRICS_TYPE, self._live.render_page()
            case "/version":
                return HTTPStatus.OK, JSON_TYPE, json.dumps({"version": VLLM_VERSION}).encode()
            case "/v1/models":
                return HTTPStatus.OK, JSON_TYPE, self._models
            case "/health" | "/ping":
                return HTTPStatus.OK, JSON_TYPE, b""
            case _:
                return HTTPStatus.NOT_FOUND, JSON_TYPE, b'{"detail":"Not Found"}'

    def _answer_post(self, path: str, body: bytes) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and body for what is sent to a path."""
        if path != "/tokenize":
            return HTTPStatus.NOT_FOUND, JSON_TYPE, b'{"detail":"Not Found"}'
        model = self.preset.model
        status, said = tokenizer_answer(body, model.name, model.max_model_len)
        return status, JSON_TYPE, json.dumps(said).encode()


def _models(preset: Preset, created: int) -> bytes:
    model = {
        "id": preset.model.name,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": preset.model.name,
        "parent": None,
        "max_model_len": preset.model.max_model_len,
    }
    return json.dumps({"object": "list", "data": [model]}).encode()


class _Server(ThreadingHTTPServer):
    """A threading server that can end its kept-alive connections."""

    daemon_threads = True

    def __init__(self, answer: _Answer, answer_post: _AnswerPost) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.answer_post = answer_post
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="simulated-vllm", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):  # the client may have been faster
                connection.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - typeshed's type for a socket
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as typeshed has it
        """Report what went wrong, unless a client merely went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one segment
    server: _Server

    def do_GET(self) -> None:
        self._say(*self.server.answer(self.path))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_POSTED_BYTES:
            self.close_connection = True
            self._say(HTTPStatus.BAD_REQUEST, JSON_TYPE, b"")
            return
        self._say(*self.server.answer_post(self.path, self.rfile.read(int(length))))

    def _say(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing: a scrape a second is no news."""
