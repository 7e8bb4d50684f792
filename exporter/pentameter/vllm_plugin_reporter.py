"""The plugin's own thread inside vLLM: takes down what was recorded and sends it on, a few times a second.

vLLM's event loop only appends references to a queue. The objects may be kept: vLLM makes new ones for every step and
does not touch them after it has recorded them. The thread works in slices of a fraction of a millisecond and sleeps
between them: the event loop gets the interpreter at once, instead of after Python's switch interval of 5 ms.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from pentameter import vllm_plugin_facts
from pentameter.vllm_plugin_digest import EngineDigest
from pentameter.vllm_plugin_gpus import GpuWatch
from pentameter.vllm_plugin_outbox import Outbox, Parcel, Totals
from pentameter.vllm_plugin_wire import HEARTBEAT_SECONDS, LARGEST_DATAGRAM, LONGEST_NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = logging.getLogger("vllm.pentameter")  # below vLLM's own logger, so that its lines are formatted and shown alike

INTAKE = 2048
"""Steps that may wait for the thread: seconds of a fast engine, some 16 MB at 256 running requests."""

PACE_SECONDS = 0.2
"""Time between two messages while there is something to say."""

PROBE_SECONDS = 1.0
"""How often to look for a listener while records wait for one."""

SLICE_SECONDS = 2e-4
PAUSE_SECONDS = 1e-4
"""Not 0: a thread that only yields has the lock back before the one that waits for it has woken up."""

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

Item = tuple[str, Any, Any, Any, float]
"""What happened (``start``, ``step``, ``sleep``, ``rejection``), engine, two arguments, wall time."""


class Reporter:
    """The queue, the thread and the messages of one AsyncLLM in one process.

    ``gpus`` is false where what is reported of is no real vLLM, and this machine's GPUs are not its.
    """

    def __init__(
        self, vllm_config: object, engines: Sequence[int], address: str, sender: str, *, gpus: bool = True
    ) -> None:
        self.pid = os.getpid()
        self._vllm_config = vllm_config
        self._address = address
        self._intake: deque[Item] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asleep = False
        self._overflowed = 0
        """Finished requests that found the queue full; written by vLLM's thread alone, as is the next."""
        self.stumbled = 0
        """Exceptions in ``put``."""
        self._totals = Totals()
        self._outbox = Outbox(address, self._totals)
        self._alone = getattr(getattr(vllm_config, "parallel_config", None), "_api_process_count", 1) == 1
        self._lora = getattr(vllm_config, "lora_config", None) is not None
        self._digests = {engine: self._digest(engine) for engine in engines}
        self._header = {
            "v": VERSION,
            "pid": self.pid,
            "instance": os.urandom(8).hex(),
            "sender": sender,
            "model_name": vllm_plugin_facts.model_name(vllm_config)[:LONGEST_NAME],
        }
        self._config: str | None = None
        self._next_hello = 0.0
        self._slice_began = 0.0
        self._said: set[str] = set()
        self._ended = False
        self._gpus = GpuWatch(vllm_config, lambda: self._outbox.heard, lambda: self._wake.put(None)) if gpus else None
        self._thread = threading.Thread(target=self._run, name="pentameter", daemon=True)
        self._thread.start()

    def _digest(self, engine: object) -> EngineDigest:
        return EngineDigest(str(engine), alone=self._alone, lora=self._lora)

    def put(self, what: str, engine: object, first: object = None, second: object = None) -> None:
        """Queue what happened: the only part that runs in vLLM's event loop. It neither waits nor raises."""
        if len(self._intake) >= INTAKE:
            self._overflowed += len(getattr(second, "finished_requests", ()))
            return
        self._intake.append((what, engine, first, second, time.time()))
        if self._asleep:
            self._asleep = False
            self._wake.put(None)

    def stop(self) -> None:
        """End the thread; for tests, vLLM just exits."""
        self._ended = True
        self._wake.put(None)
        self._thread.join()
        if self._gpus is not None:
            self._gpus.stop()
        self._outbox.close()

    def _run(self) -> None:
        while not self._ended:
            try:
                self._tick(time.monotonic())
            except Exception as error:  # noqa: BLE001 - said once and counted
                self._totals.errors += 1
                self._say_once(type(error).__name__, logging.WARNING, "Pentameter: the plugin stumbled", exc_info=True)
            try:
                self._wake.get(timeout=PACE_SECONDS if self._outbox.waiting else HEARTBEAT_SECONDS)
            except queue.Empty:
                continue
            time.sleep(PACE_SECONDS)  # let things gather

    def _tick(self, now: float) -> None:
        self._asleep = True  # before the queue is emptied: what comes after that wakes the thread again
        for _ in range(len(self._intake)):
            try:
                self._take(*self._intake.popleft())
            except Exception:  # noqa: BLE001 - an odd engine, say; the next one is not to suffer for it
                self._totals.errors += 1
            self._breathe()
        for body, requests in self._messages(self._entries()):
            self._outbox.post(Parcel(body, requests, now))
        if now >= self._next_hello:
            self._hello(now)
        self._tell_of_gpus()
        self._outbox.deliver(now)
        if not self._outbox.heard:
            self._next_hello = min(self._next_hello, now + PROBE_SECONDS)

    def _breathe(self) -> None:
        if time.perf_counter() - self._slice_began > SLICE_SECONDS:
            time.sleep(PAUSE_SECONDS)
            self._slice_began = time.perf_counter()

    def _take(self, what: str, engine: Any, first: Any, second: Any, wall: float) -> None:  # noqa: ANN401
        if what == "step":
            digest = self._digests.get(engine)
            if digest is None:  # an engine added while vLLM runs
                digest = self._digests[engine] = self._digest(engine)
                self._config = None
            digest.take_step(first, second, wall)
        elif what == "sleep":
            for digest in self._digests.values():
                digest.take_sleep(asleep=bool(first))
        elif what == "rejection" and len(self._digests) == 1:
            next(iter(self._digests.values())).take_rejection(str(first))

    def _hello(self, now: float) -> None:
        """Say who we are, which also tells whether somebody listens."""
        if self._config is None:
            engines, known = [*map(str, self._digests)], vllm_plugin_facts.facts(self._vllm_config)
            self._config = self._encode({"kind": "config", "engines": engines, "facts": known}) or ""
        for body, _ in self._messages([(self._config, 0)]):
            if self._outbox.hello(body):
                self._next_hello = now + HEARTBEAT_SECONDS
        if not self._outbox.heard:
            self._next_hello = now + PROBE_SECONDS
            why = self._outbox.trouble
            self._say_once("unheard", logging.INFO, "Pentameter: nobody listens at %s yet (%s)", self._address, why)

    def _tell_of_gpus(self) -> None:
        """Send the latest reading now or never: the next one, a second later, says all that it would have said."""
        told = self._gpus.take() if self._gpus is not None else None
        if told is not None and self._outbox.heard:
            for body, _ in self._messages([(told, 0)]):
                self._outbox.hello(body)

    def _entries(self) -> list[tuple[str, int]]:
        """Return what the engines have to say as JSON, each with the number of requests in it."""
        entries = []
        for digest in self._digests.values():
            for entry in digest.cut():
                text = self._encode(entry)
                if text is not None:
                    entries.append((text, 1 if entry["kind"] == "request" else 0))
                self._breathe()
        return entries

    def _encode(self, entry: dict[str, Any]) -> str | None:
        try:
            return _ENCODER.encode(entry)
        except (TypeError, ValueError, RecursionError):
            self._totals.errors += 1
            return None

    def _messages(self, entries: list[tuple[str, int]]) -> Iterator[tuple[bytes, int]]:
        """Yield datagrams that hold all entries, each with the number of requests in it."""
        totals = {
            "sent": self._totals.sent,
            "dropped": self._totals.dropped + self._overflowed,
            "unheard": self._totals.unheard,
            "errors": self.stumbled + self._totals.errors + sum(digest.errors for digest in self._digests.values()),
        }
        head = self._encode({**self._header, "totals": totals})
        assert head is not None
        start, room = head[:-1] + ',"entries":[', LARGEST_DATAGRAM - len(head) - 16
        batch: list[str] = []
        size = requests = 0
        for text, count in entries:
            if batch and size + len(text) + 1 > room:
                yield (start + ",".join(batch) + "]}").encode(), requests
                batch, size, requests = [], 0, 0
            batch.append(text)
            size += len(text) + 1
            requests += count
        if batch:
            yield (start + ",".join(batch) + "]}").encode(), requests

    def _say_once(self, kind: str, level: int, line: str, *values: object, exc_info: bool = False) -> None:
        if kind not in self._said:
            self._said.add(kind)
            log.log(level, line, *values, exc_info=exc_info)
