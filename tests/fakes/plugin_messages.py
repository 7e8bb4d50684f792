"""Messages as the plugin writes them, and what a plain listener hears of a plugin."""

from __future__ import annotations

import json
import time

from fakes.unix_sockets import drain

LIMIT_SECONDS = 20.0
"""Only reached by a test that fails."""

REQUEST = {
    "kind": "request",
    "engine": "0",
    "request_id": "cmpl-1",
    "finish_reason": "stop",
    "arrival": 1000.25,
    "e2e": 1.0,
    "ttft": 0.5,
    "decode": 0.5,
    "queue": 0.125,
    "prefill": 0.25,
    "prompt_tokens": 100,
    "output_tokens": 5,
    "cached_tokens": 64,
    "preemptions": 0,
}


def message(*entries, **header):
    """Return a datagram."""
    plain = {"v": 1, "pid": 7, "instance": "abc", "sender": "", "model_name": "tiny", "totals": {}}
    return json.dumps({**plain, "entries": list(entries), **header}).encode()


def request(**fields):
    """Return a request entry; None leaves a field out."""
    return {name: value for name, value in {**REQUEST, **fields}.items() if value is not None}


class Ear:
    """Collects what a plain socket hears."""

    def __init__(self, listener):
        self._listener = listener
        self.datagrams = []
        self.messages = []

    def listen(self):
        """Take what waits."""
        new = drain(self._listener)
        self.datagrams += new
        self.messages += [json.loads(datagram) for datagram in new]

    def until(self, condition):
        """Listen until a condition on this ear holds."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not condition(self):
            assert time.monotonic() < deadline, self.messages[-3:]
            self.listen()
            time.sleep(0.002)
        return self

    def entries(self, kind):
        """Return the entries of a kind in order."""
        return [entry for told in self.messages for entry in told["entries"] if entry["kind"] == kind]

    def sums(self, name):
        """Return a sum over all iteration entries."""
        return sum(entry["sums"].get(name, 0) for entry in self.entries("iteration"))
