"""A scripted HTTP server on loopback: it answers exactly the bytes a test wants, as slowly as it wants."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def page(body: bytes | str, content_type: str = "text/plain; version=0.0.4", status: str = "200 OK") -> bytes:
    """Return a complete answer."""
    if isinstance(body, str):
        body = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class ScriptedServer:
    """Answers each path with bytes, or with a function that writes to the socket.

    Paths without an answer get 404. ``requests`` holds the heads of what was asked.
    """

    def __init__(self, answers, tls: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        # Every thread closes its own connection: closing it here would pull it from under its reader.
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection, connection.makefile("rb") as lines:
                while head := self._head(lines):
                    self.requests.append(head)
                    answer = self.answers.get(head.split(" ")[1], page("not found", status="404 Not Found"))
                    if callable(answer):
                        answer(connection, self)
                        return
                    connection.sendall(answer)

    @staticmethod
    def _head(lines) -> str:
        head = b""
        while (line := lines.readline()) not in (b"\r\n", b""):
            head += line
        return head.decode()


def drip(data: bytes, pause: float = 0.05):
    """Return an answer that sends a byte at a time."""

    def answer(connection: socket.socket, server: ScriptedServer) -> None:
        for i in range(len(data)):
            if server.stopping.is_set():
                return
            connection.sendall(data[i : i + 1])
            time.sleep(pause)

    return answer


def cut(data: bytes):
    """Return an answer that ends, with the connection, after these bytes."""

    def answer(connection: socket.socket, server: ScriptedServer) -> None:
        connection.sendall(data)

    return answer
