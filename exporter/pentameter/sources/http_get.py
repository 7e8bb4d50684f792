"""GET, and POST of JSON, over one kept-alive connection, with a deadline for each exchange and a limit on the body.

The standard library's client in a thread is all that one small GET per second needs. Its timeouts cover
single reads, so a server that drips bytes would hold it for hours: a timer shuts the socket instead.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pentameter import __version__
from pentameter.sources import SourceError
from pentameter.sources.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 65_536
_OK = 200


class StatusError(SourceError):
    """The server answered with another status than 200; the reason is ``http_status``."""

    def __init__(self, status: int, phrase: str, retry_after: str | None = None) -> None:
        super().__init__("http_status", f"answered {status} {phrase}")
        self.status = status
        self.retry_after = retry_after
        """The header of that name, as it came: seconds or a date."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer with status 200."""

    body: bytes
    content_type: str
    monotonic: float
    """When the head of the answer arrived: the moment nearest to the figures in it."""
    wall: float


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach a server: trust and token."""

    bearer_token: str | None = field(default=None, repr=False)
    bearer_token_file: str | None = None
    ca_file: str | None = None
    insecure_skip_verify: bool = False

    def headers(self) -> dict[str, str]:
        """Return the Authorization header; a token file is read anew, because tokens rotate."""
        token = Secret("bearer token", self.bearer_token, self.bearer_token_file).read()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def tls(self) -> ssl.SSLContext:
        """Return the TLS context; raises ``SourceError`` when the CA file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SourceError("tls", f"cannot use the CA file {self.ca_file}: {error}") from error
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


class HttpClient:
    """Fetches pages of one server; not for use by two threads at once."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_bytes: int,
        credentials: Credentials | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"not an http(s) URL: {base_url!r}"
            raise ValueError(message)
        self._https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._credentials = credentials or Credentials()
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Fetch one page.

        Raises ``SourceError`` with the reason ``unreachable``, ``timeout``, ``tls``, ``credentials``, ``http_status``
        (a ``StatusError``), ``too_large``, ``truncated`` or ``not_http``.
        """
        return self._ask("GET", path, headers or {}, None)

    def post_json(self, path: str, body: bytes) -> Response:
        """Ask a question that changes nothing on the server: it may be sent twice. Raises as ``get`` does."""
        return self._ask("POST", path, {"Content-Type": "application/json"}, body)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        sent = {
            "User-Agent": f"pentameter/{__version__}",
            "Accept-Encoding": "identity",
            **self._credentials.headers(),
            **headers,
        }
        try:
            return self._exchange(_Request(method, self._prefix + path, sent, body))
        except SourceError:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _exchange(self, request: _Request) -> Response:
        deadline = Deadline(self._timeout)
        reused = self._connection is not None
        try:
            with deadline:
                try:
                    return self._once(request, deadline)
                except (http.client.RemoteDisconnected, ConnectionError):
                    # A server may close an idle connection at any time: only a fresh one is believed.
                    if not reused or deadline.passed:
                        raise
                    self.close()
                    return self._once(request, deadline)
        except SourceError:
            raise
        except Exception as error:
            if deadline.passed or isinstance(error, TimeoutError):
                message = f"no complete answer within {self._timeout:g} s"
                raise SourceError("timeout", message) from error
            raise _explained(error) from error

    def _once(self, request: _Request, deadline: Deadline) -> Response:
        connection = self._connection = self._connection or self._connect()
        deadline.watch(connection.sock)
        connection.request(request.method, request.path, body=request.body, headers=dict(request.headers))
        # Closed in any case: before Python 3.13 a fully read answer stays open, and blocks the next request.
        with contextlib.closing(connection.getresponse()) as answer:
            monotonic, wall = time.monotonic(), time.time()
            if answer.status != _OK:
                raise StatusError(answer.status, answer.reason, answer.headers.get("Retry-After"))
            body = self._read(answer)
            if deadline.passed:
                # The socket was shut under the reader, which takes that for the end of the body.
                raise TimeoutError
            if answer.length:
                raise SourceError("truncated", f"the body ended {answer.length} bytes early")
            if answer.will_close:
                self.close()
            return Response(body, answer.headers.get("Content-Type", ""), monotonic, wall)

    def _connect(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._https:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._credentials.tls()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        connection.connect()
        return connection

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        limit = self._max_bytes
        if answer.length is not None and answer.length > limit:
            raise _too_large(answer.length, limit)
        chunks = []
        size = 0
        while chunk := answer.read1(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise _too_large(size, limit)
        return b"".join(chunks)


class Deadline:
    """Shuts a socket when time is up, whatever the thread that reads it is waiting for."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False
        self.passed = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
        self._timer.cancel()

    def watch(self, sock: socket.socket) -> None:
        """Name the socket to shut down when the time is over; raises ``TimeoutError`` when it already is."""
        with self._lock:
            self._socket = sock
            if self.passed:
                raise TimeoutError

    def _expire(self) -> None:
        with self._lock:
            if self._over:
                return
            self.passed = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Of the plain socket: an SSLSocket's own shutdown would touch state the reader uses.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _too_large(size: int, limit: int) -> SourceError:
    return SourceError("too_large", f"the page has at least {size} bytes, the limit is {limit}")


def _explained(error: Exception) -> SourceError:
    """Turn what the standard library raised into a reason."""
    if isinstance(error, ssl.SSLError):
        return SourceError("tls", f"TLS failed: {error}")
    if isinstance(error, http.client.IncompleteRead):
        return SourceError("truncated", "the body ended early")
    if isinstance(error, http.client.RemoteDisconnected):
        return SourceError("unreachable", "the server closed the connection without an answer")
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return SourceError("not_http", f"no HTTP answer: {error!r}")
    return SourceError("unreachable", f"cannot connect: {error}")
