"""The receivers of OTLP spans: the route on the exporter's own HTTP server, and a gRPC server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.http_otlp import otlp_router
from pentameter.sources.otlp import OtlpInbox

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI

    from pentameter.config import Settings
    from pentameter.sources.otlp_grpc import OtlpGrpcServer


class Receivers:
    """Fills the inbox that is among the sources."""

    def __init__(self, settings: Settings, sources: Iterable[object]) -> None:
        self._otlp = settings.otlp
        self._inbox = next((source for source in sources if isinstance(source, OtlpInbox)), None)
        self._grpc: OtlpGrpcServer | None = None

    def mount(self, app: FastAPI) -> None:
        """Add the route for spans, unless it is switched off."""
        if self._inbox is not None and self._otlp.http != "off":
            app.include_router(otlp_router(self._inbox, allow=self._otlp.http, max_bytes=self._otlp.max_body_bytes))

    def start(self) -> None:
        """Start the gRPC server where one is configured.

        Raises ``OSError`` where the address is taken, and ``GrpcMissingError`` without the library.
        """
        if self._inbox is None or self._otlp.grpc_listen is None:
            return
        from pentameter.sources.otlp_grpc import OtlpGrpcServer

        self._grpc = OtlpGrpcServer(self._inbox, max_bytes=self._otlp.max_body_bytes)
        self._grpc.start(self._otlp.grpc_listen)

    def stop(self) -> None:
        """Take no more by gRPC."""
        if self._grpc is not None:
            self._grpc.stop()
