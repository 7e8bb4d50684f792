"""The state behind the split of energy: brings energy and work, read at moments of their own, into common windows.

A part of the meter with the same rule: readings come in by ``take_*``, nothing here waits, reads a clock or does I/O.
Windows begin and end when the energy was read, because it changes by whole readings; the work until then is found
between two pages by straight lines.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

from pentameter.dimensions.timing import computed_prompt_tokens
from pentameter.energy_split import PARTS, UNATTRIBUTED, EnergySplit, PhaseSplit
from pentameter.energy_sums import Span
from pentameter.work import Counted, counted, kinds_of_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.windows import Interval

WINDOW_SECONDS = 10.0
PAGES_PER_WINDOW = 4
"""Between two pages a straight line stands for the work: a window is at least so many times as long as that."""
MOST_PAGE_SECONDS = 5.5
"""Longer without a page, and nobody knows when the work was done. In simulations with a page every ten seconds the
cache in use is known so badly that prefill comes out a fourth too dear, and nothing tells."""
MOST_WINDOW_SECONDS = 150.0
"""Longer without energy, and the mix of the work in between is nobody's."""


class Work(NamedTuple):
    """What one engine did, up to a moment or in a window."""

    prompts: float = 0.0
    computed: float = 0.0
    decoded: float = 0.0
    steps: float = 0.0
    gaps: float = 0.0
    """Seconds between tokens, of all requests."""
    cache_steps: float = 0.0

    def plus(self, other: Work, share: float = 1.0) -> Work:
        """Return this and a share of another."""
        return Work(*(a + share * b for a, b in zip(self, other, strict=True)))


class _Page(NamedTuple):
    time: float
    seconds: float
    """Since the page before."""
    work: Mapping[str, Work]
    """Engine -> what it did since."""


class _Account:
    """One server."""

    def __init__(self) -> None:
        self.split = PhaseSplit()
        self.pages: deque[_Page] = deque()
        self.page_time: float | None = None
        self.budget: float | None = None
        """The most tokens of a step, where it is known."""
        self.edges: deque[tuple[float, float]] = deque()
        """Readings of the energy that belong to no window yet: (time, joules since the reading before)."""
        self.begin: float | None = None
        """When the window began."""
        self.joules: dict[str, float] = {}
        """Since the last snapshot."""
        self.measured = False
        """Whether the energy is known now."""

    def grow(self, joules: Mapping[str, float]) -> None:
        """Count joules."""
        if not self.joules:
            self.joules = dict.fromkeys((*PARTS, UNATTRIBUTED), 0.0)
        for part, amount in joules.items():
            self.joules[part] += amount

    def stop(self) -> None:
        """Begin anew after a gap: what was used meanwhile is nobody's."""
        self.grow({UNATTRIBUTED: sum(joules for _, joules in self.edges)})
        self.begin = None
        self.edges.clear()
        self.pages.clear()


class SplitMeter:
    """Keeps the accounts."""

    def __init__(self) -> None:
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)

    def take_page(
        self,
        server: str,
        monotonic: float,
        intervals: Mapping[str, Interval | None],
        *,
        budget: float | None = None,
    ) -> None:
        """Take in what a page's counters grew by.

        Args:
            server: whose page.
            monotonic: when it was read.
            intervals: of each engine on it, what happened since the page before; None at an engine's first.
            budget: the most tokens of a step (``max_num_batched_tokens``), where it is known.
        """
        account = self._accounts[server]
        before, account.page_time = account.page_time, monotonic
        account.budget = budget
        work = {engine: None if one is None else work_of(one) for engine, one in intervals.items()}
        known = {engine: done for engine, done in work.items() if done is not None}
        seconds = 0.0 if before is None else monotonic - before
        if len(known) < len(work) or not 0 < seconds <= MOST_PAGE_SECONDS:
            account.stop()
            return
        if account.begin is None:
            return  # no energy, no window
        account.pages.append(_Page(monotonic, seconds, known))
        self._close(account)
        if monotonic - account.begin > MOST_WINDOW_SECONDS:
            account.stop()

    def restart(self, server: str) -> None:
        """Forget what was learned of a server: its process is new, and perhaps its model."""
        account = self._accounts[server]
        account.stop()
        account.split = PhaseSplit()

    def take_energy(self, server: str, monotonic: float, joules: float | None) -> None:
        """Take in the joules of a server's GPUs since the reading before; None where they are not known.

        No joules are no news: no board draws nothing, so its counter has not been updated yet.
        """
        account = self._accounts[server]
        account.measured = joules is not None
        if joules is None:
            account.stop()
        elif joules > 0 and account.begin is None:
            # The first joules are of a time whose beginning is not known.
            account.grow({UNATTRIBUTED: joules})
            account.begin = monotonic
        elif joules > 0:
            account.edges.append((monotonic, joules))
            self._close(account)
            if account.edges and monotonic - account.edges[0][0] > MOST_WINDOW_SECONDS:
                account.stop()

    def drain(self, server: str) -> EnergySplit | None:
        """Return what is known, and the joules since the last call; None while the server's energy is not known."""
        account = self._accounts.get(server)
        if account is None or not account.measured or not account.joules:
            return None
        grown, account.joules = account.joules, dict.fromkeys(account.joules, 0.0)
        return EnergySplit(account.split.fit, account.split.silent, grown)

    @staticmethod
    def _close(account: _Account) -> None:
        """Close every window that energy and work now reach over."""
        while (end := _end(account)) is not None:
            assert account.begin is not None
            joules = 0.0
            while account.edges and account.edges[0][0] <= end:
                joules += account.edges.popleft()[1]
            done = _work_until(account.pages, account.begin, end)
            span = _span(done, end, end - account.begin, joules, account.budget)
            account.begin = end
            account.grow(account.split.take(span) if done is not None else {UNATTRIBUTED: joules})


