"""Forwarding: nothing is changed on the way, and no upstream can harm us."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat

import pytest
import trustme

from pentameter import __version__
from pentameter.sources import otlp_forward
from pentameter.sources.http_get import Credentials
from pentameter.sources.otlp_forward import BODY_COST, LONGEST_PAUSE, OtlpForwarder

BODY = b"\x0a\x02\x12\x00"


class Collector:
    """An upstream that answers with the statuses of a script, the last one for ever."""

    def __init__(self, *statuses, headers=None, answer=b"", tls=None):
        self.received = []
        self.connections = set()
        script = chain(statuses or (200,), repeat((statuses or (200,))[-1]))
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler):  # noqa: N805 - self is the collector
                data = handler.rfile.read(int(handler.headers["Content-Length"]))
                with lock:
                    self.received.append((handler.path, dict(handler.headers), data))
                    self.connections.add(handler.client_address)
                    status = next(script)
                handler.send_response(status)
                for name, value in (headers or {}).items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(answer)))
                handler.end_headers()
                handler.wfile.write(answer)

            def log_message(handler, *_):  # noqa: N805
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a forwarder may go away at any time

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def bodies(self):
        return [data for _, _, data in self.received]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextlib.contextmanager
def forwarding(port_or_url, **options):
    """Yield a forwarder that does not wait long."""
    url = port_or_url if isinstance(port_or_url, str) else f"http://127.0.0.1:{port_or_url}/v1/traces"
    forwarder = OtlpForwarder(url, **{"first_pause": 0.01, **options})
    try:
        yield forwarder
    finally:
        forwarder.close()


def until(true):
    """Wait for what another thread does."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def counted(forwarder, **counts):
    until(lambda: {name: count for name, count in forwarder.counts().items() if count} == counts)


