"""The simulated server moved by hand, without HTTP, sockets or clocks: a day in about half a second.

It hands out what the exporter's sources would have read at that moment: the page, and the records of the requests that
have finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pentameter.records import FinishedRequest, RecordsReading
from pentameter.simulator.page import Page
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.server import METRICS_TYPE
from pentameter.simulator.simulation import Simulation
from pentameter.sources.vllm_page import PageReader

if TYPE_CHECKING:
    from pentameter.readings import VllmReading
    from pentameter.simulator.presets import Preset
    from pentameter.simulator.reports import Abandoned, Finished, Step

WALL_AT_ZERO = 1_800_000_000.0
"""Unix time of simulated time 0, whose monotonic time is 0."""


class Gauges(NamedTuple):
    """What an engine's gauges showed at one moment."""

    time: float
    engine: str
    running: int
    waiting: int
    kv_usage: float


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of simulated time, with what only the simulator knows."""

    requests: tuple[FinishedRequest, ...]
    """In the order in which they finished."""
    abandoned: tuple[Abandoned, ...]
    """Requests that clients gave up, which vLLM tells nobody of."""
    gauges: tuple[Gauges, ...]
    """By time, then engine."""
    arrived: int
    """Requests that arrived, whatever became of them."""


class OfflineVllm:
    """A server at simulated time ``begin``; what happened before it is on the page and in no record."""

    def __init__(
        self, preset: Preset = DEFAULT, seed: int = 0, *, begin: float = 0.0, server: str = "simulator"
    ) -> None:
        self.abandoned: list[Abandoned] = []
        self._preset = preset
        self._simulation = Simulation(preset, seed)
        self._simulation.advance_to(begin)
        self._simulation.watch(self._observe)
        self._finished: list[FinishedRequest] = []
        self._page = Page(preset, WALL_AT_ZERO)
        self._reader = PageReader(server)

    @property
    def arrived(self) -> int:
        """Return the requests that have arrived since the start of the server."""
        return sum(engine.arrived for engine in self._simulation.engines)

    def advance_to(self, time: float) -> RecordsReading:
        """Move on; return the records of what has finished meanwhile, as one reading of the plugin's messages."""
        self._simulation.advance_to(time)
        finished, self._finished = self._finished, []
        # Two engines take turns; their last tokens may not.
        finished.sort(key=lambda request: request.arrival_wall + request.e2e)
        return RecordsReading(time, WALL_AT_ZERO + time, tuple(finished))

    def read_page(self) -> VllmReading:
        """Return the page of this moment, as the exporter reads it."""
        time = self._simulation.time
        body = self._page.render([engine.counters for engine in self._simulation.engines])
        return self._reader.read(body, METRICS_TYPE, monotonic=time, wall=WALL_AT_ZERO + time)

    def read_gauges(self) -> list[Gauges]:
        """Return the gauges of this moment, without the detour over a page."""
        time = self._simulation.time
        return [
            Gauges(time, str(index), engine.counters.running, engine.counters.waiting, engine.counters.kv_usage)
            for index, engine in enumerate(self._simulation.engines)
        ]

    def _observe(self, engine: int, step: Step) -> None:
        self.abandoned += step.abandoned
        self._finished += [record_of(request, self._preset.model.name, str(engine)) for request in step.finished]


def run(
    preset: Preset = DEFAULT, seconds: float = 600.0, *, seed: int = 0, begin: float = 0.0, every: float = 1.0
) -> Run:
    """Simulate a stretch of time, with the gauges read ``every`` so many seconds."""
    vllm = OfflineVllm(preset, seed, begin=begin)
    arrived = vllm.arrived
    requests: list[FinishedRequest] = []
    gauges: list[Gauges] = []
    for count in range(1, round(seconds / every) + 1):
        requests += vllm.advance_to(begin + count * every).requests
        gauges += vllm.read_gauges()
    return Run(tuple(requests), tuple(vllm.abandoned), tuple(gauges), vllm.arrived - arrived)


def record_of(finished: Finished, model_name: str, engine: str) -> FinishedRequest:
    """Return the record that the exporter makes of what the plugin sends of a request."""
    return FinishedRequest(
        origin="plugin",
        arrival_wall=WALL_AT_ZERO + finished.arrival,
        e2e=finished.e2e,
        output_tokens=finished.output_tokens,
        prompt_tokens=finished.prompt_tokens,
        ttft=finished.ttft,
        decode=finished.decode,
        queue=finished.queue,
        prefill=finished.prefill,
        cached_tokens=finished.cached_tokens,
        preemptions=finished.preemptions,
        finish_reason=finished.reason,
        request_id=finished.request_id,
        model_name=model_name,
        engine=engine,
    )