def work_of(interval: Interval) -> Work | None:
    """Return the work between two pages; None where the page does not tell what it takes.

    The cache in use is the mean of its gauge at both ends.
    """
    done = counted(interval, computed=computed_prompt_tokens(interval))
    gaps = interval.histograms.get("inter_token")
    before, after = (gauges.get("kv_cache_usage") for gauges in (interval.gauges_before, interval.gauges_after))
    if done is None or gaps is None or before is None or after is None:
        return None
    cache_steps = (before + after) / 2 * done.steps
    return Work(done.prompts, done.computed, done.decoded, done.steps, max(0.0, gaps.sum), cache_steps)


def _end(account: _Account) -> float | None:
    """Return where the window ends: at the first reading of the energy that is late enough and that pages reach."""
    if account.begin is None or not account.pages:
        return None
    longest = max(page.seconds for page in account.pages)
    late = account.begin + max(WINDOW_SECONDS, PAGES_PER_WINDOW * longest)
    # A reading a little early is better than one window in two that is a reading longer.
    times = (time for time, _ in account.edges if time >= late - 0.25)
    end = next(times, None)
    return end if end is not None and end <= account.pages[-1].time else None


def _work_until(pages: deque[_Page], begin: float, end: float) -> dict[str, Work] | None:
    """Return each engine's work of a window, None where pages do not cover it; forget pages that no later one needs."""
    covered = pages[0].time - pages[0].seconds <= begin
    done: dict[str, Work] = {}
    for page in pages:
        overlap = min(page.time, end) - max(page.time - page.seconds, begin)
        if overlap > 0:
            for engine, work in page.work.items():
                done[engine] = done.get(engine, Work()).plus(work, overlap / page.seconds)
    while pages and pages[0].time <= end:
        pages.popleft()
    return done if covered else None


def _span(done: Mapping[str, Work] | None, end: float, seconds: float, joules: float, budget: float | None) -> Span:
    """Return the window of all engines together."""
    prefill_steps = decode_steps = 0.0
    works: Iterable[Work] = (done or {}).values()
    total = Work()
    for work in works:
        total = total.plus(work)
        of_prefill, of_decode = steps_by_phase(work, seconds, budget)
        prefill_steps += of_prefill
        decode_steps += of_decode
    return Span(end, seconds, joules, total.computed, total.decoded, prefill_steps, decode_steps, total.cache_steps)


def steps_by_phase(work: Work, seconds: float, budget: float | None) -> tuple[float, float]:
    """Return the steps of prefill and of decode, those with both shared by tokens, as ``model.moved`` shares weights.

    >>> steps_by_phase(Work(prompts=1, computed=90, decoded=9, steps=10, gaps=0.9), 10.0, None)
    (1.0, 9.0)
    """
    kinds = kinds_of_steps(
        Counted(work.prompts, work.computed, 0.0, work.decoded, work.prompts + work.decoded, work.steps),
        work.gaps / seconds,
        budget,
    )
    prompt = _each(work.computed, kinds.prefill + kinds.mixed)
    decode = _each(work.decoded, kinds.decode + kinds.mixed)
    share = prompt / (prompt + decode) if prompt + decode > 0 else 0.0
    return kinds.prefill + share * kinds.mixed, kinds.decode + (1 - share) * kinds.mixed


def _each(tokens: float, steps: float) -> float:
    return tokens / steps if steps > 0 else 0.0
