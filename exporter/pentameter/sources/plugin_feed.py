"""What Pentameter's plugin inside vLLM sends by Unix datagrams: finished requests, steps, configuration, and GPUs.

The kernel holds a few datagrams (net.unix.max_dgram_qlen, 10 by default) until they are read. While they are not, the
plugin keeps its records for seconds, then counts them as dropped: a slow or flooded reader never holds vLLM up.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from pentameter.records import RecordsReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.plugin_gpus import timed
from pentameter.sources.plugin_message import TOTALS, UnreadableError, decode
from pentameter.sources.unix_datagrams import LARGEST, UnixDatagrams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pentameter.records import EngineConfig, FinishedRequest, IterationFacts, ToldGpus
    from pentameter.sources.plugin_message import Message

PATIENCE_SECONDS = 0.5
GATHER_SECONDS = 0.2
"""How long to go on after the first datagram: nearly until the next read, so that the kernel's queue stays short."""

PER_READ_BYTES = 2 * 1024 * 1024
PER_READ = 4096
"""Requests handed over at most at a time, give or take a datagram's, so that they do not hold up the event loop."""

SILENCE_SECONDS = 15.0
"""Three heartbeats: a plugin not heard of for so long is not there."""

MOST_SENDERS = 1024


RECORD_OUTCOMES = {
    "accepted": "finished requests received",
    "malformed": "entries of messages refused: not sound, or of an unknown kind",
    "dropped": "finished requests that plugins gave up because this end was too slow, as they say",
    "unheard": "finished requests that plugins gave up because nobody listened, as they say",
    "sender_errors": "objects of vLLM or messages that plugins could not handle, as they say",
}
DATAGRAM_OUTCOMES = {
    "taken": "datagrams decoded",
    "malformed_datagram": "datagrams that are no message",
    "unknown_version": "messages of another version: plugin and exporter are of different releases",
    "too_large": "datagrams longer than a message may be",
}
"""Every outcome that is counted, and of what. A datagram has one of these four."""

_TOLD = {"dropped": "dropped", "unheard": "unheard", "errors": "sender_errors"}


class PluginFeed:
    """Receives from any number of plugins at an address (``@name`` or a path); building it does no I/O."""

    name = "plugin"
    server = ""

    def __init__(
        self,
        address: str,
        *,
        patience: float = PATIENCE_SECONDS,
        gather: float = GATHER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._datagrams = UnixDatagrams(address)
        self._address = address
        self._patience = patience
        self._gather = gather
        self._monotonic = monotonic
        self._wall = wall
        self._counts: Counter[str] = Counter(dict.fromkeys((*RECORD_OUTCOMES, *DATAGRAM_OUTCOMES), 0))
        self._told: dict[str, Mapping[str, int]] = {}
        """Sender -> its running totals when it was last heard."""
        self._heard: float | None = None
        self._misheard: tuple[float, UnreadableError] | None = None

    def read(self) -> RecordsReading:
        """Return what came since; waits half a second for something to come.

        Raises ``SourceAbsent`` (``no_sender``) while no plugin has been heard for ``SILENCE_SECONDS``, and
        ``SourceError`` when the address cannot be had (a word of ``unix_datagrams.REASONS``) or when something speaks
        that cannot be understood (``malformed_datagram``, ``unknown_version``).
        """
        requests: list[FinishedRequest] = []
        iterations: list[IterationFacts] = []
        configs: list[EngineConfig] = []
        gpus: list[ToldGpus] = []
        with closing(self._datagrams.receive(self._patience, self._gather, PER_READ_BYTES)) as datagrams:
            for datagram in datagrams:
                message = self._decode(datagram)
                if message is not None:
                    self._note_totals(message)
                    requests.extend(message.requests)
                    iterations.extend(message.iterations)
                    configs.extend(message.configs)
                    gpus.extend(timed(told, self._monotonic(), self._wall()) for told in message.gpus)
                if len(requests) >= PER_READ:
                    break
        now = self._monotonic()
        self._require_a_sender(now)
        return RecordsReading(
            monotonic=now,
            wall=self._wall(),
            requests=tuple(requests),
            iterations=tuple(iterations),
            configs=tuple(configs),
            gpus=tuple(gpus),
            counts={outcome: float(count) for outcome, count in self._counts.items()},
        )

    def close(self) -> None:
        """Let the address go; a read that waits ends at once."""
        self._datagrams.close()

    def _decode(self, datagram: bytes) -> Message | None:
        now = self._monotonic()
        if len(datagram) > LARGEST:
            self._counts["too_large"] += 1
            self._misheard = now, UnreadableError("malformed_datagram", f"more than {LARGEST} bytes")
            return None
        try:
            message = decode(datagram)
        except UnreadableError as error:
            self._counts[error.outcome] += 1
            self._misheard = now, error
            return None
        self._heard = now
        self._counts.update(taken=1, accepted=len(message.requests), malformed=message.refused)
        return message

    def _note_totals(self, message: Message) -> None:
        """Add what a sender's totals grew by; of one that is new, all: it may have lost records before we listened.

        A message that has waited at the sender holds older totals than the one before it: the highest told count.
        """
        before = self._told.pop(message.instance, {})
        highest = {name: max(message.totals[name], before.get(name, 0)) for name in TOTALS}
        for name in TOTALS:
            self._counts[_TOLD[name]] += highest[name] - before.get(name, 0)
        self._told[message.instance] = highest
        if len(self._told) > MOST_SENDERS:
            del self._told[next(iter(self._told))]

    def _require_a_sender(self, now: float) -> None:
        if self._heard is not None and now - self._heard <= SILENCE_SECONDS:
            return
        if self._misheard is not None and now - self._misheard[0] <= SILENCE_SECONDS:
            error = self._misheard[1]
            raise SourceError(error.outcome, f"what comes in at {self._address} cannot be read: {error}")
        raise SourceAbsent("no_sender", f"no plugin has been heard at {self._address} lately")
