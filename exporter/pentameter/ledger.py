"""The account of all finished requests: whose they are, that each counts once, and what the SLOs say of them."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from pentameter.attribution import NotYetError, Place, UnattributedError
from pentameter.duplicates import Duplicates
from pentameter.request_book import RequestBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pentameter.attribution import Servers
    from pentameter.records import EngineConfig, FinishedRequest, IterationFacts, RecordsReading
    from pentameter.slo import Judgement, Slo
    from pentameter.windows import Window

PENDING = 4096
"""Records that wait for their server's first page; beyond it the oldest are given up."""


class Judged(NamedTuple):
    """A request with its verdict, as the estimate of capacity needs it."""

    place: Place
    slo: Slo
    judgement: Judgement
    arrival: float
    """On the exporter's monotonic clock."""
    output_tokens: int
    prompt_tokens: int = 0


class Ledger:
    """Takes records in, keeps a book per engine."""

    def __init__(
        self,
        windows: Sequence[Window],
        slos: Sequence[Slo],
        on_judged: Callable[[Judged], None],
        on_finished: Callable[[Place, FinishedRequest], None] | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self._slos = tuple(slos)
        self._on_judged = on_judged
        self._on_finished = on_finished
        self._duplicates: dict[str, Duplicates] = {}
        self._pending: deque[tuple[FinishedRequest, float]] = deque(maxlen=PENDING)
        self._since: float | None = None
        self.books: dict[Place, RequestBook] = {}
        self.heard: dict[Place, set[str]] = {}
        """Which sources have spoken of an engine."""
        self.configs: dict[Place, EngineConfig] = {}
        self.iterations: dict[Place, IterationFacts] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """(source, outcome) -> records, of the outcomes decided here: counted, duplicate, unattributed."""

    def take(self, source: str, reading: RecordsReading, servers: Servers) -> None:
        """Take in what a source received."""
        self._begin(reading.monotonic)
        for config in reading.configs:
            place = self._place(config, servers)
            if place is not None:
                self.configs[place] = config
                self._note(place, source)
        for facts in reading.iterations:
            place = self._place(facts, servers)
            if place is not None:
                book = self._book(place)
                book.add_gaps(facts, reading.monotonic)
                book.add_steps(facts, self._limit(place, "max_num_batched_tokens"), self._lanes(place))
                book.add_adapters(facts)
                self.iterations[place] = facts
                self._note(place, source)
        ahead = reading.monotonic - reading.wall
        waiting, self._pending = self._pending, deque(maxlen=PENDING)
        for request, arrival in waiting:
            self._enter(request, arrival, reading.monotonic, servers)
        for request in reading.requests:
            # A sender's clock may be ahead of ours; nothing arrives after it has ended.
            arrival = min(request.arrival_wall + ahead, reading.monotonic)
            self._enter(request, arrival, reading.monotonic, servers)

    def observe(self, now: float, places: Iterable[Place], ended: Callable[[Place], float | None]) -> None:
        """Let the windows take note of this moment; open a book for every engine on the pages.

        ``ended`` says how many requests vLLM itself has counted as finished at a place, if it says so.
        """
        self._begin(now)
        for place in places:
            self._book(place)
        for place, book in self.books.items():
            total = ended(place)
            if total is not None:
                book.note_ended(total)
            book.observe(now)

    def forget(self, place: Place) -> None:
        """Close the book of an engine that has gone."""
        for kept in (self.books, self.heard, self.configs, self.iterations):
            kept.pop(place, None)

    def _begin(self, now: float) -> None:
        """Windows begin with the daemon: from then on, no record means no request."""
        if self._since is None:
            self._since = now

    def _enter(self, request: FinishedRequest, arrival: float, now: float, servers: Servers) -> None:
        try:
            place = servers.place(request.sender, request.model_name, request.engine)
        except NotYetError:
            if len(self._pending) == PENDING:
                self.outcomes[self._pending[0][0].origin, "unattributed"] += 1
            self._pending.append((request, arrival))
            return
        except UnattributedError:
            self.outcomes[request.origin, "unattributed"] += 1
            return
        duplicates = self._duplicates.setdefault(place.server, Duplicates())
        if not duplicates.is_new(request, now):
            self.outcomes[request.origin, "duplicate"] += 1
            return
        self.outcomes[request.origin, "counted"] += 1
        self._note(place, request.origin)
        if self._on_finished is not None:
            self._on_finished(place, request)
        for slo, judgement in self._book(place).add(request, now):
            self._on_judged(Judged(place, slo, judgement, arrival, request.output_tokens, request.prompt_tokens))

    def _book(self, place: Place) -> RequestBook:
        book = self.books.get(place)
        if book is None:
            assert self._since is not None
            slos = [slo for slo in self._slos if slo.is_for(place.model_name)]
            book = self.books[place] = RequestBook(self._windows, slos, self._since)
        return book

    def _limit(self, place: Place, name: str) -> int | None:
        """Return a number of an engine's configuration, above 0."""
        config = self.configs.get(place)
        value = None if config is None else config.facts.get(name)
        return value if type(value) is int and value > 0 else None

    def _lanes(self, place: Place) -> int:
        return self._limit(place, "pipeline_parallel_size") or 1

    def _note(self, place: Place, source: str) -> None:
        self.heard.setdefault(place, set()).add(source)

    def _place(self, facts: EngineConfig | IterationFacts, servers: Servers) -> Place | None:
        try:
            return servers.place(facts.sender, facts.model_name, facts.engine)
        except (NotYetError, UnattributedError):
            return None
