"""The daemon: one loop per source, one loop that derives and publishes.

Every source is read in a thread of its own, so that a hang (a driver call that never returns) holds
nothing else up. The event loop alone touches the meter: no locks.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pentameter import __version__
from pentameter.bucket_warnings import BucketWarnings
from pentameter.health import BUILD_INFO
from pentameter.history import History
from pentameter.meter import Meter, MixedBackendsError
from pentameter.readings import (
    GpusReading,
    GridReading,
    HostReading,
    LanguageReading,
    ModelReading,
    PricesReading,
    VllmReading,
)
from pentameter.records import RecordsReading
from pentameter.snapshot import Snapshot, SourceHealth
from pentameter.sources import Source, SourceAbsent, SourceError
from pentameter.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pentameter.attribution import Place

log = logging.getLogger("pentameter")

Reading = (
    VllmReading
    | GpusReading
    | GridReading
    | HostReading
    | LanguageReading
    | ModelReading
    | PricesReading
    | RecordsReading
)

HUNG_AFTER_SECONDS = 10.0
"""A read that takes longer than its own time-out and this is given up on, though its thread cannot be ended."""

ABSENT_RETRY_SECONDS = 30.0
"""How often a source is asked again that does not exist here: a driver may be installed later."""

CLOSE_SECONDS = 2.0
"""How long the end waits for sources to let go."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A source and how often it is read."""

    source: Source[Reading]
    interval: float
    patience: float
    """Longest time that one read may take before the source counts as hung."""
    absent_retry: float = ABSENT_RETRY_SECONDS
    """How soon it is asked again after it was absent."""
    receives: bool = False
    """Others send to it; there is nothing to be asked for."""


