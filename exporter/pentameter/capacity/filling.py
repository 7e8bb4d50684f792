"""A window that still fills: counts only, so that its size does not follow the traffic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pentameter.capacity.load import LoadWindow
from pentameter.sketch import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DISPERSION_SECONDS = 5.0


class Gauge:
    """The highest and the mean of what was read of a gauge, readings being about evenly spaced."""

    __slots__ = ("_count", "_sum", "peak")

    def __init__(self) -> None:
        self.peak: float | None = None
        self._sum = 0.0
        self._count = 0

    @property
    def mean(self) -> float | None:
        """Return the mean reading, or None before the first."""
        return self._sum / self._count if self._count else None

    def read(self, value: float) -> None:
        """Take in one reading."""
        self._sum += value
        self._count += 1
        if self.peak is None or value > self.peak:
            self.peak = value


class OpenWindow:
    """A window that still fills."""

    __slots__ = (
        "arrivals", "bins", "end", "finished", "good", "judged", "kv", "margins", "prompts", "running", "scores",
        "spoilt", "start", "tokens", "undecided", "waiting_at_start",
    )  # fmt: skip

    def __init__(self, start: float, seconds: float) -> None:
        self.start = start
        self.end = start + seconds
        self.arrivals = self.judged = self.good = self.undecided = self.tokens = self.prompts = self.finished = 0
        self.scores: dict[int, int] = {}
        self.margins: dict[str, dict[int, int]] = {}
        self.bins = [0] * (int(seconds / DISPERSION_SECONDS) + 1)
        self.waiting_at_start: float | None = None
        self.running = Gauge()
        self.kv = Gauge()
        self.spoilt = False

    def closed(self, target: float) -> LoadWindow:
        """Return what the window has become, with the quantiles at a target."""
        return LoadWindow(
            start=self.start,
            seconds=self.end - self.start,
            arrivals=self.arrivals,
            judged=self.judged,
            good=self.good,
            undecided=self.undecided,
            severity=quantile(self.scores, target) if self.scores else None,
            # Where few requests have an objective (one-token answers have no TPOT), the quantile would be of those few.
            margins={
                objective: quantile(counts, target)
                for objective, counts in self.margins.items()
                if 2 * sum(counts.values()) >= self.judged
            },
            output_tokens=self.tokens / self.arrivals if self.arrivals else 0.0,
            prompt_tokens=self.prompts / self.arrivals if self.arrivals else 0.0,
            finished=self.finished,
            waiting_at_start=self.waiting_at_start,
            running_peak=self.running.peak,
            running_mean=self.running.mean,
            kv_peak=self.kv.peak,
            kv_mean=self.kv.mean,
            dispersion=dispersion(self.bins[: int((self.end - self.start) / DISPERSION_SECONDS)]),
        )


def quantile(counts: Mapping[int, int], q: float) -> float:
    """Return the smallest value that a share q of the counted ones does not exceed, within 1 %.

    Raises ``ValueError`` for no counts.
    """
    if not counts:
        message = "no values, no quantile"
        raise ValueError(message)
    missing = math.ceil(q * sum(counts.values()) - 1e-9)
    for index in sorted(counts):
        missing -= counts[index]
        if missing <= 0:
            break
    return value_of(index)


def dispersion(counts: Sequence[int]) -> float | None:
    """Return the index of dispersion, variance / mean of counts in equal times; None without any count.

    A Poisson process has 1 (Cox and Lewis 1966); more is burstier.

    >>> dispersion([0, 4, 0, 4])
    2.6666666666666665
    """
    mean = sum(counts) / len(counts) if counts else 0.0
    if mean <= 0 or len(counts) < 2:
        return None
    return sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / mean
