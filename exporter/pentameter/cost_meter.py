"""For how long a server has cost money, and what it did meanwhile: money is lost by the hour, worked or not.

Pure: time is handed in, from the monotonic clock. A step of the wall clock cannot reach the cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.windows import Continuity, Track
from pentameter.world import Rolled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pentameter.readings import VllmReading
    from pentameter.windows import Window

WARMUP = "warmup"
"""Seconds, part of the unobserved ones, in which a new process of vLLM was starting: it answers nobody until its model
is loaded, and costs what it always costs."""


class CostClock:
    """Follows one server."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = tuple(windows)
        self._track = Track(windows)
        self._seconds: dict[str, float] = {}
        self._time: float | None = None
        self._silent_since: float | None = None
        self._started: float | None = None

    def silence(self, since: float | None) -> None:
        """Note that the server does not answer; ``since`` is when it last did, or when it was first looked for."""
        if self._silent_since is None:
            self._silent_since = since

    def take(self, reading: VllmReading, *, foreign: bool = False) -> None:
        """Take in a page. One of a process that began while nobody answered ends its warm-up.

        The warm-up is the time from the start of the process to its first page, by its own clock, and no longer than it
        was watched: clocks may differ or jump. A ``foreign`` process, which ran before the last page of another, has
        none.
        """
        silent, self._silent_since = self._silent_since, None
        fresh = reading.start_time is not None and reading.start_time != self._started and not foreign
        self._started = reading.start_time or self._started
        warmup = 0.0
        if silent is not None and fresh and reading.start_time is not None:
            warmup = min(max(0.0, reading.wall - reading.start_time), max(0.0, reading.monotonic - silent))
        if self._time is None:
            # What it cost to start is paid, although nobody could be asked whom it is for until now.
            self._track.observe(reading.monotonic - warmup, dict(self._seconds), {}, Continuity.SAME)
            self._time = reading.monotonic
            self._add({"unobserved": 1.0}, warmup)
        if warmup:
            self._seconds[WARMUP] = self._seconds.get(WARMUP, 0.0) + warmup

    def advance(self, monotonic: float, shares: Mapping[str, float], *, hold: bool = False) -> Rolled:
        """Let the time up to now pass, of which each state has its share; return the seconds by state.

        With ``hold`` the seconds since the last call are kept for a later one.
        """
        if self._time is None:
            return Rolled()
        self._add(shares, max(0.0, monotonic - self._time))
        self._time = max(monotonic, self._time)
        self._track.observe(self._time, self._seconds, {}, Continuity.SAME)
        return Rolled({}) if hold else Rolled.of(self._track, self._windows)

    def _add(self, shares: Mapping[str, float], seconds: float) -> None:
        for state, share in shares.items():
            self._seconds[state] = self._seconds.get(state, 0.0) + share * seconds
