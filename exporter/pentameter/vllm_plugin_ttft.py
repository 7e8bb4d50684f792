"""The exact time to first token of a finished request, of which vLLM tells stat loggers everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

REMEMBERED = 16_384
"""First tokens remembered for their requests' ends; more than one engine ever decodes at once."""


class FirstTokens:
    """Times to first token of requests in progress, found again by arrival when the requests end.

    vLLM tells a TTFT without saying whose it is, and tells of a request that has ended everything but its TTFT. Both
    are differences to the same moment: arrival = step time - TTFT, and arrival = step time - end-to-end. The difference
    of two doubles within a factor of two of each other is exact (Sterbenz 1974), so both give the arrival back bit for
    bit, and the TTFT is the very number that vLLM's own histogram and its span hold. Sequences of one request share
    their arrival; among them the TTFT nearest to end-to-end minus decode is taken.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._ttfts: dict[float, list[float]] = {}
        self._most = most

    def note(self, step_time: float, ttfts: Iterable[float]) -> None:
        """Remember the first tokens of a step; of too many, those of the oldest are forgotten (aborted requests)."""
        for ttft in ttfts:
            self._ttfts.setdefault(step_time - ttft, []).append(ttft)
        while len(self._ttfts) > self._most:
            del self._ttfts[next(iter(self._ttfts))]

    def find(self, arrival: float, about: float) -> float | None:
        """Return the TTFT of a request, and forget it; None if its first token was not seen."""
        ttfts = self._ttfts.get(arrival)
        if ttfts is None:
            return None
        nearest = min(ttfts, key=lambda ttft: abs(ttft - about))
        ttfts.remove(nearest)
        if not ttfts:
            del self._ttfts[arrival]
        return nearest
