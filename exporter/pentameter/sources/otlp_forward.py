"""Sends on every body received to a collector upstream, so that whoever traces loses nothing by us.

A thread of its own with a bounded queue: an upstream that is slow, dead or hostile costs bodies, which are counted,
and nothing else. Bodies go out unpacked and otherwise unchanged, one at a time, in the order they came; headers of
the original request (tenants, tokens) do not go with them. At most ``MAX_QUEUE_BYTES`` are held.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import secrets
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pentameter import __version__
from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials, Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

MARK_HEADER = "Pentameter-Forwarded-By"
"""Tells a receiver that a body is its own, come round in a circle."""
MAX_QUEUE_BYTES = 8 * 1024 * 1024
BODY_COST = 1024
"""Added to the size of each body: a million empty ones are not free."""
GIVE_UP_SECONDS = 300.0
"""A body that has waited for so long is not tried again."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
QUIET_SECONDS = 60.0
CLOSE_SECONDS = 1.5
_RETRYABLE = frozenset({429, 502, 503, 504})
_ANSWER_BYTES = 65_536
"""More than this of an answer is not read: the connection is dropped instead."""


class _Waiting(NamedTuple):
    body: bytes
    give_up: float

    @property
    def cost(self) -> int:
        return len(self.body) + BODY_COST


class _TryAgainError(Exception):
    """The body did not get through this time."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class _RefusedError(Exception):
    """The upstream does not want this body, and would not want it again."""


class OtlpForwarder:
    """Queues bodies for a collector and sends them.

    Args:
        url: the whole URL, such as ``http://collector:4318/v1/traces``; raises ``ValueError`` when it is none.
        timeout: seconds for one exchange as a whole.
        max_queue_bytes: what the queue may hold; a body that does not fit is dropped.
        credentials: trust and token for the collector.
        on_change: called by the forwarder's thread when trouble begins, with its description, and with the empty text
            when it is over.
        first_pause: seconds before the first repetition; doubles up to ``LONGEST_PAUSE``.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 10.0,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        credentials: Credentials | None = None,
        on_change: Callable[[str], None] = lambda _: None,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self.mark = secrets.token_hex(8)
        self._upstream = _Upstream(url, timeout, credentials or Credentials(), self.mark)
        self._room = max_queue_bytes
        self._on_change = on_change
        self._first_pause = self._pause = first_pause
        self._troubled = False
        self._quiet_until = 0.0
        self._queue: deque[_Waiting] = deque()
        self._counts = {"forwarded": 0, "forward_refused": 0, "forward_dropped": 0}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, body: bytes) -> None:
        """Queue a body, or drop it when the queue is full; safe from any thread, and never waits."""
        waiting = _Waiting(body, time.monotonic() + GIVE_UP_SECONDS)
        with self._changed:
            if waiting.cost > self._room or self._closing.is_set():
                self._counts["forward_dropped"] += 1
                return
            self._room -= waiting.cost
            self._queue.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="otlp forward", daemon=True)
                self._thread.start()
            self._changed.notify()

    def counts(self) -> dict[str, int]:
        """Return the bodies ``forwarded``, ``forward_refused`` and ``forward_dropped`` so far."""
        with self._changed:
            return dict(self._counts)

    def close(self) -> None:
        """Send what is queued as long as that works and takes no time; what is left then is dropped."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
        with self._changed:
            self._counts["forward_dropped"] += len(self._queue)
            self._queue.clear()
        if self._thread is None or not self._thread.is_alive():  # else it is left behind with its connection
            self._upstream.close()

    def _work(self) -> None:
        while (waiting := self._next()) is not None:
            outcome = self._deliver(waiting)
            with self._changed:
                if self._queue and self._queue[0] is waiting:  # else counted by close(), which had waited enough
                    self._queue.popleft()
                    self._room += waiting.cost
                    self._counts[outcome] += 1

    def _next(self) -> _Waiting | None:
        """Return the oldest body, which stays in the queue; None when it is time to end."""
        with self._changed:
            while not self._queue:
                if self._closing.is_set():
                    return None
                self._changed.wait()
            return self._queue[0]

    def _deliver(self, waiting: _Waiting) -> str:
        """Send a body, again and again if need be; return the outcome."""
        while True:
            try:
                self._upstream.post(waiting.body)
            except _RefusedError as error:
                self._note(str(error))
                self._pause = self._first_pause
                return "forward_refused"
            except _TryAgainError as error:
                self._note(str(error))
                pause = max(error.after, self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
                if time.monotonic() + pause > waiting.give_up or self._closing.wait(pause):
                    return "forward_dropped"
            else:
                self._note("")
                self._pause = self._first_pause
                return "forwarded"

    def _note(self, trouble: str) -> None:
        """Tell a change; trouble that comes and goes is told once a minute."""
        now = time.monotonic()
        if bool(trouble) == self._troubled or (trouble and now < self._quiet_until):
            return
        self._troubled = bool(trouble)
        self._quiet_until = now + QUIET_SECONDS
        self._on_change(trouble)


class _Upstream:
    """One kept-alive connection to the collector, for one thread."""

    def __init__(self, url: str, timeout: float, credentials: Credentials, mark: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"not an http(s) URL: {url!r}"
            raise ValueError(message)
        self._https = parts.scheme == "https"
        self._address = parts.hostname, parts.port
        self._path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        self._timeout = timeout
        self._credentials = credentials
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"pentameter/{__version__}",
            MARK_HEADER: mark,
        }
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> None:
        """Send one body; raises ``_RefusedError`` or ``_TryAgainError``."""
        try:
            self._exchange(body)
        except (OSError, http.client.HTTPException, SourceError, ValueError) as error:
            self.close()
            message = f"cannot reach the collector: {str(error) or type(error).__name__}"
            raise _TryAgainError(message) from error

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _exchange(self, body: bytes) -> None:
        reused = self._connection is not None
        deadline = Deadline(self._timeout)
        with deadline:
            try:
                answer = self._ask(body, deadline)
            except (http.client.RemoteDisconnected, ConnectionError):
                # A server may close an idle connection at any time: only a fresh one is believed.
                if not reused or deadline.passed:
                    raise
                self.close()
                answer = self._ask(body, deadline)
            if not _finished(answer) or deadline.passed:
                self.close()
        _judge(answer)

    def _ask(self, body: bytes, deadline: Deadline) -> http.client.HTTPResponse:
        connection = self._connection = self._connection or self._connect()
        deadline.watch(connection.sock)
        connection.request("POST", self._path, body, {**self._headers, **self._credentials.headers()})
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._address
        connection: http.client.HTTPConnection
        if self._https:
            tls = self._credentials.tls()
            connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection.connect()
        return connection


def _finished(answer: http.client.HTTPResponse) -> bool:
    """Read the body of an answer; say whether the connection can be used again. The status has told all by then."""
    with contextlib.closing(answer):
        try:
            return len(answer.read(_ANSWER_BYTES)) < _ANSWER_BYTES and not answer.will_close
        except (OSError, http.client.HTTPException):
            return False


def _judge(answer: http.client.HTTPResponse) -> None:
    """Raise what an answer means, by OTLP's table of codes."""
    said = f"the collector answered {answer.status} {answer.reason}"
    if answer.status in _RETRYABLE:
        after = answer.headers.get("Retry-After", "")
        raise _TryAgainError(said, min(float(after), LONGEST_PAUSE) if after.isdecimal() else 0.0)
    if not 200 <= answer.status < 300:
        raise _RefusedError(said)
