"""A tap between Pentameter's plugin and its exporters: keeps every datagram, and hands it on to any number of them."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import Counter
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from e2e.rig.timings import Timing, client_id, per_further_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST_DATAGRAM = 262_144

PATIENCE_SECONDS = 20.0
"""How long to wait for room at a listener: longer than the plugin itself does, for the machine's sake."""


class PluginTap:
    """Listens where the plugin sends; all addresses are names in the abstract namespace, ``@NAME``.

    A listener that is slow keeps neither the plugin nor the other listeners waiting.

    Args:
        address: where the plugin sends.
        listeners: where the datagrams go.
    """

    def __init__(self, address: str, listeners: Sequence[str]) -> None:
        self._queues: dict[str, SimpleQueue[bytes | None]] = {listener: SimpleQueue() for listener in listeners}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:])
        self._socket.settimeout(0.2)
        self._datagrams: list[bytes] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, daemon=True),
            *(threading.Thread(target=self._hand_on, args=pair, daemon=True) for pair in self._queues.items()),
        ]
        self.lost = 0
        """Datagrams that a listener had no room for, once for each listener."""

    def start(self) -> None:
        """Begin to listen."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._ended.set()
        for queue in self._queues.values():
            queue.put(None)
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def timings(self, prefix: str) -> dict[str, Timing]:
        """Return what the plugin said of the requests whose client chose an id with this prefix, by that id."""
        return {
            name: Timing(entry["ttft"], per_further_token(entry["decode"], tokens), tokens)
            for name, entry in self._requests(prefix)
            if (tokens := entry["output_tokens"])
        }

    def finishing_order(self, prefix: str) -> list[str]:
        """Return the ids of the same requests, those first that finished first by vLLM's clock."""
        ended = {name: entry["arrival"] + entry["e2e"] for name, entry in self._requests(prefix)}
        return sorted(ended, key=ended.__getitem__)

    def adapters(self) -> dict[str, int]:
        """Return the outputs by LoRA adapter that the plugin spoke of."""
        outputs: Counter[str] = Counter()
        for entry in self._entries():
            outputs.update(entry.get("adapters", {}))
        return dict(outputs)

    def _requests(self, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for entry in self._entries():
            if entry["kind"] == "request" and (name := client_id(entry["request_id"])).startswith(prefix):
                yield name, entry

    def _entries(self) -> Iterator[dict[str, Any]]:
        for datagram in list(self._datagrams):
            yield from json.loads(datagram)["entries"]

    def _run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                datagram = self._socket.recv(LARGEST_DATAGRAM)
                self._datagrams.append(datagram)
                for queue in self._queues.values():
                    queue.put(datagram)

    def _hand_on(self, listener: str, queue: SimpleQueue[bytes | None]) -> None:
        while (datagram := queue.get()) is not None:
            # A socket of its own for each: the listener of the last one may have been another process.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(PATIENCE_SECONDS)
                try:
                    out.connect("\0" + listener[1:])
                    out.send(datagram)
                except TimeoutError:
                    self.lost += 1
                except OSError:
                    # Nobody there: an exporter that is not running has no figures to be checked.
                    continue
