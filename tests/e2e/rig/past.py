"""A past for the pictures: days of a simulated vLLM through the whole exporter, without waiting for them.

Every figure is what the exporter would have shown: the simulator's pages, GPUs and request records go into its meter
with the times that they are of. The server works for some hours of each day and is started anew the next; the pages of
the last day are kept, to be loaded into a Prometheus.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pentameter.assembly import settings_to_feeds, settings_to_meter
from pentameter.cli import _examples
from pentameter.config import load
from pentameter.exposition import Exposition
from pentameter.readings import HostReading, ModelReading
from pentameter.records import EngineConfig, FinishedRequest, RecordsReading
from pentameter.simulator.demand import Overload
from pentameter.simulator.live import LiveSimulation
from pentameter.simulator.offline import WALL_AT_ZERO, record_of
from pentameter.simulator.power import SimulatedGpus
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.server import METRICS_TYPE, SimulatedVllm
from pentameter.simulator.vllm_objects import vllm_config
from pentameter.snapshot import SourceHealth
from pentameter.sources.vllm_page import PageReader
from pentameter.vllm_plugin_facts import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.meter import Meter
    from pentameter.simulator.presets import Preset
    from pentameter.simulator.reports import Step
    from pentameter.snapshot import Snapshot

DAY, HOUR = 86_400.0, 3600.0
DAYS_BEFORE, HOURS, HOURS_BEFORE = 4, 5.0, 4.0
"""Drift is told of three hours of a day, against three days of the past, of which a load has twelve periods of five
minutes; the last day before is none of these."""
AFTER = 300.0
"""Seconds that the hours of a day before last beyond the last whole hour of today, against which their last is held."""
READ_EVERY = 5.0
"""Seconds between two readings."""
KEPT_EVERY = 20.0
"""Seconds between two scrapes of the Prometheus that is imagined."""
WIND_GRAMS_PER_KWH = 11.0
"""Of the electricity bought by contract: the lifecycle median of wind on land (IPCC AR5 WG3, table A.III.2)."""
QUIET_READS = 40
"""Of a source that finds out a little each time: after so many with nothing new it knows everything."""

HOST_CORES, HOST_MEMORY = 128, 1024.0**4
IDLE_SHARE, SHARE_PER_REQUEST = 0.04, 0.002
"""Of the host's cores that are busy, at rest and with each running request: the simulator has no host of its own."""


def preset_of(hours: float) -> Preset:
    """Return the server with a day that rises from the quiet time to the peak in two thirds of some hours, then falls.

    Before the peak more comes for half an hour than can be served in time: some five windows beyond the capacity.
    """
    overload = Overload(start=0.55 * hours * HOUR, duration=1800.0, rate=18.5)
    traffic = replace(
        DEFAULT.traffic,
        day_seconds=hours * HOUR * 4 / 3,
        low_rate=7.0,
        high_rate=13.5,
        low_at=0.0,
        overload=overload,
    )
    return replace(DEFAULT, traffic=traffic)


@dataclass
class Clock:
    """The time of what is simulated."""

    wall_at_zero: float
    now: float = 0.0

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self.now

    def wall(self) -> float:
        """Return the Unix time."""
        return self.wall_at_zero + self.now


class Session:
    """One run of the server, from its start."""

    def __init__(self, clock: Clock, hours: float, seed: int) -> None:
        preset = preset_of(hours)
        self._clock = clock
        self.live = LiveSimulation(preset, seed, clock.monotonic, clock.wall)
        self._gpus = SimulatedGpus(self.live)
        self._pages = PageReader("simulator")
        self._finished: list[FinishedRequest] = []
        self._name = preset.model.name
        self._config = EngineConfig(self._name, "0", "past", facts(vllm_config(preset)))
        self._taken = 0
        self.live.watch(self._record)

    def feed(self, meter: Meter, busy_seconds: float) -> float:
        """Hand over what can be read now; return the busy seconds of the host's cores."""
        monotonic, wall = self._clock.monotonic(), self._clock.wall()
        page = self._pages.read(self.live.render_page(), METRICS_TYPE, monotonic=monotonic, wall=wall)
        requests, self._finished = tuple(self._finished), []
        self._taken += len(requests)
        meter.take_records(
            RecordsReading(monotonic, wall, requests, configs=(self._config,), counts={"accepted": self._taken}),
            "plugin",
        )
        meter.take_vllm(page)
        meter.take_gpus(self._gpus.read(), "simulator")
        running = sum(engine.gauges["running"] for engine in page.engines)
        busy_seconds += READ_EVERY * HOST_CORES * min(1.0, IDLE_SHARE + SHARE_PER_REQUEST * running)
        meter.take_host(HostReading(monotonic, wall, HOST_CORES, busy_seconds, HOST_MEMORY, 0.2 * HOST_MEMORY))
        return busy_seconds

    def _record(self, engine: int, step: Step) -> None:
        shift = self.live.wall_at_zero - WALL_AT_ZERO
        for request in step.finished:
            record = record_of(request, self._name, str(engine))
            self._finished.append(replace(record, arrival_wall=record.arrival_wall + shift))


