"""The state about requests between readings: the ledger of records, arrivals, and what capacity is learnt from them.

A part of the meter with the same rule: readings come in by ``take_*``, nothing here waits, reads a clock or does I/O.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from pentameter.arrivals import Arrivals
from pentameter.attribution import NotYetError, Place, Servers, UnattributedError
from pentameter.capacity_meter import CapacityMeter
from pentameter.dimensions.attainment import is_covered
from pentameter.ledger import Ledger
from pentameter.windows import Continuity, Track
from pentameter.world import Rolled, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pentameter.readings import EngineReading, VllmReading
    from pentameter.records import EngineConfig, FinishedRequest, RecordsReading
    from pentameter.slo import Slo
    from pentameter.windows import Window
    from pentameter.world import CapacityOf

REJECTIONS, ANSWERS = "admission_rejections", "answers"

COVERAGE_SECONDS = 300.0
"""Long enough for the seconds that spans lag behind not to matter."""


def _total(reading: VllmReading, concept: str) -> float | None:
    """Return a server's counter summed over its labels, or None where it is not on the page."""
    parts = [value for key, value in reading.server_counters.items() if key.partition("/")[0] == concept]
    return sum(parts) if parts else None


class _Flow:
    """Arrivals, aborts and rejections of one engine, with their windows."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self.arrivals = Arrivals()
        self.rejected = 0.0
        self.track = Track(windows)
        self._aborted_before = 0.0

    def observe(self, time: float, reading: EngineReading, continuity: Continuity, answers: float | None) -> float:
        """Take in a page; return the aborts that it betrays."""
        self.arrivals.observe(time, reading, continuity, answers)
        arrivals = self.arrivals
        totals = {
            "arrived": arrivals.arrived,
            "aborted": arrivals.aborted,
            "ended": arrivals.ended,
            "rejected": self.rejected,
        }
        self.track.observe(time, totals, {}, Continuity.SAME)
        aborted, self._aborted_before = arrivals.aborted - self._aborted_before, arrivals.aborted
        return aborted


class RequestMeter:
    """Keeps the accounts of requests."""

    def __init__(
        self,
        windows: Sequence[Window],
        servers: Sequence[str],
        slos: Sequence[Slo],
        on_finished: Callable[[Place, FinishedRequest], None] | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self.slos = tuple(slos)
        self.capacity = CapacityMeter(self.slos)
        self.ledger = Ledger(self._windows, self.slos, self.capacity.take_judged, on_finished)
        self._engines: dict[str, tuple[tuple[str, str], ...]] = dict.fromkeys(servers, ())
        self._flows: defaultdict[Place, _Flow] = defaultdict(partial(_Flow, self._windows))
        self._rejections: dict[str, float] = {}
        long = [window for window in windows if window.seconds >= COVERAGE_SECONDS]
        self._coverage_window = (
            min(long, key=lambda window: window.seconds) if long else max(windows, key=lambda window: window.seconds)
        )
        self._up: set[str] = set()
        self._counts: dict[str, dict[str, float]] = {}

    def take_vllm(self, reading: VllmReading, continuity: Continuity, *, restarted: bool) -> None:
        """Take in a page: who is there, what arrived, what was given up or turned away."""
        server = reading.server
        here = tuple((engine.model_name, engine.engine) for engine in reading.engines)
        self._engines[server] = here
        rejected = self._rejected(reading, continuity)
        # Of the whole server: with several engines nobody knows whose they were.
        answers = _total(reading, ANSWERS) if len(here) == 1 else None
        for engine in reading.engines:
            place = Place(server, engine.model_name, engine.engine)
            flow = self._flows[place]
            if len(here) == 1:
                # The front end counts rejections and knows no engine: with several, whose they were is unknown.
                flow.rejected += rejected
            aborted = flow.observe(reading.monotonic, engine, continuity, answers)
            self._enter_unseen(self._recorded_place(place), aborted, rejected if len(here) == 1 else 0.0)
        self.capacity.take_page(reading, restarted=restarted or continuity is Continuity.FOREIGN)

    def _rejected(self, reading: VllmReading, continuity: Continuity) -> float:
        total = _total(reading, REJECTIONS) or 0.0
        before = self._rejections.get(reading.server)
        self._rejections[reading.server] = total
        if before is None or continuity is Continuity.FOREIGN:
            return 0.0
        if continuity is Continuity.RESTARTED or (continuity is Continuity.UNKNOWN and total < before):
            return total
        return max(0.0, total - before)

    def _recorded_place(self, place: Place) -> Place:
        """Return where the records of an engine are kept: under the whole server where they do not name the engine."""
        whole = Place(place.server, place.model_name, "")
        return place if place in self.ledger.heard or whole not in self.ledger.heard else whole

    def _enter_unseen(self, place: Place, aborted: float, rejected: float) -> None:
        book = self.ledger.books.get(place)
        if book is None or place not in self.ledger.heard:
            return
        if aborted:
            book.add_unseen(aborted, aborted=True)
        if rejected:
            book.add_unseen(rejected, aborted=False)

    def engines(self, server: str) -> tuple[tuple[str, str], ...]:
        """Return (model_name, engine) of each engine that a server's last page showed."""
        return self._engines[server]

    def server_of(self, sender: str, model_name: str) -> str:
        """Return the server that a plugin speaks for; empty where nobody knows."""
        try:
            return Servers(self._engines).place(sender, model_name, "0").server
        except (NotYetError, UnattributedError):
            return ""

    def config(self, place: Place) -> EngineConfig | None:
        """Return what the plugin says of an engine, if it has spoken."""
        return self.ledger.configs.get(place) or self.ledger.configs.get(place._replace(engine=""))

    def covers(self, place: Place) -> bool:
        """Say whether the records of an engine come now and are all there are."""
        sources = self.ledger.heard.get(place)
        return sources is not None and bool(sources & self._up) and self._is_covered(place)

    def has_records(self, server: str, model_name: str) -> bool:
        """Say whether any source has ever spoken of a model of a server."""
        return any(place[:2] == (server, model_name) for place in self.ledger.heard)

    def take_records(self, source: str, reading: RecordsReading) -> None:
        """Take in what a source of records received."""
        self._counts[source] = dict(reading.counts)
        self.ledger.take(source, reading, Servers(self._engines))

    def take_state(self, source: str, *, up: bool) -> None:
        """Note whether a source of records is there."""
        if up:
            self._up.add(source)
        else:
            self._up.discard(source)

    def observe(self, now: float, wall: float) -> None:
        """Let every window take note of this moment."""
        places = [Place(server, *engine) for server, here in self._engines.items() for engine in here]
        self.ledger.observe(now, places, self._ended)
        recorded = [place for place, sources in self.ledger.heard.items() if sources & self._up]
        whole = [place for place in recorded if self._is_covered(place)]
        self.capacity.observe(now, wall, whole, self.ledger.configs)

    def _is_covered(self, place: Place) -> bool:
        """Say whether the records of a place are all there are: else the rate of requests would be read too low."""
        window = self._coverage_window
        book = self.ledger.books.get(place)
        if book is None:
            # Its plugin has said hello, and no page has shown it yet.
            return False
        own = book.track.interval(window)
        return own is None or is_covered(own.delta("finished") or 0.0, own.delta("ended"))

    def _ended(self, place: Place) -> float | None:
        """Return the requests that vLLM has counted as finished at a place; None while its page does not tell."""
        flows = [flow for key, flow in self._flows.items() if key[:2] == place[:2] and place.engine in ("", key.engine)]
        if not flows or any(flow.arrivals.stalled_seconds() is None for flow in flows):
            return None
        return sum(flow.arrivals.ended for flow in flows)

    def served(self, now: float) -> Iterator[Served]:
        """Yield what records say, of the engines whose source of records is there."""
        for place, sources in self.ledger.heard.items():
            book = self.ledger.books.get(place)
            if book is None or not sources & self._up:
                continue
            yield Served(
                *place,
                rolled=Rolled.of(book.track, self._windows),
                latencies=tuple(book.latencies(now)),
                histograms=book.histograms(),
                scores=book.scores(),
                unjudged=book.unjudged(),
            )

    def flow(self, server: str, engine: EngineReading) -> tuple[Rolled, float | None]:
        """Return arrivals and aborts of an engine, and for how long it has been stalled."""
        flow = self._flows[Place(server, engine.model_name, engine.engine)]
        return Rolled.of(flow.track, self._windows), flow.arrivals.stalled_seconds()

    def capacities(self) -> Iterator[CapacityOf]:
        """Yield what is known of every SLO's goodput capacity."""
        return self.capacity.known()

    def serving_gpus(self, server: str) -> int | None:
        """Return the GPUs that vLLM's own parallelism makes of a server; None where no plugin says it."""
        configs = [config for place, config in self.ledger.configs.items() if place.server == server]
        sizes = {config.facts.get("world_size_across_dp") or config.facts.get("world_size") for config in configs}
        size = sizes.pop() if len(sizes) == 1 else None
        return size if isinstance(size, int) and size > 0 else None

    def outcomes(self) -> Iterator[tuple[str, str, float]]:
        """Yield (source, outcome, records) of every source's receiver and of the ledger."""
        for source, counts in self._counts.items():
            for outcome, count in counts.items():
                yield source, outcome, count
        for (source, outcome), count in self.ledger.outcomes.items():
            yield source, outcome, float(count)

    def forget(self, place: Place) -> None:
        """Drop an engine that left long ago."""
        self._flows.pop(place, None)
        self.ledger.forget(place)
