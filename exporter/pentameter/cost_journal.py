"""What every server cost, did and used, hour by hour: the counters' own increments, laid into hours of the wall clock.

The amounts are those that the counters grow by, so that the hours add up to the counters. Only the choice of the hour
depends on the wall clock: a step of it makes an hour longer or shorter, never an amount negative or counted twice. What
becomes known late (energy after a gap, time before the number of GPUs was known) is booked in the hour in which it
became known, as in the counters.

Pure: time is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pentameter.cost_hours import Account, Entry, entry_from_state, entry_to_state, order
from pentameter.cost_meter import WARMUP
from pentameter.dimensions import carbon, economics, energy
from pentameter.idle_meter import STATES
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pentameter.metric import Sample
    from pentameter.windows import Interval
    from pentameter.world import Deployment, World

KEPT_HOURS = 744
"""31 days: the longest month."""
MOST_ENTRIES = 10_000
"""Of all hours together: servers, models and prices that change without end must not fill memory or state file. With
more than 13 servers fewer hours are kept."""

_LAID: dict[str, tuple[str, str]] = {
    **{economics.BY_STATE[state].name: ("dollars", f"/{state}") for state in STATES},
    economics.BY_STATE[WARMUP].name: ("warmup", ""),
    **{energy.BY_STATE[state].name: ("joules", f"/{state}") for state in STATES},
}
"""The counters that are laid into hours: how the key of an increment begins and ends, around its component."""


class CostJournal:
    """Keeps the latest hours."""

    def __init__(self, hours: int = KEPT_HOURS) -> None:
        self._kept = hours
        self._hours: dict[int, dict[Account, dict[str, float]]] = {}
        """In the order in which they were last written to: a clock that was wrong for a moment pushes nothing out."""

    def take(self, world: World, increments: Iterable[Sample], wall: float) -> None:
        """Book what the counters grow by at a snapshot, in the hour of the wall clock."""
        deployments: dict[tuple[str, ...], Deployment] = {one.labels: one for one in world.deployments}
        amounts: dict[tuple[str, ...], dict[str, float]] = {labels: {} for labels in deployments}
        for labels, server in deployments.items():
            _add(amounts[labels], _done(server))
        for sample in increments:
            deployment = deployments.get(sample.labels[:3])
            if deployment is not None:
                _add(amounts[sample.labels[:3]], _laid(sample, deployment))
        start = int(wall // SECONDS_PER_HOUR) * SECONDS_PER_HOUR
        for labels, server in deployments.items():
            if amounts[labels]:
                account = Account(*server.labels, server.cost.quote, server.cost.dollars_per_kwh)
                self._book(start, account, amounts[labels].items())

    def entries(self) -> tuple[Entry, ...]:
        """Return a copy of everything, by hour and server."""
        found = (
            Entry(start, account, dict(amounts))
            for start, accounts in self._hours.items()
            for account, amounts in accounts.items()
        )
        return tuple(sorted(found, key=order))

    def to_state(self) -> dict[str, Any]:
        """Return everything as JSON can hold it; nothing while there is nothing."""
        rows = [entry_to_state(entry) for entry in self.entries()]
        return {"cost_hours": rows} if rows else {}

    def restore(self, state: Mapping[str, object]) -> None:
        """Add what ``to_state`` described, if it is there; raises ``ValueError`` for anything else and adds nothing."""
        rows = state.get("cost_hours", [])
        if not isinstance(rows, list):
            message = "no state of a cost journal: not a list"
            raise ValueError(message)
        for entry in sorted(map(entry_from_state, rows), key=order):
            self._book(entry.start, entry.account, entry.amounts.items())

    def _book(self, start: int, account: Account, amounts: Iterable[tuple[str, float]]) -> None:
        """Add amounts to an hour, which becomes the last one written to; let go of the first where it is too many."""
        hour = self._hours.pop(start, None)
        begins = hour is None
        hour = self._hours[start] = {} if hour is None else hour
        _add(hour.setdefault(account, {}), amounts)
        while begins and len(self._hours) > 1 and self._is_full():
            del self._hours[next(iter(self._hours))]

    def _is_full(self) -> bool:
        return len(self._hours) > self._kept or sum(map(len, self._hours.values())) > MOST_ENTRIES


def _add(amounts: dict[str, float], more: Iterable[tuple[str, float]]) -> None:
    for key, value in more:
        if value:
            amounts[key] = amounts.get(key, 0.0) + value


def _laid(sample: Sample, deployment: Deployment) -> Iterator[tuple[str, float]]:
    """Yield where an increment is booked; that of most counters nowhere."""
    if sample.metric.name == carbon.CARBON.name:
        kind = sample.labels[3]
        for state, share in _shares(deployment, kind).items():
            yield f"grams/{kind}/{state}", sample.value * share
    elif sample.metric.name in _LAID:
        begins, ends = _LAID[sample.metric.name]
        yield f"{begins}/{sample.labels[3]}{ends}", sample.value


def _shares(deployment: Deployment, kind: str) -> Mapping[str, float]:
    """Return the share of each state in grams: operational ones follow the energy, embodied ones the time."""
    if kind == carbon.OPERATIONAL:
        return deployment.energy_shares
    spent = {state: seconds for state, seconds in _seconds(deployment).items() if state in STATES}
    total = sum(spent.values())
    return {state: seconds / total for state, seconds in spent.items()} if total else {"unobserved": 1.0}


def _seconds(deployment: Deployment) -> Mapping[str, float]:
    return deployment.time.tick.deltas if deployment.time.tick else {}


def _done(deployment: Deployment) -> Iterator[tuple[str, float]]:
    """Yield what is no counter of ours: the time that was paid, and what vLLM counted since the last snapshot."""
    for state in STATES:
        seconds = _seconds(deployment).get(state, 0.0)
        yield f"seconds/{state}", seconds
        yield f"gpu_seconds/{state}", seconds * (deployment.gpu_count or 0)
    for engine in deployment.engines:
        if engine.rolled.tick is not None:
            yield from _counted(engine.rolled.tick)


def _counted(tick: Interval) -> Iterator[tuple[str, float]]:
    prompt, hits = tick.delta("prompt_tokens"), tick.delta("prefix_cache_hits")
    computed = tick.delta("prompt_tokens_by_source/local_compute")
    if computed is None and prompt is not None and hits is not None:
        # A prompt's hits may be on an earlier page than the prompt: held at 0 page by page, this would grow too fast.
        computed = prompt - hits
    counts = {"prompt": prompt, "computed": computed, "generated": tick.delta("generation_tokens")}
    for kind, tokens in counts.items():
        yield f"tokens/{kind}", tokens or 0.0
    yield "requests", tick.total("request_success") or 0.0
