"""A Unix datagram socket that is listened on: in Linux's abstract namespace, or as a file.

A file that a dead process left behind is replaced; one with a living owner is an error. The file can be written by
everybody (mode 0666), because vLLM may run as another user: who may send is decided by the rights of its folder. An
abstract name has no rights at all: every process in the same network namespace can send to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pentameter.sources import SourceError
from pentameter.vllm_plugin_wire import unix_address

if TYPE_CHECKING:
    from collections.abc import Generator

LARGEST = 65_536
"""Bytes; a larger datagram is cut, and shows it by being longer than this."""

_REASONS = {
    errno.EADDRINUSE: "address_in_use",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "permission",
    errno.ENOENT: "no_folder",
    errno.ENOTDIR: "no_folder",
}
REASONS = frozenset({*_REASONS.values(), "bad_address", "closed", "other"})
"""The words of its errors."""


class UnixDatagrams:
    """Receives datagrams at an address (``@name`` or a path); building it does no I/O."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._path = None if address.startswith("@") else Path(address)
        self._socket: socket.socket | None = None
        self._file: tuple[int, int] | None = None
        """Device and inode of the socket's file."""
        self._lock = threading.Lock()
        self._closed = False

    def receive(self, patience: float, seconds: float, most_bytes: int) -> Generator[bytes]:
        """Yield datagrams: wait ``patience`` for the first, then take what comes within ``seconds``.

        Ends earlier after ``most_bytes``, and when the socket is closed by another thread. Raises ``SourceError`` with
        a word of ``REASONS`` when the address cannot be had.
        """
        with self._lock:
            if self._closed:
                raise SourceError("closed", f"{self._address} has been closed")
            listener = self._open()
            deadline = time.monotonic() + patience
            first, taken = True, 0
            while taken < most_bytes:
                datagram = _next(listener, deadline)
                if datagram is None or self._closed:
                    break
                if first:
                    first, deadline = False, time.monotonic() + seconds
                taken += len(datagram) + 1  # empty ones are work too
                yield datagram
            if first and not self._is_ours():
                self._drop()  # its file was deleted: nobody can send here any more; the next call begins anew

    def close(self) -> None:
        """Let the address go; a thread that receives is woken up."""
        self._closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waker:
                waker.setblocking(False)  # noqa: FBT003
                waker.sendto(b"", unix_address(self._address))
        with self._lock:
            if self._path is not None and self._file is not None and self._is_ours():
                with contextlib.suppress(OSError):
                    self._path.unlink()
            self._drop()

    def _open(self) -> socket.socket:
        if self._socket is None:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._bind(listener)
            except BaseException:
                listener.close()
                raise
            self._socket = listener
        return self._socket

    def _bind(self, listener: socket.socket) -> None:
        try:
            try:
                listener.bind(unix_address(self._address))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not self._is_left_behind():
                    raise
                assert self._path is not None
                self._path.unlink()
                listener.bind(str(self._path))
            if self._path is not None:
                self._path.chmod(0o666)
                self._file = _identity(self._path)
        except OSError as error:
            # An address that is too long has no number.
            reason = "bad_address" if error.errno is None else _REASONS.get(error.errno, "other")
            raise SourceError(reason, f"listening at {self._address}: {error}") from error

    def _is_left_behind(self) -> bool:
        """Say whether the file is a socket that no process holds open."""
        if self._path is None or not stat.S_ISSOCK(self._path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(str(self._path)) == errno.ECONNREFUSED

    def _is_ours(self) -> bool:
        return self._path is None or _identity(self._path) == self._file

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._file = None


def _next(listener: socket.socket, deadline: float) -> bytes | None:
    """Return the next datagram, or None at the deadline."""
    try:
        listener.settimeout(max(0.0, deadline - time.monotonic()))
        return listener.recv(LARGEST + 1)
    except (TimeoutError, BlockingIOError):
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
