"""Rolling windows over cumulative counters and histograms; counter resets live here and only here.

A ``Track`` follows everything that accumulates in one place (one engine, one GPU). It keeps running
totals that never fall, and for each window a ring of past totals, so that any window's difference is one
subtraction. A ring holds about ``RESOLUTION`` points whatever the scrape interval, which keeps an hour at
one scrape per second in half a megabyte per engine.

Time is the monotonic clock of the reading, handed in: wall-clock jumps cannot reach this module.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, repeat
from types import MappingProxyType
from typing import TYPE_CHECKING

from pentameter.readings import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESOLUTION = 60
"""Points per window: a window's start is at most 1/60 of its length off."""

STRETCH = 1.25
"""A window may reach back at most this many times its length; beyond a longer gap it starts anew."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rolling window: the label that users see and its length."""

    label: str
    seconds: float


class Continuity(Enum):
    """How a reading follows the one before it."""

    SAME = "same"
    """The same process: a counter that falls is a glitch and earns nothing."""
    UNKNOWN = "unknown"
    """Nobody says: a counter that falls means a restart, and all count from zero."""
    RESTARTED = "restarted"
    """A new process that started after the last reading: all count from zero."""
    FOREIGN = "foreign"
    """Another process that was already running: its history is not ours and earns nothing."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What accumulated between two moments."""

    seconds: float
    deltas: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    gauges_before: Mapping[str, float] = field(default_factory=dict)
    """What chosen gauges read at the beginning; empty where the counting has broken off in between, so that what was
    there at the beginning says nothing of what was counted since."""
    gauges_after: Mapping[str, float] = field(default_factory=dict)
    """What they read at the end."""

    def delta(self, key: str) -> float | None:
        """Return the increase of a counter, or None where the server does not publish it."""
        return self.deltas.get(key)

    def rate(self, key: str) -> float | None:
        """Return the increase per second, or None where the server does not publish it."""
        increase = self.deltas.get(key)
        return None if increase is None else increase / self.seconds

    def total(self, concept: str) -> float | None:
        """Return the increase of a labelled counter summed over its labels."""
        parts = [value for key, value in self.deltas.items() if key.partition("/")[0] == concept]
        return sum(parts) if parts else None


@dataclass(slots=True)
class _Layout:
    """Where each series lives in the arrays of a track; places are only ever added."""

    counters: dict[str, int] = field(default_factory=dict)
    histograms: dict[tuple[str, tuple[float, ...]], int] = field(default_factory=dict)
    size: int = 0
    sums: set[int] = field(default_factory=set)
    """Places of histogram sums: the one kind of total that may fall (see ``_reset_places``)."""

    def counter(self, key: str) -> int:
        place = self.counters.get(key)
        if place is None:
            place = self.counters[key] = self.size
            self.size += 1
        return place

    def histogram(self, key: str, bounds: tuple[float, ...]) -> int:
        place = self.histograms.get((key, bounds))
        if place is None:
            place = self.histograms[key, bounds] = self.size
            self.size += len(bounds) + 1
            self.sums.add(self.size - 1)
        return place


_NO_GAUGES: Mapping[str, float] = MappingProxyType({})


@dataclass(slots=True)
class _Point:
    """A past moment: its totals, and what the gauges read."""

    time: float
    totals: array[float]
    gauges: Mapping[str, float]


