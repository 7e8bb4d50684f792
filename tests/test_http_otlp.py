"""OTLP over HTTP: what is taken, what is refused with which status, and that nobody can hold us up."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
import tracemalloc
import zlib

import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from asgi_client import Answer
from otlp_bodies import body, span
from pentameter.http_otlp import DECODERS, DISCARDED, RETRY_AFTER_SECONDS, SMALL_BYTES, UNDER_WAY, otlp_router
from pentameter.sources import SourceAbsent
from pentameter.sources.otlp import OtlpInbox
from pentameter.sources.otlp_wire import fields

FINE = body(span())
MAX_BYTES = 100_000
PROTOBUF = {"content-type": "application/x-protobuf"}
GZIP = {**PROTOBUF, "content-encoding": "gzip"}


class Forwarder:
    mark = "ours"

    def __init__(self):
        self.bodies = []

    def put(self, data):
        self.bodies.append(data)

    def counts(self):
        return {}


class Gate:
    """A client that sends its body in parts, when the test lets it; ``None`` is where it goes away."""

    def __init__(self, *parts):
        self.parts = list(parts)

    async def receive(self):
        if not self.parts:
            await asyncio.Event().wait()
        part = self.parts.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(self.parts) or self.more}

    more = False


def endless(*parts):
    gate = Gate(*parts)
    gate.more = True
    return gate


def application(box, allow="loopback", body_seconds=10.0, max_bytes=MAX_BYTES):
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(otlp_router(box, allow=allow, max_bytes=max_bytes, body_seconds=body_seconds))
    return app


async def post_to(app, data, headers=PROTOBUF, client=("127.0.0.1", 50_000)):
    gate = data if isinstance(data, Gate) else Gate(data)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/traces",
        "raw_path": b"/v1/traces",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": client,
        "server": ("127.0.0.1", 80),
    }
    sent = []

    async def send(message):
        sent.append(message)

    await app(scope, gate.receive, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))


def post(data, headers=PROTOBUF, *, box=None, client=("127.0.0.1", 50_000), **options):
    """Send one body; return the answer and what was counted."""
    box = box or OtlpInbox()
    answer = asyncio.run(post_to(application(box, **options), data, headers, client))
    return answer, counted(box)


def counted(box):
    return {outcome: count for outcome, count in box.read().counts.items() if count}


def said(answer):
    """Return the message of a ``google.rpc.Status``, its second field."""
    assert answer.headers["content-type"] == "application/x-protobuf"
    [(tag, start, end)] = fields(answer.raw, 0, len(answer.raw))
    assert tag == 2 << 3 | 2
    return answer.raw[start:end].decode()


# What is taken


@pytest.mark.parametrize(
    ("data", "headers", "spans"),
    [
        (FINE, PROTOBUF, 1),
        (FINE, {"content-type": "Application/X-Protobuf; charset=utf-8", "content-encoding": "identity"}, 1),
        (gzip.compress(FINE), {**PROTOBUF, "content-encoding": "GZip"}, 1),
        (FINE * 40, PROTOBUF, 40),
        (gzip.compress(FINE * 40), GZIP, 40),
    ],
)
def test_a_body_is_taken_plain_or_packed_small_or_large(data, headers, spans):
    box = OtlpInbox()
    answer = asyncio.run(post_to(application(box), data, headers))
    assert (answer.status, answer.raw) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert [request.request_id for request in box.read().requests] == ["cmpl-4f1b2c3d4e5f6071-0"] * spans


def test_a_body_may_come_in_parts():
    answer, counts = post(Gate(FINE[:10], b"", FINE[10:300], FINE[300:]))
    assert (answer.status, counts) == (200, {"accepted": 1.0, "taken": 1.0})


def test_an_empty_body_is_a_success():
    answer, counts = post(b"")
    assert (answer.status, answer.raw, counts) == (200, b"", {"taken": 1.0})


def test_the_sender_is_told_what_was_rejected():
    answer, counts = post(body(span(), span(start=0), span("other")))
    partial = ExportTraceServiceResponse.FromString(answer.raw).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert partial.error_message == "an llm_request span has no start time"
    assert counts == {"accepted": 1.0, "malformed": 1.0, "ignored": 1.0, "taken": 1.0}


def test_a_full_inbox_is_a_partial_success_that_is_not_sent_again():
    answer, counts = post(FINE, box=OtlpInbox(capacity=0))
    partial = ExportTraceServiceResponse.FromString(answer.raw).partial_success
    assert (answer.status, partial.rejected_spans, partial.error_message) == (200, 1, "the receiver is full")
    assert counts == {"dropped": 1.0, "taken": 1.0}


def test_a_body_of_exactly_the_limit_is_taken():
    assert post(FINE, max_bytes=len(FINE))[0].status == 200
    assert post(gzip.compress(FINE), GZIP, max_bytes=len(FINE))[0].status == 200


def test_large_bodies_and_packed_ones_are_decoded_away_from_the_event_loop():
    threads = []

    class Watched(OtlpInbox):
        def offer(self, data):
            threads.append(threading.current_thread() is threading.main_thread())
            return super().offer(data)

    box = Watched()
    large = FINE * 40
    assert len(FINE) <= SMALL_BYTES < len(large)
    for data, headers in ((FINE, PROTOBUF), (large, PROTOBUF), (gzip.compress(FINE), GZIP)):
        post(data, headers, box=box)
    assert threads == [True, False, False]


def test_few_large_bodies_are_decoded_at_a_time():
    released = threading.Event()

    class Slow(OtlpInbox):
        def offer(self, data):
            self.count("slow")
            released.wait(20)
            return super().offer(data)

    box = Slow()
    app = application(box)

    async def run():
        answers = [asyncio.create_task(post_to(app, gzip.compress(FINE), GZIP)) for _ in range(DECODERS + 3)]
        while begun(box) < DECODERS:  # noqa: ASYNC110 - what is waited for happens in threads
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        at_a_time = begun(box)
        released.set()
        return at_a_time, [answer.status for answer in await asyncio.gather(*answers)]

    assert asyncio.run(run()) == (DECODERS, [200] * (DECODERS + 3))


def begun(box):
    with contextlib.suppress(SourceAbsent):
        return box.read().counts["slow"]
    return 0


# Who may send


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_send(host):
    assert post(FINE, client=(host, 1))[0].status == 200


def test_a_unix_socket_is_on_this_machine():
    assert post(FINE, client=None)[0].status == 200


@pytest.mark.parametrize("host", ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1%eth0", "2001:db8::1", "testclient", ""])
def test_other_machines_may_not_unless_they_are_let_in(host):
    answer, counts = post(FINE, client=(host, 1))
    assert (answer.status, counts) == (403, {"refused_address": 1.0})
    assert "otlp.http: any" in said(answer)
    assert post(FINE, client=(host, 1), allow="any")[0].status == 200


# What is refused


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "application/x-protobuf2", ""])
def test_another_media_type_is_refused_with_what_to_do(kind):
    answer, counts = post(FINE, {"content-type": kind})
    assert (answer.status, counts) == (415, {"unsupported_media_type": 1.0})
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf" in said(answer)


def test_a_missing_media_type_is_refused():
    assert post(FINE, {})[0].status == 415


def test_json_is_refused_in_json():
    answer, counts = post(b"{}", {"content-type": "application/json; charset=utf-8"})
    assert (answer.status, counts) == (415, {"unsupported_media_type": 1.0})
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["message"]
    assert "http/protobuf" in json.loads(answer.raw)["message"]


@pytest.mark.parametrize("encoding", ["deflate", "zstd", "br", "gzip, gzip"])
def test_another_encoding_is_refused(encoding):
    answer, counts = post(zlib.compress(FINE), {**PROTOBUF, "content-encoding": encoding})
    assert (answer.status, counts) == (415, {"unsupported_media_type": 1.0})
    assert "gzip" in said(answer)


@pytest.mark.parametrize(
    ("data", "headers", "why"),
    [
        (b"\x0a\x7f", PROTOBUF, "does not fit"),
        (FINE * 40 + b"\x0f", PROTOBUF, "wire type 7"),
        (FINE, GZIP, "not gzip"),
        (gzip.compress(FINE)[:-3], GZIP, "cut off"),
        (gzip.compress(b"\x0a\x7f"), GZIP, "does not fit"),
    ],
)
def test_a_malformed_body_is_refused_and_not_to_be_sent_again(data, headers, why):
    answer, counts = post(data, headers)
    assert (answer.status, counts) == (400, {"malformed_body": 1.0})
    assert why in said(answer)


@pytest.mark.parametrize(
    "data",
    [bytes(MAX_BYTES + 1), Gate(bytes(MAX_BYTES), b"x"), Gate(b"x", bytes(MAX_BYTES), b"more", b"and more")],
)
def test_a_body_that_is_too_large_is_read_to_its_end_and_refused(data):
    answer, counts = post(data)
    assert (answer.status, counts) == (413, {"too_large": 1.0})
    assert said(answer) == "the body has more than 100000 bytes"
    assert "connection" not in answer.headers
    assert not isinstance(data, Gate) or data.parts == []


@pytest.mark.parametrize("data", [bytes(MAX_BYTES + 1), bytes(10_000_000)])
def test_a_body_that_is_too_large_unpacked_is_refused(data):
    answer, counts = post(gzip.compress(data), GZIP)
    assert (answer.status, counts) == (413, {"too_large": 1.0})
    assert "unpacked" in said(answer)


def test_nothing_is_kept_of_a_body_once_it_is_refused():
    held = []

    class Watching(Gate):
        async def receive(self):
            held.append(tracemalloc.get_traced_memory()[0])
            return await super().receive()

    large = bytes(2_000_000)
    app = application(OtlpInbox(), max_bytes=3_000_000)
    gate = Watching(large, large, b"x")
    tracemalloc.start()
    try:
        assert asyncio.run(post_to(app, gate)).status == 413
    finally:
        tracemalloc.stop()
    assert held[1] > 2_000_000 > held[2]


def test_a_client_that_does_not_stop_sending_is_cut_off():
    chunks = Gate(*[bytes(MAX_BYTES)] * (DISCARDED + 5))
    answer, counts = post(chunks)
    assert (answer.status, counts) == (413, {"too_large": 1.0})
    assert answer.headers["connection"] == "close"
    assert len(chunks.parts) == 4


def test_a_refused_body_is_read_so_that_the_client_sees_the_answer():
    gate = Gate(b"a", b"b", b"c")
    answer, _ = post(gate, {"content-type": "text/plain"})
    assert (answer.status, gate.parts) == (415, [])
    assert "connection" not in answer.headers


@pytest.mark.parametrize("headers", [PROTOBUF, {"content-type": "text/plain"}])
def test_a_body_that_does_not_arrive_in_time_is_given_up(headers):
    answer, counts = post(endless(FINE[:10]), headers, body_seconds=0.01)
    assert (answer.status, counts) == (408, {"slow": 1.0})
    assert answer.headers["connection"] == "close"


def test_a_client_that_goes_away_is_counted():
    answer, counts = post(Gate(FINE[:10], None))
    assert (answer.status, counts) == (400, {"incomplete": 1.0})


def test_a_body_that_we_forwarded_ourselves_is_not_taken_again():
    forward = Forwarder()
    answer, counts = post(FINE, {**PROTOBUF, "pentameter-forwarded-by": "ours"}, box=OtlpInbox(forward))
    assert (answer.status, counts, forward.bodies) == (508, {"loop": 1.0}, [])
    answer, counts = post(FINE, {**PROTOBUF, "pentameter-forwarded-by": "theirs"}, box=OtlpInbox(forward))
    assert (answer.status, forward.bodies) == (200, [FINE])


def test_a_packed_body_is_forwarded_unpacked():
    forward = Forwarder()
    post(gzip.compress(FINE), GZIP, box=OtlpInbox(forward))
    assert forward.bodies == [FINE]


# What is held at a time


def test_bodies_under_way_are_bounded_together_and_their_room_is_given_back():
    box = OtlpInbox()
    app = application(box)

    class Held(Gate):
        """Sends as much as is allowed, and goes away when the test says so."""

        def __init__(self):
            super().__init__(bytes(MAX_BYTES), None)
            self.more = True
            self.waits, self.released = asyncio.Event(), asyncio.Event()

        async def receive(self):
            if len(self.parts) == 1:
                self.waits.set()
                await self.released.wait()
            return await super().receive()

    async def run():
        clients = [Held() for _ in range(UNDER_WAY)]
        answers = [asyncio.create_task(post_to(app, client)) for client in clients]
        for client in clients:
            await client.waits.wait()
        while_full = await post_to(app, FINE)
        clients[0].released.set()
        await answers[0]
        after = await post_to(app, FINE)
        for client in clients:
            client.released.set()
        await asyncio.gather(*answers)
        return while_full, after

    while_full, after = asyncio.run(run())
    assert (while_full.status, while_full.headers["retry-after"]) == (503, str(RETRY_AFTER_SECONDS))
    assert after.status == 200
    assert counted(box) == {"overloaded": 1.0, "incomplete": 4.0, "accepted": 1.0, "taken": 1.0}


def test_the_room_is_given_back_whatever_becomes_of_a_body():
    box = OtlpInbox()
    app = application(box, body_seconds=0.01, max_bytes=1000)

    async def run():
        for _ in range(3 * UNDER_WAY):
            for data, headers in (
                (FINE, PROTOBUF),
                (bytes(900), PROTOBUF),
                (Gate(bytes(900), bytes(200)), PROTOBUF),
                (bytes(900), GZIP),
                (Gate(bytes(900), None), PROTOBUF),
                (endless(bytes(900)), PROTOBUF),
            ):
                await post_to(app, data if isinstance(data, bytes) else copy(data), headers)
        return await post_to(app, FINE)

    assert asyncio.run(run()).status == 200
    assert "overloaded" not in counted(box)


def copy(gate):
    again = Gate(*gate.parts)
    again.more = gate.more
    return again


# Through a real server


@pytest.fixture(scope="module")
def server():
    """Serve on loopback with uvicorn; yields its port and the inbox."""
    box = OtlpInbox()
    app = application(box, body_seconds=0.3, max_bytes=1_000_000)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", http="h11", ws="none", loop="asyncio")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])), daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield listener.getsockname()[1], box
    running.should_exit = True
    thread.join(10)
    listener.close()


def test_one_connection_serves_many_bodies_good_and_refused(server):
    port, box = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        statuses = []
        for data, headers in (
            (FINE, PROTOBUF),
            (gzip.compress(FINE * 1000), GZIP),
            (b"\x0f", PROTOBUF),
            (FINE, {"content-type": "application/json"}),
            (bytes(5_000_000), PROTOBUF),
            (iter([FINE[:100], FINE[100:]]), PROTOBUF),
        ):
            connection.request("POST", "/v1/traces", data, headers, encode_chunked=not isinstance(data, bytes))
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    assert statuses == [200, 200, 400, 415, 413, 200]
    assert len(box.read().requests) == 1002


def test_a_client_that_drips_its_body_is_answered_and_disconnected(server):
    port, _ = server
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)
        dripping = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                while not dripping.wait(0.1):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(4096):
                answer += part
        dripping.set()
        thread.join(10)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_only_posts_are_taken(server):
    port, _ = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/traces")
        assert connection.getresponse().status == 405
