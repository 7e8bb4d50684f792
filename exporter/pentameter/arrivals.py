"""How many requests arrived, and how many their clients gave up: inferred from what vLLM counts.

vLLM counts first tokens and ends and shows how many requests it holds; arrivals it does not count, and a request that
its client aborts leaves no trace in either (only the Rust front end records it). Both follow from conservation:

    arrived = ended + aborted + change of (running + waiting)

Three signs betray an abort. Each finds at most the true number: ``aborted`` is a lower bound, and ``arrived`` with it.

- The number of requests held falls by more than ended between two pages. Where vLLM's front end ends a request itself,
  at a stop string, its engine holds the request for a step longer: so what ended just before may explain a fall.
- More requests have had a first token without ending than are held: as many as were aborted after a first token are
  found as soon as the server is empty for a moment.
- The web server has answered more requests than ended: it counts an answer that its client broke off, wherever the
  request was. This finds all, as long as nobody asks for several sequences at once, which hides as many as there are
  further sequences.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.windows import Continuity

if TYPE_CHECKING:
    from pentameter.readings import EngineReading


SETTLING_SECONDS = 2.0
"""An answer ends at most so long after its request."""

LINGERING_SECONDS = 1.0
"""For at most so long, or until the next page, an engine holds a request that the front end has ended."""


@dataclass(frozen=True, slots=True)
class _Page:
    time: float
    ended: float
    first_tokens: float
    held: float
    answers: float | None


def _page_of(time: float, reading: EngineReading, answers: float | None) -> _Page | None:
    """Return what matters of a page, or None where any of it is missing."""
    ended = [value for key, value in reading.counters.items() if key.startswith("request_success/")]
    ttft = reading.histograms.get("ttft")
    running, waiting = reading.gauges.get("running"), reading.gauges.get("waiting")
    if not ended or ttft is None or running is None or waiting is None:
        return None
    return _Page(time, sum(ended), ttft.count, running + waiting, answers)


class Arrivals:
    """The running totals of one engine."""

    def __init__(self) -> None:
        self.arrived = 0.0
        self.aborted = 0.0
        self.ended = 0.0
        self._net = 0.0
        """Arrived less aborted, by conservation; too high for a moment while a request that has ended is still held."""
        self._vanished = 0.0
        """Aborts by the first two signs."""
        self._broken_off = 0.0
        """Aborts by the third sign."""
        self._answers_ahead = 0.0
        """What to add to (answers - ended) of the present process to have ``_broken_off``."""
        self._aligned_at = -math.inf
        self._page: _Page | None = None
        self._open = 0.0
        """Requests that had a first token and are not known to have ended; what began before us is not in it."""
        self._ends: deque[tuple[float, float]] = deque()
        """Time and number of the ends on the latest pages."""
        self._last_end: float | None = None

    def observe(
        self,
        time: float,
        reading: EngineReading,
        continuity: Continuity = Continuity.UNKNOWN,
        answers: float | None = None,
    ) -> None:
        """Take in the next page of the engine; ``answers`` are the requests that the web server has answered."""
        page, last = _page_of(time, reading, answers), self._page
        self._page = page
        if page is None:
            self._last_end = None
            return
        fallen = last is not None and (page.ended < last.ended or page.first_tokens < last.first_tokens)
        if last is None or continuity is Continuity.FOREIGN or (fallen and continuity is Continuity.SAME):
            # Nothing to compare with: the first page, that of another process, or a glitch of a living one.
            self._begin()
            # How many of those held have ended already, this page alone does not tell.
            self._ends.append((page.time, page.held))
            self._align_answers(page)
            self._last_end = page.time
            return
        if fallen or continuity is Continuity.RESTARTED:
            # The new process began with nothing, and what the old one held is nobody's loss or gain.
            last = _Page(last.time, 0.0, 0.0, 0.0, last.answers and 0.0)
            self._begin()
            self._answers_ahead = self._broken_off
        self._count(page, last)
        if page.ended > last.ended or page.held == 0 or last.held == 0:
            self._last_end = page.time

    def _begin(self) -> None:
        self._open = 0.0
        self._ends.clear()
        self._net = self.arrived - self.aborted

    def _count(self, page: _Page, last: _Page) -> None:
        ended = page.ended - last.ended
        inflow = ended + page.held - last.held
        vanished = max(0.0, -inflow - self._lingering(last.time))
        self._open += page.first_tokens - last.first_tokens - ended - vanished
        # Held, not running: a preempted request had a first token and waits again.
        missing = max(0.0, self._open - page.held)
        if page.held == 0:
            # Whoever was open before we watched has ended too: the account starts afresh.
            self._open = 0.0
        else:
            self._open -= missing
        self._ends.append((page.time, ended))
        self.ended += ended
        self._vanished += vanished + missing
        self._count_answers(page, last)
        self.aborted = max(self.aborted, self._vanished, self._broken_off)
        self._net += inflow
        self.arrived = max(self.arrived, self._net + self.aborted)

    def _lingering(self, time: float) -> float:
        """Return the most requests that had ended and were still held at the time of the last page."""
        while self._ends and self._ends[0][0] <= time - LINGERING_SECONDS:
            self._ends.popleft()
        return sum(ended for _, ended in self._ends)

    def _count_answers(self, page: _Page, last: _Page) -> None:
        if page.answers is None:
            return
        broken_off = self._answers_ahead + page.answers - page.ended
        if last.answers is None:
            self._align_answers(page)
        elif broken_off > self._broken_off:
            # An answer ends a little after its request: what is behind for a moment comes up again and counts once. On
            # the first page nobody knows what was behind; what has come up on the first page after that is not counted.
            if last.time < self._aligned_at + SETTLING_SECONDS:
                self._answers_ahead += self._broken_off - broken_off
            else:
                self._broken_off = broken_off

    def _align_answers(self, page: _Page) -> None:
        """Take this page as the beginning of the third sign: what was broken off before it is not known."""
        if page.answers is not None:
            self._answers_ahead = self._broken_off - (page.answers - page.ended)
            self._aligned_at = page.time

    def stalled_seconds(self) -> float | None:
        """Return for how long requests have been held without one ending, 0 while none is held; None if unknown."""
        if self._page is None or self._last_end is None:
            return None
        return self._page.time - self._last_end if self._page.held else 0.0