class Track:
    """The totals of one engine or GPU, and what each window saw of them."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = tuple(windows)
        self._layout = _Layout()
        self._raw: array[float] = array("d")
        self._totals: array[float] = array("d")
        self._rings: dict[str, deque[_Point]] = {w.label: deque() for w in self._windows}
        self._drained: dict[str, _Point] = {}
        self._baseline: _Point | None = None
        self._time: float | None = None
        self._gauges: Mapping[str, float] = _NO_GAUGES
        self._bounds: dict[str, tuple[float, ...]] = {}
        self._keys: tuple[str, ...] = ()

    @property
    def time(self) -> float | None:
        """Return the moment of the last reading."""
        return self._time

    def observe(
        self,
        time: float,
        counters: Mapping[str, float],
        histograms: Mapping[str, Histogram],
        continuity: Continuity,
        gauges: Mapping[str, float] = _NO_GAUGES,
    ) -> int:
        """Take in one reading; return the number of series found reset.

        A reading that is not younger than the last is ignored. The first reading is the baseline and
        earns nothing, because its history is not known. A series that appears later counts from zero: the
        page before did not have it. ``gauges`` are kept as they are, for the two ends of an interval.
        """
        if self._time is not None and time <= self._time:
            return 0
        raw = self._collect(counters, histograms)
        bounds = {key: histogram.bounds for key, histogram in histograms.items()}
        broken = continuity is Continuity.FOREIGN or any(
            self._bounds.get(key, new) != new for key, new in bounds.items()
        )
        resets = 0
        if self._time is None or continuity is Continuity.FOREIGN:
            self._settle(raw, self._raw)
        else:
            resets = self._advance(raw, continuity)
        if broken or (resets and continuity is Continuity.SAME):
            self._forget_gauges()
        self._raw = raw
        self._time = time
        self._gauges = gauges
        self._bounds = bounds
        self._keys = tuple(counters)
        for window in self._windows:
            self._remember(window, time)
        if self._baseline is None:
            self._baseline = self._now(time)
        return resets

    def interval(self, window: Window) -> Interval | None:
        """Return what accumulated over a window, or None before a second reading."""
        if self._time is None:
            return None
        ring = self._rings[window.label]
        oldest = self._time - STRETCH * window.seconds
        for point in ring:
            if oldest <= point.time < self._time:
                return self._since(point)
        return None

    def drain(self, drain: str = "own") -> Interval | None:
        """Return what accumulated since the last call for the same drain, or None when there is nothing new.

        Each drain sees everything once: what one leaves alone for a while reaches it later, whole.
        """
        past = self._drained.get(drain, self._baseline)
        if self._time is None or past is None or past.time >= self._time:
            return None
        interval = self._since(past)
        self._drained[drain] = self._now(self._time)
        return interval

    def _now(self, time: float) -> _Point:
        return _Point(time, self._totals[:], self._gauges)

    def _forget_gauges(self) -> None:
        """Let no past gauge stand for what is counted from here on: some of it is of another origin, or lost."""
        for point in chain(filter(None, [self._baseline]), self._drained.values(), *self._rings.values()):
            point.gauges = _NO_GAUGES

    def _collect(self, counters: Mapping[str, float], histograms: Mapping[str, Histogram]) -> array[float]:
        """Lay the reading out; a series that it lacks is NaN. Old arrays grow to the new size."""
        layout = self._layout
        places = [(layout.counter(key), value) for key, value in counters.items()]
        slices = [(layout.histogram(key, h.bounds), h) for key, h in histograms.items()]
        raw = array("d", [math.nan]) * layout.size
        for place, value in places:
            raw[place] = value
        for place, histogram in slices:
            end = place + len(histogram.counts)
            raw[place:end] = array("d", histogram.counts)
            raw[end] = histogram.sum
        grown = array("d", [0.0]) * (layout.size - len(self._totals))
        self._totals.extend(grown)
        self._raw.extend(grown)
        return raw

    @staticmethod
    def _settle(raw: array[float], missing: array[float]) -> None:
        """Fill the series that the reading lacks."""
        for i, value in enumerate(raw):
            if value != value:  # the fastest test for NaN
                raw[i] = missing[i]

    def _advance(self, raw: array[float], continuity: Continuity) -> int:
        last, totals, sums = self._raw, self._totals, self._layout.sums
        # NaN compares false, so a missing series has not fallen.
        fallen = [i for i, value in enumerate(raw) if value < last[i] and i not in sums]
        if continuity is Continuity.RESTARTED or (fallen and continuity is Continuity.UNKNOWN):
            last = array("d", [0.0]) * len(raw)
            fallen_here: list[int] = []
        else:
            fallen_here = fallen
        self._settle(raw, last)
        for i, value in enumerate(raw):
            totals[i] += value - last[i]
        for i in fallen_here:
            # A glitch in one series of a living process: take back the fall, count on from here.
            totals[i] += last[i] - raw[i]
        return len(fallen)

    def _remember(self, window: Window, time: float) -> None:
        ring = self._rings[window.label]
        # 0.75: scrapes jitter, and a point a little early is better than every second one skipped.
        if ring and time - ring[-1].time < 0.75 * window.seconds / RESOLUTION:
            return
        ring.append(self._now(time))
        while len(ring) > 1 and ring[1].time <= time - window.seconds:
            ring.popleft()

    def _since(self, past: _Point) -> Interval:
        assert self._time is not None
        layout = self._layout
        # A series younger than the past point was at nothing then.
        padded = chain(past.totals, repeat(0.0))
        increase = [now - then for now, then in zip(self._totals, padded, strict=False)]
        deltas = {key: increase[layout.counters[key]] for key in self._keys}
        histograms = {}
        for key, bounds in self._bounds.items():
            place = layout.histograms[key, bounds]
            end = place + len(bounds)
            histograms[key] = Histogram(bounds, tuple(increase[place:end]), increase[end])
        return Interval(self._time - past.time, deltas, histograms, past.gauges, self._gauges)