def meter_of_demo() -> tuple[Meter, list[Any]]:
    """Return the demo's meter, and what its sources find out once: the model and its tokens by language."""
    with SimulatedVllm(DEFAULT) as simulated:
        server = {"url": simulated.start(), "name": "simulator", "gpus": simulated.gpu_indices}
        grid = {"grid": {"region": "USA", "market_grams_per_kwh": WIND_GRAMS_PER_KWH}}
        overrides = {
            **_examples(load(environment={})),
            **grid,
            "vllm": {"servers": [server]},
            "nvml": {"enabled": False},
        }
        settings = load(environment={}, overrides=overrides)
        found = []
        for feed in settings_to_feeds(settings):
            if feed.source.name == "model":
                found.append(feed.source.read())
            elif feed.source.name == "tokenizer":
                found.append(whole(feed.source))
            feed.source.close()
    return settings_to_meter(settings), found


def whole(source: Any) -> Any:
    """Read a source that finds out a little each time until it finds out no more."""
    reading, quiet = source.read(), 0
    while quiet < QUIET_READS:
        before, reading = reading, source.read()
        quiet = quiet + 1 if reading.tokens == before.tokens else 0
    return reading


def sessions(end: float) -> list[tuple[float, float]]:
    """Return begin and end of the server's work, day by day.

    >>> sessions(1_000_000_000.0)[-2:]
    [(999896700.0, 999911100.0), (999982000.0, 1000000000.0)]
    """
    last = end // HOUR * HOUR + AFTER
    before = [(last - HOURS_BEFORE * HOUR - day * DAY, last - day * DAY) for day in range(DAYS_BEFORE, 0, -1)]
    return [*before, (end - HOURS * HOUR, end)]


def past(end: float) -> Iterator[tuple[float, str]]:
    """Yield Unix time and page, scrape by scrape, of the last day's hours until ``end``."""
    meter, known = meter_of_demo()
    worked = sessions(end)
    clock = Clock(worked[0][0])
    latest: list[Snapshot] = []
    page = Exposition(lambda: latest[-1] if latest else None)
    busy = reads = 0.0
    for day, (first, last) in enumerate(worked):
        clock.now = first - clock.wall_at_zero
        session = Session(clock, (last - first) / HOUR, seed=day)
        for count in range(1, round((last - first) / READ_EVERY) + 1):
            clock.now = first - clock.wall_at_zero + count * READ_EVERY
            reads += 1
            tell_again(meter, known, clock, int(reads))
            busy = session.feed(meter, busy)
            if count % round(KEPT_EVERY / READ_EVERY):
                continue
            latest[:] = [meter.measure(clock.monotonic(), clock.wall())]
            if last == end:
                yield clock.wall(), page.render("")[0].decode()


def tell_again(meter: Meter, known: list[Any], clock: Clock, reads: int) -> None:
    """Hand over what does not change, and that every source is well."""
    for reading in known:
        told = replace(reading, monotonic=clock.monotonic(), wall=clock.wall())
        (meter.take_model if isinstance(told, ModelReading) else meter.take_languages)(told)
    for source, server in (("vllm", "simulator"), ("plugin", ""), ("simulator", ""), ("host", "")):
        health = SourceHealth(source, server, up=True, reason="", last_success=clock.wall(), successes=reads)
        meter.take_health(health)
