"""What an OTLP receiver answers, as Protocol Buffers."""

from __future__ import annotations

from pentameter.sources.otlp_wire import with_length, with_number


def export_response(rejected: int = 0, message: str = "") -> bytes:
    """Return an ``ExportTraceServiceResponse``; with ``partial_success`` only where there is something to say."""
    if not rejected and not message:
        return b""
    partial = (with_number(1, rejected) if rejected else b"") + with_length(2, message.encode())
    return with_length(1, partial)


def status(message: str) -> bytes:
    """Return a ``google.rpc.Status``; OTLP does not use its ``code``."""
    return with_length(2, message.encode())
