"""Judged requests and gauges become load windows, by ARRIVAL: what came in together is judged together.

A window can be handed out only when nearly all of its requests have finished, because the slow ones finish last:
counting early would forget the worst. It is held back for a lag that follows the delays seen (see ``_lag``). Requests
that finish later still are counted as ``late`` and left out: at most about one in 200 while delays are steady, and at
most all that took longer than ``LONGEST_LAG``. While requests are in flight and none finishes, no window is handed out
at all: a stall is not mistaken for a time of little traffic.

Memory is bounded whatever the traffic: a window holds counts by logarithmic bucket (``pentameter.sketch``, 1 % wide
to either side), and at most ``LONGEST_LAG`` plus one window of them are open.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from pentameter.capacity.filling import DISPERSION_SECONDS, OpenWindow
from pentameter.sketch import index_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.capacity.load import LoadWindow

SHORTEST_WINDOW, LONGEST_WINDOW = 300.0, 600.0
"""Seconds. In a shorter window a burst of half a minute would be a load of its own, and what it does to the requests
would be put down to that load, not to the mean load that such bursts come with: the capacity would read too high."""
WINDOW_STEP = 30.0
WANTED_REQUESTS = 300
"""Requests wanted in a window at half the highest rate: the error of a counted rate is 1 / sqrt(count)."""
FEWEST_REQUESTS = 10
"""A window with fewer verdicts, and fewer that finished in it, says nothing and is not handed out."""
SHORTEST_LAG, LONGEST_LAG = 32.0, 2048.0
PUNCTUAL = 0.995
"""Share of the requests whose delay the lag must cover."""
GAP = 30.0
"""Seconds without a call of ``advance`` after which nobody was watching: what happened meanwhile is dropped."""
HOLD = 15.0
"""A gauge stands for at most so many seconds."""
AHEAD = 30.0
"""Records may be so much younger than the last call of ``advance``: they are added before time moves on."""
STALL = 30.0
"""Requests in flight, and none finished for so long: windows wait."""
HALF_LIFE = 86_400.0
"""Seconds in which the memory of the highest rate fades by half."""
MARGIN_CAP = 16.0
"""As ``pentameter.slo.SCORE_CAP``."""


class LoadWindows:
    """Collects the windows of one (server, model, SLO); ``start`` is when watching began, on the monotonic clock."""

    def __init__(
        self, start: float, target: float = 0.9, *, shortest: float = SHORTEST_WINDOW, longest: float = LONGEST_WINDOW
    ) -> None:
        self._target = target
        self._shortest = shortest
        self._longest = longest
        self._now = start
        self._since = start
        self._finished = start
        self._busy = -math.inf
        self._seconds = shortest
        self._highest = 0.0
        self._windows: deque[OpenWindow] = deque([OpenWindow(start, shortest)])
        self._newest = self._windows[-1]
        self._delays = [0.0] * 13
        self.late = 0
        """Requests that finished after their window was handed out, since the beginning."""

    @property
    def window_seconds(self) -> float:
        """Return the length of the windows that open now: the longer the less traffic there is."""
        return self._seconds

    @property
    def lag_seconds(self) -> float:
        """Return how long after its end a window is handed out."""
        return self._lag()

    # ------------------------------------------------------------------ what comes in

    def add_request(
        self,
        arrival: float,
        score: float | None,
        good: bool,  # noqa: FBT001 - one of five plain figures on the hot path
        margins: Mapping[str, float],
        output_tokens: int,
        prompt_tokens: int = 0,
    ) -> None:
        """Count a finished request where it arrived; ``score`` is None where its record does not hold what decides."""
        window = self._newest
        window.finished += 1
        self._finished = self._now
        # Those that come too late for their window above all: the lag must learn from them.
        self._delays[min(12, int(self._now - arrival).bit_length())] += 1
        if not window.start <= arrival < window.end:
            found = self._find(arrival)
            if found is None:
                return
            window = found
        window.arrivals += 1
        window.bins[int((arrival - window.start) / DISPERSION_SECONDS)] += 1
        window.tokens += output_tokens
        window.prompts += prompt_tokens
        if score is None:
            window.undecided += 1
            return
        window.judged += 1
        if good:
            window.good += 1
        counts = window.scores
        # A comparison that is also false for NaN.
        index = index_of(score if score < MARGIN_CAP else MARGIN_CAP)
        counts[index] = counts.get(index, 0) + 1
        for objective, margin in margins.items():
            kept = window.margins.get(objective)
            if kept is None:
                kept = window.margins[objective] = {}
            index = index_of(margin if margin < MARGIN_CAP else MARGIN_CAP)
            kept[index] = kept.get(index, 0) + 1

    def add_excluded(self, arrival: float, output_tokens: int = 0, prompt_tokens: int = 0) -> None:
        """Count a request that the policy leaves out of the verdict: it was load all the same."""
        window = self._find(arrival)
        if window is not None:
            window.arrivals += 1
            window.bins[int((arrival - window.start) / DISPERSION_SECONDS)] += 1
            window.tokens += output_tokens
            window.prompts += prompt_tokens
            self._finished = self._now

    def add_gauges(self, time: float, running: float | None, waiting: float | None, kv_usage: float | None) -> None:
        """Note how full the server was; sums over engines, the KV cache as a share, None for what is not known."""
        if (running or 0.0) + (waiting or 0.0) > 0:
            self._busy = max(self._busy, time)
        window = self._find(time)
        if window is None:
            return
        if waiting is not None and window.waiting_at_start is None and time - window.start <= HOLD:
            window.waiting_at_start = waiting
        if running is not None:
            window.running.read(running)
        if kv_usage is not None:
            window.kv.read(kv_usage)

    def invalidate(self, start: float, end: float) -> None:
        """Forget what the records of a stretch of time would have told.

        Whoever arrived before the stretch may have finished in it, unseen: every window that is still open is spoilt,
        and so is every one that begins before ``end``.
        """
        lag = self._lag()
        for window in self._windows:
            if window.start < end and window.end + lag > start:
                window.spoilt = True
        self._since = max(self._since, end)

    def reset(self, now: float) -> None:
        """Begin anew: the server was restarted, or it is another one."""
        self._now = self._since = self._finished = max(now, self._now)
        self._busy = -math.inf
        self._windows = deque([OpenWindow(self._now, self._seconds)])
        self._newest = self._windows[-1]

    # ------------------------------------------------------------------ what goes out

    def advance(self, now: float) -> list[LoadWindow]:
        """Move on to a time and return the windows that have become mature, oldest first."""
        if now <= self._now:
            return []
        if now - self._now > GAP:
            self.invalidate(self._now, now)
        self._now = now
        if now - self._newest.end > LONGEST_LAG:
            self._open(OpenWindow(now, self._seconds))
        while self._newest.end <= now:
            self._open(OpenWindow(self._newest.end, self._seconds))
        return list(self._mature(now))

    def _mature(self, now: float) -> Iterator[LoadWindow]:
        # Records may come a little after the gauge has fallen to nothing.
        if now - self._busy <= STALL:
            now = min(now, self._finished + STALL)
        lag = self._lag()
        while len(self._windows) > 1 and self._windows[0].end + lag <= now:
            window = self._windows.popleft()
            seconds = window.end - window.start
            self._adapt(window.arrivals / seconds, seconds)
            if not window.spoilt and window.start >= self._since and _says_something(window):
                yield window.closed(self._target)

    def _open(self, window: OpenWindow) -> None:
        self._windows.append(window)
        self._newest = window

    def _find(self, arrival: float) -> OpenWindow | None:
        """Return the window of an arrival, or None for one before, between or far after the open windows."""
        if arrival < self._since:
            return None
        for window in reversed(self._windows):
            if window.start <= arrival:
                if arrival < window.end:
                    return window
                if window is self._newest and arrival < window.end + AHEAD:
                    self._open(OpenWindow(window.end, self._seconds))
                    return self._newest
                return None
        self.late += 1
        return None

    def _lag(self) -> float:
        """Return the power of two above the delay, from arrival to record, that all but 0.5 % of the requests keep.

        The factor of up to two above the delay itself is what covers delays that grow in an overload.
        """
        missing = (1 - PUNCTUAL) * sum(self._delays)
        for power in range(len(self._delays) - 1, -1, -1):
            missing -= self._delays[power]
            if missing < 0:
                return min(LONGEST_LAG, max(SHORTEST_LAG, 2.0**power))
        return SHORTEST_LAG

    def _adapt(self, rate: float, seconds: float) -> None:
        """Choose the length of the windows to come from the traffic and the delays of the one that goes."""
        self._highest = max(rate, self._highest * 0.5 ** (seconds / HALF_LIFE))
        self._delays = [count / 2 for count in self._delays]
        wanted = 2 * WANTED_REQUESTS / self._highest if self._highest > 0 else self._longest
        steps = math.ceil(wanted / WINDOW_STEP - 1e-9)
        self._seconds = min(self._longest, max(self._shortest, steps * WINDOW_STEP))


def _says_something(window: OpenWindow) -> bool:
    """Say whether a window has verdicts, or at least shows how fast a server with a queue works."""
    return window.judged >= FEWEST_REQUESTS or (window.finished >= FEWEST_REQUESTS and bool(window.waiting_at_start))
