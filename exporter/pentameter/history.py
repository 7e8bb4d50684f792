"""The last hour of the status page's figures: a ring of points per series, at an even pace, bounded in memory.

A point is what a snapshot said at that moment, never a mean; a moment without a figure is NaN, never a zero.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, NamedTuple

from pentameter.status_figures import pick

if TYPE_CHECKING:
    from pentameter.snapshot import Snapshot
    from pentameter.status_figures import Series

STEP_SECONDS = 10.0
SPAN_SECONDS = 3600.0
MAX_SERIES = 4000
"""Of 360 points of 8 bytes: at most 12 MB, for more than a hundred servers. Model names come from outside."""


class Hour(NamedTuple):
    """What is known of the last hour, unchanged by what comes after."""

    wall: float
    step: float
    length: int
    left_out: int
    series: list[tuple[Series, array[float]]]
    """Every series with its points, the oldest first, ``length`` of them; NaN is unknown."""


class _Ring:
    """The points of one series, by slot modulo their number."""

    __slots__ = ("last", "points")

    def __init__(self, size: int) -> None:
        self.points = array("d", [math.nan]) * size
        self.last = 0
        """The slot that was written last."""


class History:
    """Keeps a point of every figure each ``step`` seconds; the time is the monotonic one of the snapshots.

    Where snapshots come more seldom than every ten seconds, their own interval is the step: gaps mean missing figures.
    """

    def __init__(self, derive_interval: float = 1.0, *, max_series: int = MAX_SERIES) -> None:
        self.step = max(STEP_SECONDS, derive_interval)
        self.size = math.ceil(SPAN_SECONDS / self.step)
        self.left_out = 0
        """Series of the last point for which there was no room."""
        self.wall = 0.0
        """Wall-clock seconds of the last point."""
        self._max_series = max_series
        self._began = 0.0
        self._began_wall = 0.0
        self._slot = -1
        self._rings: dict[Series, _Ring] = {}

    @property
    def length(self) -> int:
        """Return how many points there are by now, known or not."""
        return min(self._slot + 1, self.size)

    @property
    def version(self) -> str:
        """Return what changes with every point and every start."""
        return f"{self._began_wall:.3f}-{self._slot}"

    def take(self, snapshot: Snapshot) -> None:
        """Keep the figures of a snapshot if a new point is due, the point that is nearest to its time."""
        if self._slot < 0:
            self._began, self._began_wall = snapshot.monotonic, snapshot.wall
        slot = math.floor((snapshot.monotonic - self._began) / self.step + 0.5)
        if slot <= self._slot:
            return
        self._advance(slot)
        self.wall = snapshot.wall
        self.left_out = 0
        for series, value in pick(snapshot.samples)[1].items():
            ring = self._rings.get(series)
            if ring is None:
                if len(self._rings) >= self._max_series:
                    self.left_out += 1
                    continue
                ring = self._rings[series] = _Ring(self.size)
            ring.points[slot % self.size] = value
            ring.last = slot

    def hour(self, server: str | None = None, model_name: str | None = None) -> Hour:
        """Return a copy of what is kept, of one server or model if asked."""
        series = [
            (series, self._copy(ring))
            for series, ring in self._rings.items()
            if server in (None, series.place.server) and model_name in (None, series.place.model_name)
        ]
        return Hour(self.wall, self.step, self.length, self.left_out, series)

    def places(self) -> set[tuple[str, str]]:
        """Return the servers and models of which there is any point."""
        return {(series.place.server, series.place.model_name) for series in self._rings}

    def _copy(self, ring: _Ring) -> array[float]:
        """Return the points of a series in order."""
        if self._slot < self.size:
            return ring.points[: self.length]
        oldest = (self._slot + 1) % self.size
        return ring.points[oldest:] + ring.points[:oldest]

    def _advance(self, slot: int) -> None:
        """Go on to a slot: all that were passed over are unknown; what has left the hour altogether is let go."""
        self._rings = {series: ring for series, ring in self._rings.items() if slot - ring.last < self.size}
        for passed in range(max(self._slot + 1, slot + 1 - self.size), slot + 1):
            for ring in self._rings.values():
                ring.points[passed % self.size] = math.nan
        self._slot = slot
