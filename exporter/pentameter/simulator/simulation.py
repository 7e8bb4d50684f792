"""The whole simulated server: traffic, engines and boards on one simulated clock that starts at 0."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pentameter.simulator.counters import EngineCounters
from pentameter.simulator.engine import Engine
from pentameter.simulator.power import PowerMeter, read_gpu
from pentameter.simulator.traffic import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.readings import GpuReading
    from pentameter.simulator.presets import Preset
    from pentameter.simulator.reports import Step


class Simulation:
    """Deterministic: preset, seed and time give the state, however the time was reached."""

    def __init__(self, preset: Preset, seed: int = 0) -> None:
        self.preset = preset
        start = -preset.warm_up_seconds
        self._arrivals = Arrivals(preset, seed, start)
        self._meters = [PowerMeter(preset.board, start) for _ in range(preset.engines)]
        self.engines = [Engine(preset, EngineCounters(preset.model.max_model_len), meter) for meter in self._meters]
        self._next = self._arrivals.next_request()
        self._time = start
        self.advance_to(0.0)

    @property
    def time(self) -> float:
        """Return the simulated time in seconds."""
        return self._time

    def advance_to(self, time: float) -> None:
        """Serve everything that happens up to a time; a time in the past changes nothing."""
        while self._next.arrival <= time:
            for engine in self.engines:
                engine.advance_to(self._next.arrival)
            self._least_loaded().submit(self._next)
            self._next = self._arrivals.next_request()
        for engine in self.engines:
            engine.advance_to(time)
        self._time = max(self._time, time)

    def watch(self, observer: Callable[[int, Step], None] | None) -> None:
        """Have every step that ends from now on told with the index of its engine, or none; an engine's in order."""
        for index, engine in enumerate(self.engines):
            engine.observer = None if observer is None else partial(observer, index)

    def read_gpus(self) -> tuple[GpuReading, ...]:
        """Return each board as NVML would show it now."""
        return tuple(read_gpu(self.preset, meter, index, self._time) for index, meter in enumerate(self._meters))

    def _least_loaded(self) -> Engine:
        """Return the engine for the next request, by vLLM's score for data-parallel ranks."""
        return min(self.engines, key=lambda engine: 4 * engine.waiting_count + engine.running_count)
