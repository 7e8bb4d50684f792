"""OTLP over gRPC, with grpcio's own client on loopback."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
import threading
import time

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from otlp_bodies import body, message, span
from pentameter.sources import SourceAbsent
from pentameter.sources.otlp import OtlpInbox
from pentameter.sources.otlp_grpc import CALLS, GrpcMissingError, OtlpGrpcServer

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FINE = body(span())
MAX_BYTES = 100_000


@pytest.fixture
def receiver():
    """Yield an inbox behind a gRPC server, and a channel to it."""
    box = OtlpInbox()
    server = OtlpGrpcServer(box, max_bytes=MAX_BYTES, body_seconds=0.5)
    port = server.start("127.0.0.1:0")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield box, channel
    server.stop()


@pytest.fixture
def counts(receiver):
    """Return a function that tells what was counted."""
    return lambda: {name: count for name, count in receiver[0].read().counts.items() if count}


def export(channel, data, **options):
    return channel.unary_unary(EXPORT)(data, timeout=20, wait_for_ready=True, **options)


def refused(channel, data, **options):
    """Return code and text of the refusal."""
    with pytest.raises(grpc.RpcError) as caught:
        export(channel, data, **options)
    return caught.value.code(), caught.value.details()


def settled(counts):
    """Return what was counted, as soon as anything was: a client may know of its end before our thread does."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(SourceAbsent):
            return counts()
        time.sleep(0.005)
    return {}


def test_the_official_stub_is_answered(receiver, counts):
    _, channel = receiver
    answer = TraceServiceStub(channel).Export(message(span(), span("other")), timeout=20)
    assert answer == ExportTraceServiceResponse()
    assert counts() == {"accepted": 1.0, "ignored": 1.0, "taken": 1.0}


def test_a_packed_body_is_unpacked(receiver, counts):
    box, channel = receiver
    assert export(channel, FINE * 50, compression=grpc.Compression.Gzip) == b""
    reading = box.read()
    assert [request.request_id for request in reading.requests] == ["cmpl-4f1b2c3d4e5f6071-0"] * 50
    assert counts() == {"accepted": 50.0, "taken": 1.0}


def test_an_empty_body_is_a_success(receiver, counts):
    assert export(receiver[1], b"") == b""
    assert counts() == {"taken": 1.0}


def test_the_sender_is_told_what_was_rejected(receiver):
    answer = ExportTraceServiceResponse.FromString(export(receiver[1], body(span(), span(start=0))))
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message == "an llm_request span has no start time"


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_malformed_body_is_an_invalid_argument(receiver, counts, compression):
    code, text = refused(receiver[1], b"\x0a\x7f" + bytes(3000), compression=compression)
    assert (code, text) == (grpc.StatusCode.INVALID_ARGUMENT, "no field can have the tag 0")
    assert counts() == {"malformed_body": 1.0}


def test_what_only_looks_packed_is_an_invalid_argument(receiver, counts):
    code, text = refused(receiver[1], b"\x1f\x8b and more")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "gzip" in text
    assert counts() == {"malformed_body": 1.0}


@pytest.mark.parametrize(
    ("data", "compression"),
    [
        (bytes(MAX_BYTES + 1), grpc.Compression.NoCompression),
        (bytes(MAX_BYTES + 1), grpc.Compression.Gzip),
        (bytes(5_000_000), grpc.Compression.Gzip),
    ],
)
def test_a_body_that_is_too_large_packed_or_not_exhausts_the_resource(receiver, counts, data, compression):
    code, text = refused(receiver[1], data, compression=compression)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "more than 100000 bytes" in text
    assert counts() == {"too_large": 1.0}


def test_a_body_of_exactly_the_limit_is_not_too_large(receiver):
    text = refused(receiver[1], bytes(MAX_BYTES))[1]
    assert text == "no field can have the tag 0"


def test_a_body_far_too_large_is_cut_off_by_grpc(receiver, counts):
    code, text = refused(receiver[1], bytes(3 * MAX_BYTES))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in text
    assert settled(counts) == {"incomplete": 1.0}


def test_deflate_is_not_implemented(receiver):
    code, _ = refused(receiver[1], FINE * 10, compression=grpc.Compression.Deflate)
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_other_methods_are_not_implemented(receiver):
    with pytest.raises(grpc.RpcError) as caught:
        receiver[1].unary_unary(EXPORT.replace("Trace", "Logs"))(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_call_without_a_body_is_an_invalid_argument(receiver, counts):
    with pytest.raises(grpc.RpcError) as caught:
        receiver[1].stream_unary(EXPORT)(iter(()), timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert settled(counts) == {"incomplete": 1.0}


def tried_until(channel, code):
    """Send the same body until it is answered so; None is success."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = channel.unary_unary(EXPORT).future(FINE, timeout=20).exception()
        if (found and found.code()) is code:
            return True
    return False


def test_callers_that_never_send_are_given_up_and_hold_nobody_up_for_long(receiver, counts):
    never = threading.Event()

    def nothing():
        never.wait(20)
        yield FINE

    calls = [receiver[1].stream_unary(EXPORT).future(nothing(), timeout=20) for _ in range(CALLS)]
    codes = [call.exception().code() for call in calls]
    never.set()
    assert codes == [grpc.StatusCode.CANCELLED] * CALLS
    assert tried_until(receiver[1], None)
    assert counts()["slow"] == CALLS


def test_more_calls_than_are_allowed_at_a_time_are_turned_away():
    server = OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES, body_seconds=20)
    released = threading.Event()

    def late():
        released.wait(20)
        yield FINE

    with grpc.insecure_channel(f"127.0.0.1:{server.start('127.0.0.1:0')}") as channel:
        calls = [channel.stream_unary(EXPORT).future(late(), timeout=20) for _ in range(CALLS)]
        assert tried_until(channel, grpc.StatusCode.RESOURCE_EXHAUSTED)
        released.set()
        assert [call.result() for call in calls] == [b""] * CALLS
        assert tried_until(channel, None)
    server.stop()


def test_no_timer_outlives_its_body():
    server = OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES, body_seconds=1000)
    with grpc.insecure_channel(f"127.0.0.1:{server.start('127.0.0.1:0')}") as channel:
        before = timers()
        for _ in range(3):
            export(channel, FINE)
        end = time.monotonic() + 20
        while timers() > before and time.monotonic() < end:
            time.sleep(0.005)
        assert timers() == before
    server.stop()


def timers():
    return sum(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_a_taken_address_is_an_error_that_names_it():
    first = OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES)
    port = first.start("127.0.0.1:0")
    second = OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES)
    with pytest.raises(OSError, match=f"cannot listen for gRPC on 127.0.0.1:{port}"):
        second.start(f"127.0.0.1:{port}")
    second.stop()
    first.stop()
    first.stop()


def test_after_the_end_the_address_is_free_again():
    server = OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES)
    port = server.start("127.0.0.1:0")
    server.stop()
    again = OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES)
    assert again.start(f"127.0.0.1:{port}") == port
    again.stop()


def test_without_grpcio_it_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(GrpcMissingError, match=r"No module named 'grpc'.*pip install 'pentameter\[grpc\]'"):
        OtlpGrpcServer(OtlpInbox(), max_bytes=MAX_BYTES).start("127.0.0.1:0")


def test_nothing_of_grpcio_is_loaded_before_the_start():
    code = "import sys, pentameter.sources.otlp_grpc as it; it.OtlpGrpcServer(None, max_bytes=1); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert "grpc" not in done.stdout.split()