class Daemon:
    """Reads, derives, publishes."""

    def __init__(self, meter: Meter, feeds: Sequence[Feed], derive_interval: float = 1.0) -> None:
        self._meter = meter
        self._feeds = tuple(feeds)
        self._derive_interval = derive_interval
        self.history = History(derive_interval)
        self._snapshot: Snapshot | None = None
        self._deriving = SourceHealth("derive", up=True, reason="")
        self._meter.take_health(self._deriving)
        self._answered = False
        self._said: set[tuple[Place, str]] = set()
        self._bucket_warnings = BucketWarnings(meter.requests.slos, meter.requests.has_records)
        self._build = BUILD_INFO(1, __version__, platform.python_version())

    def latest(self) -> Snapshot | None:
        """Return the published snapshot."""
        return self._snapshot

    def answered(self) -> bool:
        """Say whether any vLLM server has ever answered."""
        return self._answered

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._follow(feed)) for feed in self._feeds]
            tasks.append(group.create_task(self._derive()))
            await stop.wait()
            for task in tasks:
                task.cancel()

    def publish(self) -> Snapshot:
        """Derive and publish the snapshot of now.

        A defect in a formula is shown as a source that is down: it must neither end the daemon nor leave
        the last good figures standing.
        """
        monotonic, wall = time.monotonic(), time.time()
        try:
            snapshot = self._meter.measure(monotonic, wall)
            successes = self._deriving.successes + 1
            now = replace(self._deriving, up=True, reason="", message="", last_success=wall, successes=successes)
        except Exception as error:  # one snapshot's defect must not end the daemon
            log.debug("deriving failed", exc_info=True)
            now = _failed(self._deriving, SourceError("internal", repr(error)))
            self._deriving = self._note(self._deriving, now)
            snapshot = self._meter.report(monotonic, wall)
        else:
            self._deriving = self._note(self._deriving, now)
        self._say_unsupported()
        self._snapshot = replace(snapshot, samples=(*snapshot.samples, self._build))
        self.history.take(self._snapshot)
        return self._snapshot

    def _say_unsupported(self) -> None:
        """Say once why a served model is not understood."""
        for place, message in self._meter.work.unsupported():
            if (place, message) not in self._said:
                self._said.add((place, message))
                log.warning("%s: the model %s is not understood: %s", place.server, place.model_name, message)

    async def _derive(self) -> None:
        ticker = _Ticker(self._derive_interval)
        while True:
            self.publish()
            await ticker.wait()

    async def _follow(self, feed: Feed) -> None:
        """Read one source for ever; its health changes are logged once each."""
        source = feed.source
        health = SourceHealth(source.name, source.server)
        self._meter.take_health(health)
        worker = Worker(f"{source.name} {source.server}".strip())
        ticker = _Ticker(feed.interval)
        try:
            while True:
                health = await self._read(feed, worker, health)
                await ticker.wait(feed.absent_retry if health.absent else 0.0)
        finally:
            worker.close()

    async def _read(self, feed: Feed, worker: Worker, health: SourceHealth) -> SourceHealth:
        source = feed.source
        started = time.monotonic()
        work = worker.submit(source.read)
        try:
            done, _ = await asyncio.wait({work}, timeout=feed.patience)
            if not done:
                health = self._note(health, _failed(health, SourceError("hung", "the read does not return")))
                await asyncio.wait({work})
            reading = work.result()
            self._take(source, reading)
        except SourceError as error:
            return self._note(health, _failed(health, error))
        except MixedBackendsError as error:
            return self._note(health, _failed(health, SourceError("mixed_backends", str(error))))
        except Exception as error:  # one source's defect must not end the daemon
            log.debug("reading %s failed", source.name, exc_info=True)
            return self._note(health, _failed(health, SourceError("internal", repr(error))))
        return self._note(
            health,
            replace(
                health,
                up=True,
                reason="",
                message="",
                absent=False,
                last_success=time.time(),
                duration_seconds=time.monotonic() - started,
                successes=health.successes + 1,
            ),
        )

    def _take(self, source: Source[Any], reading: Reading) -> None:
        if isinstance(reading, RecordsReading):
            self._meter.take_records(reading, source.name)
        elif isinstance(reading, VllmReading):
            self._meter.take_vllm(reading)
            self._bucket_warnings.take(reading)
            self._answered = True
        elif isinstance(reading, ModelReading):
            self._meter.take_model(reading)
        elif isinstance(reading, LanguageReading):
            self._meter.take_languages(reading)
        elif isinstance(reading, GridReading):
            self._meter.take_grid(reading)
        elif isinstance(reading, PricesReading):
            self._meter.take_prices(reading)
            if reading.trouble:
                # What was read well before stays in force; the source is down all the same.
                raise SourceError(reading.trouble, reading.message)
        elif isinstance(reading, GpusReading):
            self._meter.take_gpus(reading, source.name)
        else:
            self._meter.take_host(reading)

    def _note(self, before: SourceHealth, now: SourceHealth) -> SourceHealth:
        """Hand the health on; say a change in the log, once."""
        self._meter.take_health(now)
        if (before.up, before.reason) != (now.up, now.reason):
            where = f"{now.source} {now.server}".strip()
            if now.up:
                log.info("%s: up", where)
            elif now.absent:
                log.info("%s: not here (%s): %s", where, now.reason, now.message)
            else:
                log.warning("%s: down (%s): %s", where, now.reason, now.message)
        return now


def _failed(health: SourceHealth, error: SourceError) -> SourceHealth:
    return replace(
        health,
        up=False,
        reason=error.reason,
        message=str(error),
        absent=isinstance(error, SourceAbsent),
        failures=health.failures + (0 if isinstance(error, SourceAbsent) else 1),
    )


class _Ticker:
    """Ticks at a fixed pace on the monotonic clock; ticks missed are skipped, not made up for."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = time.monotonic()

    async def wait(self, at_least: float = 0.0) -> None:
        now = time.monotonic()
        self._next = max(self._next + max(self._interval, at_least), now)
        await asyncio.sleep(self._next - now)


def close(feeds: Iterable[Feed]) -> None:
    """Let the sources go, in a thread that may be left behind: a driver that hangs must not keep us from ending."""

    def let_go() -> None:
        for feed in feeds:
            feed.source.close()

    closing = threading.Thread(target=let_go, daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)