def dead_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.contextmanager
def raw_upstream(serve):
    """Serve each connection with a function of it and of an event that says when the test is over."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.02)

    def accept():
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.settimeout(5)
                with connection, contextlib.suppress(OSError):
                    serve(connection, over)

    thread = threading.Thread(target=accept)
    thread.start()
    yield listener.getsockname()[1]
    over.set()
    thread.join(10)
    listener.close()


def test_bodies_arrive_unchanged_in_order_over_one_connection():
    bodies = [BODY, b"", b"\xffnot otlp at all\x00", bytes(100_000)]
    with Collector() as upstream, forwarding(upstream.port) as forwarder:
        for data in bodies:
            forwarder.put(data)
        counted(forwarder, forwarded=4)
        assert upstream.bodies == bodies
        assert len(upstream.connections) == 1
        path, headers, _ = upstream.received[0]
        assert path == "/v1/traces"
        assert headers["Content-Type"] == "application/x-protobuf"
        assert headers["User-Agent"] == f"pentameter/{__version__}"
        assert headers["Pentameter-Forwarded-By"] == forwarder.mark


def test_each_forwarder_has_a_mark_of_its_own():
    first, second = (OtlpForwarder("http://127.0.0.1:1").mark for _ in range(2))
    assert first != second
    assert len(first) == 16


@pytest.mark.parametrize(("path", "asked"), [("", "/"), ("/a/b?c=d", "/a/b?c=d")])
def test_the_url_is_used_as_it_is(path, asked):
    with Collector() as upstream, forwarding(f"http://127.0.0.1:{upstream.port}{path}") as forwarder:
        forwarder.put(BODY)
        counted(forwarder, forwarded=1)
        assert upstream.received[0][0] == asked


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector/", "http://", "http://host:port/"])
def test_what_is_no_url_is_refused_at_the_start(url):
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        OtlpForwarder(url)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_body_is_sent_again_until_it_is_taken(status):
    with Collector(status, status, 200) as upstream, forwarding(upstream.port) as forwarder:
        forwarder.put(BODY)
        forwarder.put(b"next")
        counted(forwarder, forwarded=2)
        assert upstream.bodies == [BODY, BODY, BODY, b"next"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500, 508])
def test_a_body_that_is_refused_is_not_sent_again(status):
    with Collector(status, 202) as upstream, forwarding(upstream.port) as forwarder:
        forwarder.put(BODY)
        forwarder.put(b"next")
        counted(forwarder, forward_refused=1, forwarded=1)
        assert upstream.bodies == [BODY, b"next"]


def test_pauses_double_and_an_upstream_may_ask_for_more(monkeypatch):
    monkeypatch.setattr(otlp_forward.random, "uniform", lambda low, high: high / 1.2)
    pauses = []
    with forwarding(dead_port(), first_pause=1.0) as forwarder:
        monkeypatch.setattr(forwarder._closing, "wait", lambda pause: pauses.append(pause) or len(pauses) == 8)
        forwarder.put(BODY)
        counted(forwarder, forward_dropped=1)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(("asked", "pause"), [("7", 7.0), ("100000", LONGEST_PAUSE), ("-5", 1.0), ("soon", 1.0)])
def test_an_upstream_may_ask_for_a_longer_pause_but_not_for_ever(monkeypatch, asked, pause):
    monkeypatch.setattr(otlp_forward.random, "uniform", lambda low, high: high / 1.2)
    pauses = []
    with Collector(503, headers={"Retry-After": asked}) as upstream, forwarding(upstream.port, first_pause=1.0) as it:
        monkeypatch.setattr(it._closing, "wait", lambda pause: pauses.append(pause) or True)
        it.put(BODY)
        counted(it, forward_dropped=1)
    assert pauses == [pause]


def test_after_a_success_pauses_are_short_again(monkeypatch):
    monkeypatch.setattr(otlp_forward.random, "uniform", lambda low, high: high / 1.2)
    pauses = []
    with Collector(503, 503, 200, 503, 200) as upstream, forwarding(upstream.port, first_pause=1.0) as forwarder:
        monkeypatch.setattr(forwarder._closing, "wait", lambda pause: pauses.append(pause) and False)
        forwarder.put(BODY)
        forwarder.put(BODY)
        counted(forwarder, forwarded=2)
    assert pauses == [1, 2, 1]


def test_a_body_that_has_waited_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(otlp_forward, "GIVE_UP_SECONDS", 0.05)
    with forwarding(dead_port()) as forwarder:
        forwarder.put(BODY)
        counted(forwarder, forward_dropped=1)


def test_a_dead_upstream_costs_the_bodies_that_do_not_fit_and_no_more():
    with forwarding(dead_port(), first_pause=60.0, max_queue_bytes=3 * (1000 + BODY_COST)) as forwarder:
        for _ in range(5):
            forwarder.put(bytes(1000))
        assert forwarder.counts() == {"forwarded": 0, "forward_refused": 0, "forward_dropped": 2}
    assert forwarder.counts()["forward_dropped"] == 5


def test_even_empty_bodies_have_their_price():
    with forwarding(dead_port(), first_pause=60.0, max_queue_bytes=2 * BODY_COST) as forwarder:
        for _ in range(5):
            forwarder.put(b"")
        assert forwarder.counts()["forward_dropped"] == 3


def test_room_is_given_back_when_bodies_leave():
    with Collector(200, 400, 200) as upstream, forwarding(upstream.port, max_queue_bytes=2 * BODY_COST) as forwarder:
        for sent in range(1, 7):
            forwarder.put(b"x")
            until(lambda sent=sent: sum(forwarder.counts().values()) == sent)
        assert forwarder.counts() == {"forwarded": 5, "forward_refused": 1, "forward_dropped": 0}


def test_an_upstream_that_comes_back_gets_what_was_kept():
    port = dead_port()
    with forwarding(port) as forwarder:
        troubles = []
        forwarder._on_change = troubles.append
        forwarder.put(BODY)
        until(lambda: troubles)

        def answer(connection, over):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        with socket.create_server(("127.0.0.1", port)) as listener:
            connection, _ = listener.accept()
            with connection:
                answer(connection, None)
                counted(forwarder, forwarded=1)
        until(lambda: len(troubles) == 2)
    assert troubles[0].startswith("cannot reach the collector: ")
    assert troubles[1] == ""


def test_trouble_is_told_once_and_flickering_trouble_once_a_minute():
    troubles = []
    flickering = Collector(400, 400, 200, 400, 200, 400, 200)
    with flickering as upstream, forwarding(upstream.port, on_change=troubles.append) as forwarder:
        for _ in range(7):
            forwarder.put(BODY)
        counted(forwarder, forwarded=3, forward_refused=4)
    assert troubles == ["the collector answered 400 Bad Request", ""]


def test_an_idle_connection_that_the_upstream_closed_is_opened_anew():
    def answer_once(connection, over):
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    troubles = []
    with raw_upstream(answer_once) as port, forwarding(port, on_change=troubles.append) as forwarder:
        for sent in (1, 2, 3):
            forwarder.put(BODY)
            counted(forwarder, forwarded=sent)
    assert troubles == []


def test_an_upstream_that_drips_its_answer_is_cut_off_in_time():
    asked = []

    def drip(connection, over):
        asked.append(connection.recv(65_536))
        for byte in b"HTTP/1.1 200 OK" + b" " * 10_000:
            if over.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    with raw_upstream(drip) as port, forwarding(port, timeout=0.1) as forwarder:
        forwarder.put(BODY)
        until(lambda: len(asked) >= 2)
        assert forwarder.counts()["forwarded"] == 0


def test_an_endless_answer_is_not_read_to_its_end():
    def flood(connection, over):
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while not over.is_set():
            connection.sendall(bytes(65_536))

    troubles = []
    with raw_upstream(flood) as port, forwarding(port, on_change=troubles.append) as forwarder:
        forwarder.put(BODY)
        forwarder.put(BODY)
        counted(forwarder, forwarded=2)
    assert troubles == []


def test_an_answer_that_breaks_off_behind_its_status_has_told_enough():
    def cut(connection, over):
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")

    with raw_upstream(cut) as port, forwarding(port) as forwarder:
        forwarder.put(BODY)
        counted(forwarder, forwarded=1)


def test_what_does_not_speak_http_is_tried_again():
    asked = []

    def babble(connection, over):
        asked.append(connection.recv(65_536))
        connection.sendall(b"SSH-2.0-x\r\n" * 100)

    with raw_upstream(babble) as port, forwarding(port) as forwarder:
        forwarder.put(BODY)
        until(lambda: len(asked) >= 2)
        assert forwarder.counts()["forwarded"] == 0


def test_https_with_an_authority_of_its_own_and_a_token():
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with authority.cert_pem.tempfile() as ca_file, Collector(tls=tls) as upstream:
        url = f"https://127.0.0.1:{upstream.port}/v1/traces"
        with forwarding(url, credentials=Credentials(bearer_token="t", ca_file=ca_file)) as forwarder:
            forwarder.put(BODY)
            counted(forwarder, forwarded=1)
            assert upstream.received[0][1]["Authorization"] == "Bearer t"
        troubles = []
        with forwarding(url, on_change=troubles.append, first_pause=60.0) as stranger:
            stranger.put(BODY)
            until(lambda: troubles)
    assert "CERTIFICATE_VERIFY_FAILED" in troubles[0]


def test_closing_sends_what_is_queued_where_that_works(monkeypatch):
    monkeypatch.setattr(otlp_forward, "CLOSE_SECONDS", 20)
    with Collector() as upstream:
        forwarder = OtlpForwarder(f"http://127.0.0.1:{upstream.port}/")
        for _ in range(20):
            forwarder.put(BODY)
        forwarder.close()
        assert len(upstream.bodies) == 20
        assert forwarder.counts() == {"forwarded": 20, "forward_refused": 0, "forward_dropped": 0}


def test_closing_does_not_wait_for_a_dead_upstream_and_counts_what_is_lost(monkeypatch):
    monkeypatch.setattr(otlp_forward, "CLOSE_SECONDS", 20)
    forwarder = OtlpForwarder(f"http://127.0.0.1:{dead_port()}/", first_pause=60.0)
    for _ in range(20):
        forwarder.put(BODY)
    forwarder.close()
    assert forwarder.counts() == {"forwarded": 0, "forward_refused": 0, "forward_dropped": 20}
    forwarder.put(BODY)
    assert forwarder.counts()["forward_dropped"] == 21
    assert not forwarder._thread.is_alive()


def test_closing_leaves_an_upstream_behind_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(otlp_forward, "CLOSE_SECONDS", 0.05)
    asked = threading.Event()

    def hang(connection, over):
        connection.recv(65_536)
        asked.set()
        over.wait(20)

    with raw_upstream(hang) as port:
        forwarder = OtlpForwarder(f"http://127.0.0.1:{port}/", timeout=20.0)
        forwarder.put(BODY)
        forwarder.put(BODY)
        assert asked.wait(20)
        forwarder.close()
        assert forwarder.counts()["forward_dropped"] == 2
    forwarder._thread.join(20)
    assert forwarder.counts() == {"forwarded": 0, "forward_refused": 0, "forward_dropped": 2}


def test_building_and_closing_it_starts_no_thread():
    before = threading.active_count()
    forwarder = OtlpForwarder("http://127.0.0.1:1/")
    assert threading.active_count() == before
    forwarder.close()
