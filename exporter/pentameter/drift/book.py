"""The drift of one server and model: hours against hours, and each figure against its past at the same load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pentameter.drift import causes
from pentameter.drift.hours import Hours
from pentameter.drift.loads import Comparison, LoadTable
from pentameter.drift.tally import Tally, refuse
from pentameter.units import MILLION

if TYPE_CHECKING:
    from collections.abc import Mapping

PERIOD_SECONDS = 300.0
"""Of time together, what the server was doing included: long enough for a mean, short enough for the load to stay."""
FEWEST_TOKENS = 1000.0
"""Of a period: fewer speak for single requests."""
COST, ENERGY, TPOT = "cost_per_token", "energy_per_token", "tpot"
AT_CAPACITY = "at_capacity/"
"""Prefix of the tables of the cost at goodput capacity, one per SLO; there the load is always the capacity."""
SPANS = (("1h", 1, "1d", 24), ("1d", 24, "7d", 168))
"""(window, its hours, since, hours ago)."""
MOST_TABLES = 40

_FIGURES = (("cost", causes.cost), ("energy", causes.energy), ("carbon", causes.carbon))


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """What is configured."""

    horizon_days: int = 21
    match_ratio: float = 0.12


@dataclass(frozen=True, slots=True)
class Cause:
    """One ratio of a decomposition."""

    figure: str
    """``cost``, ``energy``, ``carbon``: per generated token."""
    window: str
    since: str
    cause: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Matched:
    """One comparison at the same load."""

    quantity: str
    against: str
    """``rolling`` or ``pinned``."""
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Drift:
    """What is known of the drift at one moment."""

    causes: tuple[Cause, ...] = ()
    matched: tuple[Matched, ...] = ()
    days: Mapping[str, int] = field(default_factory=dict)
    """Quantity -> days that its table remembers."""


class DriftBook:
    """Takes in what a server did, step by step; ``clock`` must not run backwards."""

    def __init__(self, plan: DriftPlan | None = None) -> None:
        self._plan = plan or DriftPlan()
        self._hours = Hours()
        self._period = Tally()
        self._tables: dict[str, LoadTable] = {}
        self._baseline: DriftBook | None = None
        self._causes: tuple[Cause, ...] = ()
        self._known: Drift | None = None

    def add(self, clock: float, step: Tally, at_capacity: Mapping[str, float] | None = None) -> None:
        """Take in what happened up to a moment, and dollars per million tokens at the capacity of each SLO now."""
        # Also where no time is counted yet: after a restart the causes of an hour long ago must not pass for the last.
        if self._hours.add(clock, step):
            self._causes = tuple(self._compare())
            self._known = None
        self._period.add(step)
        if self._period.seconds >= PERIOD_SECONDS:
            period, self._period = self._period, Tally()
            self._learn(clock, period)
            for slo, dollars in (at_capacity or {}).items():
                self._enter(clock, AT_CAPACITY + slo, 1.0, dollars)
            self._known = None

    def drift(self, clock: float) -> Drift:
        """Return what is known; it changes when a period or an hour has ended."""
        if self._known is None:
            self._known = Drift(
                self._causes,
                tuple(matched for name in self._tables for matched in self._matched(name, clock)),
                {name: table.days for name, table in self._tables.items()},
            )
        return self._known

    def pin(self, baseline: DriftBook) -> None:
        """Hold all that follows against another book too."""
        self._baseline = baseline
        for name, table in self._tables.items():
            self._pin(name, table)
        self._known = None

    def table(self, quantity: str) -> LoadTable | None:
        """Return the table of a quantity, if it has one."""
        return self._tables.get(quantity)

    # ------------------------------------------------------------------ inside

    def _compare(self) -> list[Cause]:
        found = []
        for window, hours, since, ago in SPANS:
            now, then = self._hours.span(hours), self._hours.span(hours, ago)
            if now is not None and then is not None:
                for figure, ratios in _FIGURES:
                    found += [Cause(figure, window, since, *pair) for pair in ratios(then, now).items()]
        return found

    def _learn(self, clock: float, period: Tally) -> None:
        tokens, dollars, joules = period.rate("tokens"), period.rate("dollars"), period.rate("joules/gpu")
        if tokens is not None and tokens * period.seconds >= FEWEST_TOKENS:
            if dollars is not None:
                self._enter(clock, COST, tokens, dollars / tokens * MILLION)
            if joules is not None:
                self._enter(clock, ENERGY, tokens, joules / tokens)
        self._learn_tpot(clock, period)

    def _learn_tpot(self, clock: float, period: Tally) -> None:
        active, running = period.rate("active"), period.rate("running")
        decode, decoded = period.rate("decode"), period.rate("decoded")
        if active is None or running is None or decode is None or decoded is None:
            return
        if decoded * period.seconds >= FEWEST_TOKENS:
            self._enter(clock, TPOT, running / active, decode / decoded)

    def _enter(self, clock: float, quantity: str, load: float, value: float) -> None:
        table = self._tables.get(quantity)
        if table is None:
            if len(self._tables) >= MOST_TABLES:
                return
            table = self._tables[quantity] = self._table()
            self._pin(quantity, table)
        if value > 0:
            table.add(clock, load, value)

    def _table(self) -> LoadTable:
        return LoadTable(self._plan.horizon_days, self._plan.match_ratio)

    def _pin(self, quantity: str, table: LoadTable) -> None:
        pinned = None if self._baseline is None else self._baseline.table(quantity)
        if pinned is not None:
            table.pin(pinned)

    def _matched(self, name: str, clock: float) -> list[Matched]:
        table = self._tables[name]
        found = [Matched(name, "rolling", table.rolling(clock))]
        pinned = table.pinned(clock)
        return found if pinned is None else [*found, Matched(name, "pinned", pinned)]

    # ------------------------------------------------------------------ on disk

    def to_state(self) -> dict[str, Any]:
        """Return what is remembered, as JSON can hold it; a period that has not ended is left out."""
        return {
            "hours": self._hours.to_state(),
            "tables": {name: table.to_state() for name, table in self._tables.items()},
        }

    @classmethod
    def from_state(cls, state: object, plan: DriftPlan | None = None) -> DriftBook:
        """Return the book of a state; raises ``ValueError`` for what ``to_state`` has not written."""
        book = cls(plan)
        book._hours = Hours.from_state(state)
        tables = state.get("tables") if isinstance(state, dict) else None
        if not isinstance(tables, dict) or len(tables) > MOST_TABLES:
            refuse("no tables")
        for name, content in tables.items():
            table = book._tables[str(name)] = book._table()
            table.restore(content)
        book._causes = tuple(book._compare())
        return book
