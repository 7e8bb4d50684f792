"""Addresses and listeners for tests of datagrams."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

from pentameter.vllm_plugin_wire import unix_address

_numbers = itertools.count()


def fresh_address():
    """Return an abstract name that no other test and no other run uses."""
    return f"@pentameter-test-{os.getpid()}-{next(_numbers)}"


@contextlib.contextmanager
def listening(address):
    """Bind an address with a plain socket that answers at once or not at all."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(unix_address(address))
        listener.setblocking(False)
        yield listener


def drain(listener):
    """Return the datagrams that wait."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(listener.recv(70_000))
    return found


def send(address, *datagrams):
    """Send datagrams; the kernel holds ten that are not read."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)  # a test that sends more fails, instead of hanging
        for datagram in datagrams:
            sender.sendto(datagram, unix_address(address))
