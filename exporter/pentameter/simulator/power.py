"""A GPU's power, energy, temperature and utilisation as a function of the work it is given.

Within a step the power is constant: a floor for a busy GPU plus joules per FLOP and per byte, up to the
limit. What is read is what NVML offers on a Hopper board: power averaged over the last second, and an
energy counter that is the exact integral.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.readings import GpuReading, GpusReading

if TYPE_CHECKING:
    from pentameter.simulator.live import LiveSimulation
    from pentameter.simulator.presets import Board, Preset

AVERAGING_SECONDS = 1.0
DRIVER_VERSION = "simulated"
POWER_CAPPED = 0x4
ALL_REASONS = 0x1FF
"""NVML's bits for why clocks are held down; on these boards nothing ever does but the power limit."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Cumulative figures at one moment; between two marks they are straight lines, but for temperature."""

    time: float
    joules: float
    busy_seconds: float
    memory_seconds: float
    celsius: float
    capped_seconds: float
    """Under the power limit."""
    capped: bool = False
    """Whether it was, up to this moment."""


class PowerMeter:
    """Integrates one board's power over the steps of its engine."""

    def __init__(self, board: Board, start: float) -> None:
        self._board = board
        idle = board.ambient_celsius + board.celsius_per_watt * board.idle_watts
        first = Mark(start - AVERAGING_SECONDS, board.energy_before_start_joules, 0.0, 0.0, idle, 0.0)
        self._marks: deque[Mark] = deque([first])

    def add_work(self, start: float, end: float, flops: float, moved_bytes: float) -> None:
        """Add a step; steps come in order of time and do not overlap."""
        board, marks = self._board, self._marks
        seconds = end - start
        work_watts = (board.joules_per_flop * flops + board.joules_per_byte * moved_bytes) / seconds
        watts = min(board.power_limit_watts, board.active_watts + work_watts)
        if start > marks[-1].time:
            marks.append(self._extend(marks[-1], start, board.idle_watts, 0.0, 0.0))
        capped = board.active_watts + work_watts > board.power_limit_watts
        memory_seconds = min(seconds, moved_bytes / board.bandwidth_bytes_per_second)
        marks.append(self._extend(marks[-1], end, watts, seconds, memory_seconds, capped=capped))
        # Nobody asks for a time before the start of the latest step, less the averaging window.
        while marks[1].time <= start - AVERAGING_SECONDS:
            marks.popleft()

    def at(self, time: float) -> Mark:
        """Return the cumulative figures at a time not before the start of the latest step."""
        marks = self._marks
        if time >= marks[-1].time:
            return self._extend(marks[-1], time, self._board.idle_watts, 0.0, 0.0)
        later = marks[-1]
        for earlier in reversed(marks):
            if earlier.time <= time:
                share = (time - earlier.time) / (later.time - earlier.time)
                watts = (later.joules - earlier.joules) / (later.time - earlier.time)
                busy = share * (later.busy_seconds - earlier.busy_seconds)
                memory = share * (later.memory_seconds - earlier.memory_seconds)
                return self._extend(earlier, time, watts, busy, memory, capped=later.capped)
            later = earlier
        return marks[0]

    def _extend(
        self, mark: Mark, time: float, watts: float, busy: float, memory: float, *, capped: bool = False
    ) -> Mark:
        board = self._board
        seconds = time - mark.time
        settled = board.ambient_celsius + board.celsius_per_watt * watts
        celsius = settled + (mark.celsius - settled) * math.exp(-seconds / board.thermal_seconds)
        return Mark(
            time,
            mark.joules + watts * seconds,
            mark.busy_seconds + busy,
            mark.memory_seconds + memory,
            celsius,
            mark.capped_seconds + seconds * capped,
            capped,
        )


def read_gpu(preset: Preset, meter: PowerMeter, index: int, time: float) -> GpuReading:
    """Return what NVML would say about one GPU at a simulated time."""
    board = preset.board
    now, before = meter.at(time), meter.at(time - AVERAGING_SECONDS)
    kv_bytes = preset.kv_cache_tokens * preset.model.kv_bytes_per_token
    return GpuReading(
        uuid=f"GPU-51301a7e-0000-4000-8000-{index:012x}",
        index=index,
        name=board.name,
        energy_joules=now.joules,
        power_watts=(now.joules - before.joules) / AVERAGING_SECONDS,
        power_limit_watts=board.power_limit_watts,
        memory_total_bytes=float(board.memory_bytes),
        memory_used_bytes=float(preset.model.weight_bytes + kv_bytes + board.overhead_bytes),
        memory_reserved_bytes=float(board.reserved_bytes),
        utilization_ratio=(now.busy_seconds - before.busy_seconds) / AVERAGING_SECONDS,
        memory_utilization_ratio=(now.memory_seconds - before.memory_seconds) / AVERAGING_SECONDS,
        temperature_celsius=float(round(now.celsius)),
        clock_reasons=POWER_CAPPED if now.capped else 0,
        clock_reasons_known=ALL_REASONS,
        power_capped_seconds=now.capped_seconds,
        compute_capability=board.compute_capability,
        mig_enabled=False,
    )


class SimulatedGpus:
    """The GPUs of a live simulation, with the interface of every other source."""

    def __init__(self, live: LiveSimulation) -> None:
        self._live = live

    @property
    def name(self) -> str:
        """Return the value of the ``source`` label."""
        return "simulator"

    @property
    def server(self) -> str:
        """Return the empty string: GPUs belong to no one server."""
        return ""

    def read(self) -> GpusReading:
        """Advance the simulation to now and read its boards; never fails."""
        return self._live.read_gpus()

    def close(self) -> None:
        """Release nothing: the simulation belongs to the server."""
