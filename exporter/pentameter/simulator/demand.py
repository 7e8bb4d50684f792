"""The demand: who comes when, with how much, and how clients behave; frozen, in base units."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """A system prompt that a share of the requests begins with; whole blocks only."""

    tokens: int
    share: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """Log-normal token counts."""

    median: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Overload:
    """An episode of every day in which more arrives than the engines can serve."""

    start: float
    duration: float
    rate: float


@dataclass(frozen=True, slots=True)
class Patience:
    """Log-normal seconds that a client waits for the first token."""

    median_seconds: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Clients:
    """What clients do other than read a long answer to its end; shares of all requests, independent of each other."""

    impatient: float = 0.0
    """Give up when the first token has not come in time."""
    patience: Patience = Patience(median_seconds=10.0, sigma=0.5)
    """Of the impatient ones."""
    leaving: float = 0.0
    """Leave in the middle of the answer."""
    one_token: float = 0.0
    """Ask for a single token, as probes and classifiers do."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who comes when: a day compressed into ``day_seconds``, rates in requests/s."""

    low_rate: float
    high_rate: float
    day_seconds: float
    low_at: float
    overload: Overload | None
    prompt: Lengths
    output: Lengths
    prefixes: tuple[SharedPrefix, ...] = ()
    max_tokens: tuple[int, ...] = (256, 512, 1024)
    """The ``max_tokens`` that clients ask for, equally likely."""
    clients: Clients = Clients()

    def rate(self, time: float) -> float:
        """Return the arrival rate in requests/s at a simulated time, which may be negative."""
        moment = time % self.day_seconds
        if self.overload is not None:
            since = moment - self.overload.start
            if 0 <= since < self.overload.duration:
                return self.overload.rate
        middle, swing = (self.high_rate + self.low_rate) / 2, (self.high_rate - self.low_rate) / 2
        return middle - swing * math.cos(2 * math.pi * (moment - self.low_at) / self.day_seconds)

    @property
    def peak_rate(self) -> float:
        """Return a rate that is never exceeded, in requests/s."""
        return max(self.high_rate, self.overload.rate if self.overload else 0.0)
