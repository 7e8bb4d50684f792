"""The state of the GPUs between readings: their energy, and what their profiling counters measured.

A part of the meter with the same rule: readings come in by ``take``, nothing here waits, reads a clock or does I/O.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pentameter.windows import Continuity, Track
from pentameter.world import Gpu, Rolled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pentameter.readings import GpuReading, GpusReading
    from pentameter.windows import Window
    from pentameter.world import GpuSpec

PROFILED = ("dram_active", "tensor_active")
"""Shares of time that the hardware measures, by the name of the reading's field without ``_ratio``."""


class GpuMeter:
    """Keeps the accounts of GPUs."""

    def __init__(self, windows: Sequence[Window], find_spec: Callable[[str], GpuSpec | None]) -> None:
        self._windows = tuple(windows)
        self._find_spec = find_spec
        new_track = partial(Track, self._windows)
        self._tracks: defaultdict[str, Track] = defaultdict(new_track)
        self._profiles: defaultdict[str, Track] = defaultdict(new_track)
        self._profiled: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self.latest: GpusReading | None = None

    def take(self, reading: GpusReading) -> bool:
        """Take in a reading; say whether an energy counter fell."""
        self.latest = reading
        reset = False
        for gpu in reading.gpus:
            self._take_profile(gpu, reading.monotonic)
            if gpu.energy_joules is None:
                # Not shown to the track: to it, a counter that appears later would have begun at zero.
                continue
            counters = {"energy_joules": gpu.energy_joules}
            # A counter that falls means that the driver was reloaded, nobody knows when: it earns nothing.
            reset |= self._tracks[gpu.uuid].observe(reading.monotonic, counters, {}, Continuity.SAME) > 0
        return reset

    def _take_profile(self, gpu: GpuReading, monotonic: float) -> None:
        """Add up shares times the seconds that they are means of, so that any window's mean is one division."""
        seconds = gpu.profiled_seconds
        shares = {name: getattr(gpu, f"{name}_ratio") for name in PROFILED}
        if seconds is None or seconds <= 0 or all(share is None for share in shares.values()):
            return
        totals = self._profiled[gpu.uuid]
        if not totals:
            totals.update({f"{name}{kind}_seconds": 0.0 for name in PROFILED for kind in ("", "_profiled")})
            self._profiles[gpu.uuid].observe(monotonic - seconds, totals, {}, Continuity.SAME)
        for name, share in shares.items():
            if share is not None:
                totals[f"{name}_seconds"] += share * seconds
                totals[f"{name}_profiled_seconds"] += seconds
        self._profiles[gpu.uuid].observe(monotonic, totals, {}, Continuity.SAME)

    def gpus(self, owner: Callable[[GpuReading], str]) -> tuple[Gpu, ...]:
        """Return the GPUs of the last reading, each with the server that it is counted to."""
        if self.latest is None:
            return ()
        gpus = tuple(
            Gpu(
                gpu,
                Rolled() if gpu.energy_joules is None else self._rolled(self._tracks[gpu.uuid]),
                self._find_spec(gpu.name),
                self._profile(gpu, self.latest.monotonic),
                owner(gpu),
            )
            for gpu in self.latest.gpus
        )
        return self._with_server_ticks(gpus)

    def _profile(self, gpu: GpuReading, now: float) -> Rolled:
        """Return what was measured of a GPU, of every window in which anything was.

        Ratios come once per interval of the hardware's: a reading without one takes nothing away.
        """
        if not gpu.profiling_source:
            return Rolled()
        track = self._profiles[gpu.uuid]
        rolled = self._rolled(track)
        young = {window.label for window in self._windows if now - (track.time or now) < window.seconds}
        return replace(rolled, windows={label: one for label, one in rolled.windows.items() if label in young})

    def _with_server_ticks(self, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
        """Drain the GPUs of a server only together: a sum over some of them would lose the others' joules."""
        incomplete = {gpu.server for gpu in gpus if gpu.reading.energy_joules is None}
        return tuple(
            gpu
            if gpu.server in incomplete
            else replace(gpu, server_tick=self._tracks[gpu.reading.uuid].drain("server"))
            for gpu in gpus
        )

    def _rolled(self, track: Track) -> Rolled:
        intervals = ((window.label, track.interval(window)) for window in self._windows)
        return Rolled({label: interval for label, interval in intervals if interval}, track.drain())
