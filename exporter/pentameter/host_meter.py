"""The state of the machine between readings: what its processors and memory use, and which part is a server's.

A part of the meter with the same rule: readings come in by ``take``, nothing here waits, reads a clock or does I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.host_energy import HostPlan, host_counters, host_joules, host_share, host_watts, model_of
from pentameter.windows import Continuity, Track
from pentameter.world import HostPart, Rolled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.host_energy import HostModel
    from pentameter.readings import HostReading
    from pentameter.windows import Window


class HostMeter:
    """Keeps the account of the machine."""

    def __init__(self, windows: Sequence[Window], plan: HostPlan) -> None:
        self._windows = tuple(windows)
        self._plan = plan
        self._track = Track(windows)
        self.latest: HostReading | None = None
        self.rolled = Rolled()
        """As of the last ``roll``."""

    def take(self, reading: HostReading) -> None:
        """Take in a reading."""
        self.latest = reading
        self._track.observe(reading.monotonic, host_counters(reading), {}, Continuity.SAME)

    def roll(self) -> None:
        """Make up the windows, and what came in since the last time."""
        self.rolled = Rolled() if self.latest is None else Rolled.of(self._track, self._windows)

    def part(self, gpus: int | None) -> HostPart | None:
        """Return what a server that uses so many GPUs has of the machine; None where its share is not known.

        How many GPUs the machine has must be configured: a container sees its own alone, and would pay for all.
        """
        share = host_share(self._plan, gpus, None)
        if self.latest is None or share is None:
            return None
        model = model_of(self._plan, self.latest)
        joules = host_joules(self.latest, self.rolled.tick, model)
        if not joules:
            return None
        return HostPart(
            joules={basis: share * amount for basis, amount in joules.items()},
            watts=self._watts(share, model),
            power=self._power(share, model),
        )

    def _watts(self, share: float, model: HostModel | None) -> dict[str, float]:
        found = {label: host_watts(interval, model) for label, interval in self.rolled.windows.items()}
        return {label: share * watts for label, watts in found.items() if watts is not None}

    def _power(self, share: float, model: HostModel | None) -> float | None:
        """Return the power over the shortest window: of a single reading it would jump."""
        shortest = min(self.rolled.windows.values(), key=lambda interval: interval.seconds, default=None)
        watts = None if shortest is None else host_watts(shortest, model)
        return None if watts is None else share * watts
