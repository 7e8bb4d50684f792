"""An OpenTelemetry collector that only keeps what it gets; decoded by OpenTelemetry's own classes."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from e2e.rig.process import free_port
from e2e.rig.timings import Timing, client_id, per_further_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Listens for OTLP over HTTP on a free loopback port."""

    def __init__(self) -> None:
        bodies: list[bytes] = []
        self._bodies = bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def timings(self, prefix: str) -> dict[str, Timing]:
        """Return what spans said of the requests whose client chose an id with this prefix, by that id."""
        found = {}
        for span in self._spans():
            if span.name != "llm_request":
                continue
            of = {attribute.key: attribute.value for attribute in span.attributes}
            if (name := client_id(of["gen_ai.request.id"].string_value)).startswith(prefix):
                tokens = of["gen_ai.usage.completion_tokens"].int_value
                decode = of["gen_ai.latency.time_in_model_decode"].double_value
                ttft = of["gen_ai.latency.time_to_first_token"].double_value
                found[name] = Timing(ttft, per_further_token(decode, tokens), tokens)
        return found

    def _spans(self) -> Iterator[Span]:
        for body in list(self._bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans
