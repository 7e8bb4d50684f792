"""The state between readings: windows, running counters, the latest of every source. One writer.

Readings come in by ``take_*`` as sources deliver them; ``measure`` makes the next snapshot. Nothing here
waits, reads a clock or does I/O.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pentameter import catalogue
from pentameter.attribution import Place
from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.resolution import marginal, with_live
from pentameter.continuity import continuity_of
from pentameter.cost_journal import CostJournal
from pentameter.cost_meter import CostClock
from pentameter.deployments import cannot_yet_be_priced
from pentameter.dimensions.energy import gpu_joules, waiting_joules
from pentameter.drift_meter import DriftMeter
from pentameter.gpu_meter import GpuMeter
from pentameter.health import record_samples, source_samples
from pentameter.host_meter import HostMeter
from pentameter.market.follower import MarketFollower
from pentameter.metric import Sample
from pentameter.price_desk import PriceDesk
from pentameter.request_meter import RequestMeter
from pentameter.server_plan import MachinePlan, ServerPlan, peaks_of
from pentameter.server_state import ServerState
from pentameter.snapshot import Snapshot, SourceHealth
from pentameter.split_meter import SplitMeter
from pentameter.windows import Continuity, Track, Window
from pentameter.work_meter import WorkMeter
from pentameter.world import Deployment, Engine, Gpu, Rolled, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pentameter.carbon.intensity import GridIntensity
    from pentameter.cost.plan import CostPlan
    from pentameter.drift.book import DriftPlan
    from pentameter.readings import (
        EngineReading,
        GpusReading,
        GridReading,
        HostReading,
        LanguageReading,
        ModelReading,
        PricesReading,
        VllmReading,
    )
    from pentameter.records import RecordsReading
    from pentameter.slo import Slo
    from pentameter.world import GpuSpec, Peaks

HELD = ("running", "waiting", "kv_cache_usage")
"""Gauges that are kept for both ends of every interval."""


PLUGIN = "plugin"
PLUGIN_SECONDS = 10.0
"""How long a plugin, if one is listened to, is waited for to say which GPUs are its server's."""


class MixedBackendsError(Exception):
    """One URL leads to several processes: figures would jump between their counters."""


class Meter:
    """Turns readings into snapshots."""

    def __init__(
        self,
        windows: Sequence[Window],
        servers: Sequence[ServerPlan],
        *,
        find_spec: Callable[[str], GpuSpec | None],
        grid: GridIntensity | None = None,
        carbon: CarbonBasis | None = None,
        slos: Sequence[Slo] = (),
        machine: MachinePlan | None = None,
        prices: PriceDesk | None = None,
        market: MarketFollower | None = None,
        drift: DriftPlan | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self.work = WorkMeter(windows, {plan.server: plan.model for plan in servers})
        self.requests = RequestMeter(windows, [plan.server for plan in servers], slos, self.work.take_request)
        self._servers = {plan.server: ServerState(plan, CostClock(windows)) for plan in servers}
        self.prices = prices or PriceDesk({})
        self.market = market or MarketFollower()
        self.drift = DriftMeter(drift)
        self._grid = grid
        self._carbon = carbon or CarbonBasis()
        self._live_grid: GridReading | None = None
        new_track = partial(Track, self._windows)
        self._engine_tracks: defaultdict[tuple[str, str, str], Track] = defaultdict(new_track)
        machine = machine or MachinePlan()
        self._host = HostMeter(self._windows, machine.host)
        self._pue = machine.pue
        self._splits = SplitMeter()
        self._gpus = GpuMeter(self._windows, find_spec, {plan.server: plan.gpus for plan in servers})
        self._health: dict[tuple[str, str], SourceHealth] = {}
        self._resets: dict[tuple[str, str], int] = {}
        self._counters: dict[tuple[str, tuple[str, ...]], float] = {}
        self.journal = CostJournal()
        self._measured_at: float | None = None
        self._begun: float | None = None
        self._sequence = 0

    def take_vllm(self, reading: VllmReading) -> None:
        """Take in a scrape; raises ``MixedBackendsError`` when it is of another process of the same age."""
        state = self._servers[reading.server]
        continuity = continuity_of(state.last, reading)
        state.take(reading, continuity)
        reset = continuity is Continuity.RESTARTED
        for engine in reading.engines:
            track = self._engine_tracks[reading.server, engine.model_name, engine.engine]
            held = {key: engine.gauges[key] for key in HELD if key in engine.gauges}
            found = track.observe(reading.monotonic, engine.counters, engine.histograms, continuity, gauges=held)
            reset |= found > 0
        if reset:
            state.renewed = reading.monotonic
        self._count_reset("vllm", reading.server, reset=reset)
        self._forget(reading)
        self.requests.take_vllm(reading, continuity, restarted=reset)
        self._take_work(reading)
        self._take_split(reading, foreign=continuity is Continuity.FOREIGN, reset=reset)
        if continuity is Continuity.FOREIGN:
            state.reading = None
            message = "the answers come from several processes; give each vLLM server its own URL"
            raise MixedBackendsError(message)
        state.reading = reading

    def _take_work(self, reading: VllmReading) -> None:
        """Hand what the page's counters grew by on to the account of the model's work."""
        for engine in reading.engines:
            place = Place(reading.server, engine.model_name, engine.engine)
            self.work.take_page(
                place,
                engine,
                self._engine_tracks[place].drain("work"),
                reading.monotonic,
                told=self.requests.config(place),
                gpus_per_engine=self._gpus_per_engine(self._servers[reading.server], len(reading.engines)),
                recorded=self.requests.covers(place),
            )

    def _take_split(self, reading: VllmReading, *, foreign: bool, reset: bool) -> None:
        """Hand the same on to the split of energy; a new process may be another model."""
        places = [Place(reading.server, engine.model_name, engine.engine) for engine in reading.engines]
        drained = {place: self._engine_tracks[place].drain("split") for place in places}
        if reset or foreign:
            self._splits.restart(reading.server)
        models = [self.work.model(place) for place in places]
        self._splits.take_page(
            reading.server,
            reading.monotonic,
            {f"{place.model_name}/{place.engine}": None if foreign else drained[place] for place in places},
            budget=min((m.max_num_batched_tokens for m in models if m and m.max_num_batched_tokens), default=None),
        )

    def _gpus_per_engine(self, state: ServerState, engines: int) -> int | None:
        plan = state.plan
        gpus = plan.gpu_count or len(plan.gpus) or self.requests.serving_gpus(plan.server) or state.gpus_seen
        return gpus // engines if gpus and gpus % engines == 0 else None

    def take_model(self, reading: ModelReading) -> None:
        """Take in what was found of a server's model."""
        self.work.take_model(reading)

    def _forget(self, reading: VllmReading) -> None:
        """Drop the tracks of engines that left more than the longest window ago."""
        horizon = reading.monotonic - max(window.seconds for window in self._windows)
        gone = [
            key
            for key, track in self._engine_tracks.items()
            if key[0] == reading.server and (track.time or 0.0) < horizon
        ]
        for key in gone:
            del self._engine_tracks[key]
            self.requests.forget(Place(*key))
            self.work.forget(Place(*key))

    def take_gpus(self, reading: GpusReading, source: str) -> None:
        """Take in a GPU reading."""
        self._count_reset(source, "", reset=self._gpus.take(reading, source))

    def _count_reset(self, source: str, server: str, *, reset: bool) -> None:
        self._resets[source, server] = self._resets.get((source, server), 0) + reset

    def take_grid(self, reading: GridReading) -> None:
        """Take in what a live provider says of the grid."""
        self._live_grid = reading

    def take_languages(self, reading: LanguageReading) -> None:
        """Take in what a server's tokenizer makes of each language."""
        self._servers[reading.server].languages = reading

    def take_host(self, reading: HostReading) -> None:
        """Take in a host reading."""
        self._host.take(reading)

    def take_records(self, reading: RecordsReading, source: str) -> None:
        """Take in request records, and what a plugin says of its GPUs."""
        self.requests.take_records(source, reading)
        for told in reading.gpus:
            server = self.requests.server_of(told.sender, told.model_name)
            self._count_reset(source, "", reset=self._gpus.take_told(server, told))

    def take_health(self, health: SourceHealth) -> None:
        """Note how a source is doing; a source that is down takes its data away."""
        self._health[health.source, health.server] = health
        self.requests.take_state(health.source, up=health.up)
        if health.up:
            return
        if health.source == "vllm":
            self._servers[health.server].lose(asked=health.reason != "starting", watched_since=self._begun)
        elif health.source == "tokenizer":
            self._servers[health.server].languages = None
        elif health.source == "host":
            self._host.latest = None
        elif health.source == "grid":
            self._live_grid = None
        elif health.source == "prices":
            if health.reason != "starting":
                self.prices.lose()
        else:
            self._gpus.lose(health.source)

    def take_prices(self, reading: PricesReading) -> None:
        """Take in the price book in force and the node's labels; they hold from now on."""
        self.prices.take(reading)

    def take_costs(self, costs: Mapping[str, CostPlan]) -> None:
        """Take in new prices by server; they hold from now on, what was booked stays."""
        for server, cost in costs.items():
            state = self._servers[server]
            if not state.plan.cost.meters_energy:
                state.joules_before = 0.0  # the price so far contained them
            state.plan = replace(state.plan, cost=cost)

    def health(self) -> tuple[SourceHealth, ...]:
        """Return the health of every source."""
        return tuple(self._health.values())

    def measure(self, monotonic: float, wall: float) -> Snapshot:
        """Make the snapshot of this moment; the counters grow by what came in since the last."""
        self._begun = monotonic if self._begun is None else self._begun
        self.requests.observe(monotonic, wall)
        self.market.take(self.prices.book.apis, wall)
        world = self.drift.observe(self._world(monotonic), monotonic, wall)
        self._measured_at = monotonic
        samples = list(catalogue.samples(world))
        increments = list(catalogue.increments(world))
        self.journal.take(world, increments, wall)
        for increment in increments:
            total = self._counters.get(increment.key, 0.0) + increment.value
            self._counters[increment.key] = total
            samples.append(Sample(increment.metric, total, increment.labels))
        return self.report(monotonic, wall, samples)

    def report(self, monotonic: float, wall: float, samples: Sequence[Sample] = ()) -> Snapshot:
        """Make a snapshot of these samples and of the sources' health."""
        self._sequence += 1
        health = self.health()
        own = (*source_samples(health, self._resets), *record_samples(self.requests.outcomes()))
        return Snapshot((*samples, *own), health, wall, monotonic, self._sequence)

    def _world(self, monotonic: float) -> World:
        picture = self._gpus.look(monotonic, by_default=self._by_default(monotonic))
        expected = picture.ownership.expected
        named = {server: len(state.plan.gpus) or expected.get(server, 0) for server, state in self._servers.items()}
        gpus = self._gpus.gpus(named)
        self._host.roll()
        engines: list[Engine] = []
        deployments = []
        for state in self._servers.values():
            own = tuple(gpu for gpu in gpus if gpu.server == state.plan.server)
            here = self._engines(state, own)
            engines += here
            if state.last is not None:
                state.see(own, expected.get(state.plan.server, 0))
                whole = state.plan.server not in picture.ownership.incomplete
                serving = self.requests.serving_gpus(state.plan.server)
                deployment = state.deployment(state.last, here, own if whole else (), serving)
                read = picture.reading.monotonic
                self._splits.take_energy(deployment.server, read, gpu_joules(deployment.gpus) if gpus else None)
                deployments.append(self._complete(state, deployment, monotonic))
        return World(
            windows=tuple(window.label for window in self._windows),
            engines=tuple(engines),
            deployments=tuple(deployments),
            gpus=gpus,
            served=tuple(self.requests.served(monotonic)),
            slos=self.requests.slos,
            capacities=tuple(self.requests.capacities()),
            host=self._host.latest,
            host_rolled=self._host.rolled,
            grid=with_live(self._grid, self._live_grid, monotonic),
            carbon=replace(self._carbon, marginal=marginal(self._live_grid, monotonic)),
            elapsed_seconds=None if self._measured_at is None else monotonic - self._measured_at,
            driver_version=picture.reading.driver_version,
            languages={
                server: told for server, state in self._servers.items() if (told := state.confirmed_languages())
            },
            market=self.market.basis,
            book=self.prices.book,
        )

    def _complete(self, state: ServerState, deployment: Deployment, now: float) -> Deployment:
        """Return a server with its machine, its price, and the time that it has cost money for."""
        names = state.gpu_names
        priced = self.prices.priced(deployment, names)
        hold = cannot_yet_be_priced(priced) or self.prices.waits(deployment.server, names)
        whole = replace(
            priced,
            host=self._host.part(deployment.gpu_count),
            pue=self._pue,
            joules_before=state.joules_before,
            energy_split=self._splits.drain(deployment.server),
            time=state.clock.advance(now, state.idle.shares("time"), hold=hold),
        )
        state.joules_before = waiting_joules(whole)
        return whole

    def _by_default(self, now: float) -> bool:
        """Say whether the only server may be taken for the owner of all GPUs: not before its plugin can have spoken."""
        first = [state.first for state in self._servers.values() if state.first is not None]
        waits = any(source == PLUGIN for source, _ in self._health)
        return not waits or (bool(first) and now - min(first) >= PLUGIN_SECONDS)

    def _engines(self, state: ServerState, gpus: tuple[Gpu, ...]) -> tuple[Engine, ...]:
        if state.reading is None:
            return ()
        peaks = peaks_of(state.plan, gpus)
        return tuple(self._engine(state.reading, engine, peaks) for engine in state.reading.engines)

    def _engine(self, page: VllmReading, engine: EngineReading, peaks: Peaks) -> Engine:
        flow, stalled = self.requests.flow(page.server, engine)
        place = Place(page.server, engine.model_name, engine.engine)
        return Engine(
            server=page.server,
            reading=engine,
            rolled=Rolled.of(self._engine_tracks[place], self._windows),
            peaks=peaks,
            version=page.version,
            flow=flow,
            stalled_seconds=stalled,
            model=self.work.model(place),
            unknown_model=self.work.unknown(place),
            work=self.work.rolled(place),
        )
