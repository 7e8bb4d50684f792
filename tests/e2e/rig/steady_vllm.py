"""A server whose metrics page tells of a load that never changes, and what a week of it leaves in a state file.

Costs and drift are what is under test here, not vLLM: a load without noise leaves the price as the only thing that can
have changed.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pentameter.drift.book import DriftBook
from pentameter.drift.tally import Tally

MODEL = "steady"
RUNNING = 8
TOKENS_PER_SECOND = 400.0
"""Of the whole batch, so that a token takes each request 8 / 400 s."""
REQUESTS_PER_SECOND = 2.0
STEP_SECONDS = 300.0

PAGE = """\
# TYPE process_start_time_seconds gauge
process_start_time_seconds {begun:.3f}
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="{model}"}} {running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="{model}"}} 0
# TYPE vllm:prompt_tokens counter
vllm:prompt_tokens_total{{engine="0",model_name="{model}"}} {tokens:.6f}
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{{engine="0",model_name="{model}"}} {tokens:.6f}
# TYPE vllm:request_success counter
vllm:request_success_total{{engine="0",finished_reason="stop",model_name="{model}"}} {requests}
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{{engine="0",le="0.1",model_name="{model}"}} {requests}
vllm:time_to_first_token_seconds_bucket{{engine="0",le="+Inf",model_name="{model}"}} {requests}
vllm:time_to_first_token_seconds_sum{{engine="0",model_name="{model}"}} {ttft:.6f}
vllm:time_to_first_token_seconds_count{{engine="0",model_name="{model}"}} {requests}
"""
"""No inter-token latency: drift of the time per token is not followed then."""


def page(begun: float, seconds: float) -> str:
    """Return the page of a server that has worked for so many seconds since a Unix time."""
    requests = int(REQUESTS_PER_SECOND * seconds)
    tokens = TOKENS_PER_SECOND * seconds
    return PAGE.format(
        begun=begun, model=MODEL, running=RUNNING, tokens=tokens, requests=requests, ttft=0.05 * requests
    )


def learnt(server: str, now: float, days: int, dollars_per_hour: float) -> dict[str, Any]:
    """Return the content of the state file of an exporter that has watched such a server for days, until ``now``."""
    book = DriftBook()
    steps = int(days * 86_400 / STEP_SECONDS)
    for left in reversed(range(steps)):
        amounts = {
            "active": STEP_SECONDS,
            "running": RUNNING * STEP_SECONDS,
            "tokens": TOKENS_PER_SECOND * STEP_SECONDS,
            "dollars": dollars_per_hour / 3600 * STEP_SECONDS,
        }
        sums = {key: (amount, STEP_SECONDS) for key, amount in amounts.items()}
        book.add(now - left * STEP_SECONDS, Tally(STEP_SECONDS, sums))
    drift = {"clock": now, "wall": now, "books": [{"server": server, "model": MODEL, "book": book.to_state()}]}
    return {"version": 1, "state": {"capacities": [], "drift": drift}}


class SteadyVllm:
    """Serves the page on a free loopback port.

    Args:
        speed: seconds that the server lives through in one second of ours.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun_wall, self._begun = time.time(), time.monotonic()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="steady-vllm", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return content type and body of a page; None where there is none."""
        if path == "/metrics":
            seconds = (time.monotonic() - self._begun) * self._speed
            return "text/plain; version=0.0.4", page(self._begun_wall, seconds).encode()
        if path == "/v1/models":
            return "application/json", json.dumps({"object": "list", "data": [{"id": MODEL}]}).encode()
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, steady: SteadyVllm) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.steady = steady


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one segment
    server: _Server

    def do_GET(self) -> None:
        found = self.server.steady.answer(self.path)
        kind, body = found or ("text/plain", b"")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""
