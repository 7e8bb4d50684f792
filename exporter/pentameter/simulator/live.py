"""One simulation under one lock, driven by a clock: whoever looks first moves it on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pentameter.readings import GpusReading
from pentameter.simulator.page import Page
from pentameter.simulator.power import DRIVER_VERSION
from pentameter.simulator.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.simulator.presets import Preset
    from pentameter.simulator.reports import Step


class LiveSimulation:
    """Simulated time is ``begin`` at the moment of construction; after it, time is the clock's.

    It is lazy: an hour in which nobody looked costs the next caller about three seconds.
    """

    def __init__(
        self,
        preset: Preset,
        seed: int,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        begin: float = 0.0,
    ) -> None:
        self.preset = preset
        self._lock = threading.Lock()
        self._clock = clock
        self._simulation = Simulation(preset, seed)
        self.wall_at_zero = wall_clock() - begin
        """Unix time of simulated time 0."""
        self._clock_at_zero = clock() - begin
        self._page = Page(preset, self.wall_at_zero)

    def render_page(self) -> bytes:
        """Return the ``/metrics`` page of this moment."""
        with self._lock:
            self._advance()
            return self._page.render([engine.counters for engine in self._simulation.engines])

    def read_gpus(self) -> GpusReading:
        """Return the GPUs of this moment."""
        with self._lock:
            now = self._advance()
            return GpusReading(
                monotonic=now,
                wall=self.wall_at_zero + now - self._clock_at_zero,
                gpus=self._simulation.read_gpus(),
                driver_version=DRIVER_VERSION,
            )

    def watch(self, observer: Callable[[int, Step], None] | None) -> None:
        """Have every step told that ends after this moment, or none; called under the simulation's lock."""
        with self._lock:
            self._advance()
            self._simulation.watch(observer)

    def advance(self) -> None:
        """Move on to this moment."""
        with self._lock:
            self._advance()

    def _advance(self) -> float:
        now = self._clock()
        self._simulation.advance_to(now - self._clock_at_zero)
        return now
