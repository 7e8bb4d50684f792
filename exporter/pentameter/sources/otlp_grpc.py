"""OTLP over gRPC, on a port of its own; needs grpcio, the extra ``grpc``.

grpcio's threaded server keeps all of it away from the event loop. No generated code: requests and answers are bytes.
gRPC's own unpacking is switched off, because older releases check the size of a message before they unpack it, or
after they have unpacked all of it.
"""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pentameter.sources.otlp_answers import export_response
from pentameter.sources.otlp_gzip import TooLargeError, unpack
from pentameter.sources.otlp_wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.sources.otlp import OtlpInbox

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
CALLS = 4
"""Calls at a time, each with a body in memory; gRPC answers RESOURCE_EXHAUSTED to one more."""
DECODERS = 2
BODY_SECONDS = 10.0
"""A body that takes longer to arrive is given up, with its call."""
CONNECTION_SECONDS = 600
"""Connections are renewed so often, and so a peer that never ends a call does not keep one for ever."""
STOP_SECONDS = 0.5
_CUT_OFF = 2
"""gRPC itself cuts off what has this many times the bytes allowed; below, a body too large is seen, and counted so."""
_GZIP_MAGIC = b"\x1f\x8b"
"""No OTLP body begins so: it would be a field of wire type 7, which does not exist."""
_IDENTITY_AND_GZIP = 1 << 0 | 1 << 2


class GrpcMissingError(OSError):
    """grpcio is not installed."""


class OtlpGrpcServer:
    """Takes ``Export`` calls and puts their bodies into the inbox; building it does no I/O."""

    def __init__(self, inbox: OtlpInbox, *, max_bytes: int, body_seconds: float = BODY_SECONDS) -> None:
        self._inbox = inbox
        self._max_bytes = max_bytes
        self._body_seconds = body_seconds
        self._decoders = threading.Semaphore(DECODERS)
        self._codes: Any = None
        self._server: Any = None

    def start(self, listen: str) -> int:
        """Listen on HOST:PORT and return the port, which the system chooses for port 0.

        Raises ``GrpcMissingError``, and ``OSError`` that names an address which cannot be had.
        """
        try:
            grpc: Any = importlib.import_module("grpc")
        except ImportError as error:
            message = f"otlp.grpc_listen needs grpcio ({error}): pip install 'pentameter[grpc]'"
            raise GrpcMissingError(message) from error
        self._codes = grpc.StatusCode
        server = grpc.server(
            ThreadPoolExecutor(CALLS, thread_name_prefix="otlp grpc"),
            maximum_concurrent_rpcs=CALLS,
            options=[
                ("grpc.max_receive_message_length", _CUT_OFF * self._max_bytes),
                ("grpc.per_message_decompression", 0),
                ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
                ("grpc.so_reuseport", 0),
                ("grpc.max_connection_age_ms", CONNECTION_SECONDS * 1000),
                ("grpc.max_connection_age_grace_ms", int(self._body_seconds * 1000)),
            ],
        )
        # Read as a stream of messages, of which there is one: so the handler has the call before its body.
        export = grpc.stream_unary_rpc_method_handler(self._export)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
        try:
            port: int = server.add_insecure_port(listen)
        except RuntimeError:
            port = 0
        if not port:
            server.stop(None)
            message = f"cannot listen for gRPC on {listen}: the address is taken or is none of this machine"
            raise OSError(message)
        server.start()
        self._server = server
        return port

    def stop(self) -> None:
        """End, after the calls under way have had a moment; safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(STOP_SECONDS).wait(2 * STOP_SECONDS)

    def _export(self, messages: Iterator[bytes], context: Any) -> bytes:  # noqa: ANN401 - grpcio is not typed
        data = self._received(messages, context)
        with self._decoders:
            return self._answer(data, context)

    def _received(self, messages: Iterator[bytes], context: Any) -> bytes:  # noqa: ANN401
        """Return the body as it came; ends the call when there is none, or not in time."""
        slow = threading.Event()

        def give_up() -> None:
            slow.set()
            context.cancel()

        late = threading.Timer(self._body_seconds, give_up)
        late.daemon = True
        late.start()
        try:
            return next(messages)
        except Exception:  # grpcio raises its own, not StopIteration alone, when the call has ended
            self._inbox.count("slow" if slow.is_set() else "incomplete")
            context.abort(self._codes.INVALID_ARGUMENT, "there is no body, or it did not arrive whole and in time")
            raise
        finally:
            late.cancel()

    def _answer(self, data: bytes, context: Any) -> bytes:  # noqa: ANN401
        try:
            if data.startswith(_GZIP_MAGIC):
                data = unpack(data, self._max_bytes)
            elif len(data) > self._max_bytes:
                message = f"the body has more than {self._max_bytes} bytes"
                raise TooLargeError(message)
        except TooLargeError as error:
            # Without RetryInfo, which tells the sender not to try again.
            self._inbox.count("too_large")
            context.abort(self._codes.RESOURCE_EXHAUSTED, str(error))
        except WireError as error:
            self._inbox.count("malformed_body")
            context.abort(self._codes.INVALID_ARGUMENT, str(error))
        receipt = self._inbox.offer(data)
        if receipt.outcome != "taken":
            context.abort(self._codes.INVALID_ARGUMENT, receipt.message)
        return export_response(receipt.rejected, receipt.message)
