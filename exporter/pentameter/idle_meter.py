"""What a server was doing while energy was used: serving, idling, sleeping, or nobody knows.

vLLM's pages tell what went on between two of them, the energy comes between two other moments. Of the seconds that the
pages tell about since energy was last divided, each state has a share, and takes that share of the joules. With pages
and energy once a second, this is wrong by a second at most when the state changes; where energy comes in larger pieces
(a dcgm-exporter collects every 30 seconds), a piece in which the server worked for half of the time is halved.

Pure: time is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pentameter.windows import Continuity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.readings import EngineReading, VllmReading

State = Literal["active", "idle", "asleep", "unobserved"]

STATES: tuple[State, ...] = ("active", "idle", "asleep", "unobserved")
"""A request ran or tokens were made; none ran; vLLM was put to sleep; no page told."""

TOKENS = ("prompt_tokens", "generation_tokens")
AWAKE = "sleep_state/awake"


class IdleMeter:
    """Follows one server."""

    def __init__(self) -> None:
        self._last: VllmReading | None = None
        self._state: State = "unobserved"
        self._seconds: dict[str, dict[str, float]] = {"energy": {}, "time": {}}

    def take(self, reading: VllmReading, continuity: Continuity) -> None:
        """Take in a page; what was going on since the page before is judged by both."""
        last, self._last = self._last, reading
        if last is None or continuity is Continuity.FOREIGN:
            self._state = "unobserved"
            return
        if reading.monotonic <= last.monotonic:
            return
        self._state = _between(last, reading)
        for seconds in self._seconds.values():
            seconds[self._state] = seconds.get(self._state, 0.0) + reading.monotonic - last.monotonic

    def lose(self) -> None:
        """Note that the server does not answer: until it does, nobody knows what goes on.

        The page after the outage tells of all of it, if it is of the same process: its counters did not stand still.
        """
        self._state = "unobserved"

    def shares(self, drain: Literal["energy", "time"] = "energy") -> Mapping[str, float]:
        """Return the share of each state since the last call for the same drain; they add up to 1.

        Without a page since then what the last one told goes on.
        """
        seconds, self._seconds[drain] = self._seconds[drain], {}
        total = sum(seconds.values())
        if total <= 0:
            return {self._state: 1.0}
        return {state: part / total for state, part in seconds.items()}


def _between(before: VllmReading, after: VllmReading) -> State:
    """Judge the time between two pages of a server; all of its engines share its GPUs."""
    pairs = _pairs(before, after)
    states = [_engine_between(*pair) for pair in pairs]
    if not states:
        return "unobserved"
    for state in ("active", "unobserved", "idle"):
        # One engine at work makes the server work; one that nobody knows may be at work.
        if state in states:
            return state
    return "asleep"


def _pairs(before: VllmReading, after: VllmReading) -> list[tuple[EngineReading | None, EngineReading]]:
    known = {(engine.model_name, engine.engine): engine for engine in before.engines}
    return [(known.get((engine.model_name, engine.engine)), engine) for engine in after.engines]


def _engine_between(before: EngineReading | None, after: EngineReading) -> State:
    """Judge one engine: asleep at both ends, idle if no request ran at either and no token was made in between.

    A request so short that it ran at neither end has made tokens. A counter that fell is one of a new process: it began
    at nothing.
    """
    running = [engine.gauges.get("running") if engine else None for engine in (before, after)]
    if any(running):
        return "active"
    made = [_made(before, after, concept) for concept in TOKENS]
    if before is None or None in running or None in made:
        return "unobserved"
    if any(made):
        return "active"
    if before.gauges.get(AWAKE) == 0 and after.gauges.get(AWAKE) == 0:
        return "asleep"
    return "idle"


def _made(before: EngineReading | None, after: EngineReading, concept: str) -> float | None:
    """Return the tokens made in between, at least; None where a page does not count them."""
    old, new = before.counters.get(concept) if before else None, after.counters.get(concept)
    if old is None or new is None:
        return None
    return new - old if new >= old else new
