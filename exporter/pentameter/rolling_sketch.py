"""Quantiles of what was seen over the last minutes, within 1 %, from bounded memory.

Values are counted in the logarithmic buckets of ``sketch`` (DDSketch: Masson, Rim and Lee, VLDB 2019). Counts can be
taken back exactly, so a window is one running count per bucket, and about ``RESOLUTION`` slices of time whose own
counts are subtracted when they leave. All windows share the counting of a new value: it goes into the fresh counts,
which are handed on to the windows when they span a slice of the shortest one, or when somebody asks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING

from pentameter.sketch import LARGEST, LAST, index_of, value_of
from pentameter.windows import RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pentameter.windows import Window

MOST = 2**32
"""The most that is believed of one bucket at once: whatever a broken sender says must fit into the slices."""

_WIDTHS = tuple((code, 2 ** (8 * array(code).itemsize)) for code in "HIQ")
"""Types of arrays, each with the lowest number that it cannot hold."""

_NOTHING = array("H")


class RollingSketch:
    """Counts, means and quantiles of one kind of duration over several windows.

    ``quantile`` is within 1 % of the exact order statistic, the value at rank ceil(q * n) among the n of the window;
    a value of up to a microsecond is told as 0. The window is (now - W, now], its beginning off by at most W / 60:
    values leave together with those next to them, when the middle of their slice does. ``mean`` is exact up to the
    rounding of floating point, because nothing is ever subtracted from a sum.

    Time must not be NaN. It may stand still or leap ahead; a value older than the newest is taken for as new as that.
    """

    def __init__(self, windows: Sequence[Window]) -> None:
        self._rolling = {window.label: _RollingCounts(window.seconds) for window in windows}
        self._span = min(window.seconds for window in windows) / RESOLUTION
        self._newest = float("-inf")
        self._first = 0.0
        """When the oldest of the fresh values came, about."""
        self._fresh: dict[int, int] = {}
        self._total = 0.0

    def add(self, time: float, value: float) -> None:
        """Count a value in seconds; one above ``sketch.LARGEST`` counts as that. Raises ``ValueError`` for NaN."""
        index = index_of(value)
        if time > self._newest:
            self._advance(time)
        fresh = self._fresh
        fresh[index] = fresh.get(index, 0) + 1
        self._total += value if value < LARGEST else LARGEST

    def add_counts(self, time: float, counts: Mapping[int, int], total: float) -> None:
        """Count values that somebody else has put into the buckets of ``sketch``; ``total`` is their sum in seconds.

        They come from another process, so what cannot be is mended rather than believed: a count below one is passed
        over, one above ``MOST`` is cut, a bucket that there is not is the nearest that there is, and a sum that the
        counts do not allow is replaced by that of the buckets.
        """
        sound = [(min(max(index, 0), LAST), min(count, MOST)) for index, count in counts.items() if count > 0]
        if time > self._newest:
            self._advance(time)
        fresh = self._fresh
        for index, count in sound:
            fresh[index] = fresh.get(index, 0) + count
        if not 0 <= total <= LARGEST * sum(count for _, count in sound):
            total = sum(value_of(index) * count for index, count in sound)
        self._total += total

    def count(self, window_label: str, now: float) -> int:
        """Return how many values are in a window. Raises ``KeyError`` for a window that there is not."""
        return self._at(window_label, now).count

    def mean(self, window_label: str, now: float) -> float | None:
        """Return the mean in seconds, or None where there is no value."""
        rolling = self._at(window_label, now)
        return rolling.total() / rolling.count if rolling.count else None

    def quantile(self, window_label: str, q: float, now: float) -> float | None:
        """Return one quantile in seconds; see ``quantiles``."""
        return self.quantiles(window_label, (q,), now)[0]

    def quantiles(self, window_label: str, qs: Iterable[float], now: float) -> tuple[float | None, ...]:
        """Return the quantiles in seconds, each within 1 % of the value at rank ceil(q * n).

        None where n * (1 - q) < 1, because then the answer would be the largest value, which says nothing of a
        quantile: p50 takes 2 values, p90 10, p95 20, p99 100. Raises ``ValueError`` for a q outside (0, 1).
        """
        return self._at(window_label, now).quantiles(tuple(qs))

    def _advance(self, time: float) -> None:
        if not self._fresh:
            self._first = time
        elif time >= self._first + self._span:
            self._hand_on()
            self._first = time
        self._newest = time

    def _hand_on(self) -> None:
        """Give the fresh counts to every window."""
        count = sum(self._fresh.values())
        for rolling in self._rolling.values():
            rolling.take(self._first, self._newest, self._fresh, count, self._total)
        self._fresh, self._total = {}, 0.0

    def _at(self, window_label: str, now: float) -> _RollingCounts:
        if self._fresh:
            self._hand_on()
        rolling = self._rolling[window_label]
        rolling.expire(now)
        return rolling


class _RollingCounts:
    """The running counts of one window."""

    __slots__ = ("_answers", "_counts", "_seconds", "_slices", "count")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._slices: deque[_Slice] = deque()
        self._counts: dict[int, int] = {}
        self.count = 0
        self._answers: dict[tuple[float, ...], tuple[float | None, ...]] = {}

    def take(self, first: float, last: float, fresh: Mapping[int, int], count: int, total: float) -> None:
        """Take in the counts of the values that came from ``first`` to ``last``."""
        self.expire(last)
        slices = self._slices
        if not slices or first >= slices[-1].first + self._seconds / RESOLUTION:
            if slices:
                slices[-1].pack()
            slices.append(_Slice(first))
        slices[-1].grow(last, fresh, count, total)
        counts = self._counts
        for index, more in fresh.items():
            counts[index] = counts.get(index, 0) + more
        self.count += count
        self._answers.clear()

    def expire(self, now: float) -> None:
        """Take back the counts of what has left the window."""
        slices, start = self._slices, now - self._seconds
        if not slices or slices[0].middle > start:
            return
        self._answers.clear()
        if slices[-1].middle <= start:
            slices.clear()
            self._counts.clear()
            self.count = 0
            return
        while slices[0].middle <= start:
            self._subtract(slices.popleft())

    def _subtract(self, gone: _Slice) -> None:
        counts = self._counts
        for index, fewer in gone.packed():
            left = counts[index] - fewer
            if left:
                counts[index] = left
            else:
                del counts[index]
        self.count -= gone.count

    def total(self) -> float:
        """Return the sum of all values, added up anew: a running sum would keep the rounding of what has left."""
        return sum(one.total for one in self._slices)

    def quantiles(self, qs: tuple[float, ...]) -> tuple[float | None, ...]:
        """Return the quantiles; the same question is answered once until something comes or leaves."""
        answer = self._answers.get(qs)
        if answer is None:
            answer = self._answers[qs] = self._computed(qs)
        return answer

    def _computed(self, qs: tuple[float, ...]) -> tuple[float | None, ...]:
        ranks = [_rank(q, self.count) for q in qs]
        buckets = sorted(self._counts)
        heights = list(accumulate(map(self._counts.__getitem__, buckets)))
        return tuple(value_of(buckets[bisect_left(heights, rank)]) if rank < self.count else None for rank in ranks)


class _Slice:
    """The counts of a stretch of time; they grow while it is the youngest, and then only wait to be taken back."""

    __slots__ = ("_growing", "_last", "_packed", "count", "first", "total")

    def __init__(self, first: float) -> None:
        self.first = self._last = first
        self.count = 0
        self.total = 0.0
        self._growing: dict[int, int] = {}
        self._packed = _NOTHING

    @property
    def middle(self) -> float:
        """Return the moment that decides when the slice leaves."""
        return (self.first + self._last) / 2

    def grow(self, last: float, fresh: Mapping[int, int], count: int, total: float) -> None:
        """Take in the counts of values of which the newest came at ``last``."""
        self._last = last
        self.count += count
        self.total += total
        growing = self._growing
        for index, more in fresh.items():
            growing[index] = growing.get(index, 0) + more

    def pack(self) -> None:
        """Keep the counts in four bytes each, as a rule; a dictionary takes ten times as much."""
        row = [*self._growing, *self._growing.values()]
        highest = max(row)
        self._packed = array(next(code for code, beyond in _WIDTHS if highest < beyond), row)
        self._growing = {}

    def packed(self) -> Iterator[tuple[int, int]]:
        """Return the buckets and counts of a packed slice."""
        half = len(self._packed) // 2
        return zip(self._packed[:half], self._packed[half:], strict=True)


def _rank(q: float, count: int) -> int:
    """Return ceil(q * count), where a product that should be whole is not taken for one just above."""
    if not 0 < q < 1:
        message = f"a quantile lies between 0 and 1, got {q}"
        raise ValueError(message)
    return ceil(q * count * (1 - 1e-12))
