"""The way out of vLLM: datagrams on a Unix socket, sent at once, kept for seconds, or given up; never waited for."""

from __future__ import annotations

import socket
from collections import deque
from typing import NamedTuple

from pentameter.vllm_plugin_wire import unix_address

KEEP_SECONDS = 5.0
"""How late a record may be delivered: a listener that restarts loses nothing, and none gets old news."""

KEEP_BYTES = 4 * 1024 * 1024

_NOBODY = (ConnectionRefusedError, ConnectionResetError, FileNotFoundError, NotADirectoryError, PermissionError)
"""No socket there, one that its owner left behind, or one that is not for us."""


class Parcel(NamedTuple):
    """A datagram that waits."""

    body: bytes
    requests: int
    made: float
    """Monotonic seconds."""


class Totals:
    """Running totals of the plugin since it started, in finished requests unless said otherwise."""

    def __init__(self) -> None:
        self.sent = 0
        self.dropped = 0
        """Given up though somebody listened: too slow, or too many."""
        self.unheard = 0
        """Given up because nobody listened."""
        self.errors = 0
        """Objects and messages that could not be handled, whatever they were."""


class Outbox:
    """Parcels on their way to the listener at an address."""

    def __init__(self, address: str, totals: Totals) -> None:
        self._address = unix_address(address)
        self._totals = totals
        self._socket: socket.socket | None = None
        self._parcels: deque[Parcel] = deque()
        self._bytes = 0
        self.heard = False
        """Whether somebody listened when something was last sent."""
        self.trouble: OSError | None = None
        """Why not."""

    @property
    def waiting(self) -> bool:
        """Say whether something is still to be sent."""
        return bool(self._parcels)

    def post(self, parcel: Parcel) -> None:
        """Put a parcel behind the others."""
        self._parcels.append(parcel)
        self._bytes += len(parcel.body)

    def hello(self, body: bytes) -> bool:
        """Send a datagram that is not worth keeping, and find out whether somebody listens; say whether it is sent."""
        return bool(self._send(body))

    def deliver(self, now: float) -> None:
        """Send what can be sent without waiting; give up what has waited too long."""
        while self._parcels and self.heard:
            sent = self._send(self._parcels[0].body)
            if sent is None:
                break
            parcel = self._take()
            if sent:
                self._totals.sent += parcel.requests
            else:
                self._totals.dropped += parcel.requests
        while self._parcels and (self._bytes > KEEP_BYTES or now - self._parcels[0].made > KEEP_SECONDS):
            lost = self._take().requests
            if self.heard:
                self._totals.dropped += lost
            else:
                self._totals.unheard += lost

    def close(self) -> None:
        """Let the socket go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _take(self) -> Parcel:
        parcel = self._parcels.popleft()
        self._bytes -= len(parcel.body)
        return parcel

    def _send(self, body: bytes) -> bool | None:
        """Return True when it is sent, False when it never will be, None when it cannot be sent now."""
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._socket.send(body)
        except BlockingIOError:
            self.heard = True  # it is there and busy
            return None
        except _NOBODY as error:
            self.heard, self.trouble = False, error
            self.close()
            return None
        except OSError as error:
            self.trouble = error
            self._totals.errors += 1
            self.close()
            return False
        self.heard = True
        return True

    def _connected(self) -> socket.socket:
        """Return a socket that is bound to one listener: should another take its place, sending fails, once."""
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sender.settimeout(0)
            sender.connect(self._address)
        except BaseException:
            sender.close()
            raise
        return sender
