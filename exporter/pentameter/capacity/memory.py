"""Some days of load windows of one (server, model, SLO), on the wall clock so that they outlive a restart."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from pentameter.capacity.change import recent_if_refuted, recent_if_slower
from pentameter.capacity.estimate import Capacity, Limits, estimate, is_usable
from pentameter.capacity.load import LoadWindow
from pentameter.capacity.mix import similarity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_WINDOWS = 5000
"""Three and a half days of the shortest windows."""
LONGEST_MEMORY = 7 * 86_400.0
HALF_LIFE = 86_400.0
"""Seconds in which a window's weight fades by half: traffic and its mix change from day to day."""
SKEW = 3600.0
"""A window from further in the future shows that the wall clock was wrong; it is dropped."""
MOST_OBJECTIVES = 8
HIGHEST = 1e15
"""No figure of a window is larger; NaN and infinity are not below it."""

_INTEGERS = ("arrivals", "judged", "good", "undecided", "finished")
_OPTIONAL = ("severity", "waiting_at_start", "running_peak", "running_mean", "kv_peak", "kv_mean", "dispersion")
_COLUMNS = ("start", "seconds", *_INTEGERS, *_OPTIONAL, "output_tokens", "prompt_tokens")


def fingerprint(facts: Mapping[str, object]) -> str:
    """Return a short text that changes when any fact does: what was learnt holds for one configuration only."""
    text = "\n".join(f"{key}={facts[key]!r}" for key in sorted(facts))
    return sha256(text.encode()).hexdigest()[:16]


class CapacityBook:
    """Remembers load windows and estimates from them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._fingerprint = ""
        self._windows: deque[LoadWindow] = deque(maxlen=MOST_WINDOWS)
        self.slowdowns = 0
        """How often everything but the last hour was forgotten because the server had become slower."""

    @property
    def windows(self) -> tuple[LoadWindow, ...]:
        """Return what is remembered, oldest first; ``start`` is wall time."""
        return tuple(self._windows)

    def configure(self, found: str) -> bool:
        """Take the fingerprint of the present configuration; forget everything and return True if it is another one.

        An empty one means that it is not known now, and changes nothing.
        """
        if not found or found == self._fingerprint:
            return False
        changed = self._fingerprint != ""
        if changed:
            self._windows.clear()
        self._fingerprint = found
        return changed

    def add(self, windows: Iterable[LoadWindow], *, monotonic: float, wall: float) -> None:
        """Remember windows whose ``start`` is monotonic; the two clocks are read at the same moment."""
        for window in windows:
            self._windows.append(replace(window, start=window.start - monotonic + wall))

    def estimate(self, wall: float) -> Capacity:
        """Return the capacity as of now, for the present mix of lengths.

        A window of a day ago weighs half of one of today. Where the last hour was slower than all before at the same
        rate, everything before is forgotten.
        """
        while self._windows and self._windows[0].start < wall - LONGEST_MEMORY:
            self._windows.popleft()
        windows = [window for window in self._windows if window.start <= wall + SKEW]
        alike = similarity(windows)
        usable = [like * is_usable(window, self.limits) for like, window in zip(alike, windows, strict=True)]
        recent = recent_if_slower(windows, usable)
        if recent is None:
            ages = [max(0.0, wall - window.start) for window in windows]
            weights = [like * 0.5 ** (age / HALF_LIFE) for like, age in zip(alike, ages, strict=True)]
            said = estimate(windows, weights, self.limits)
            recent = recent_if_refuted(windows, said.lower, self.limits)
            if recent is None or len(recent) == len(windows):
                return said  # where there is nothing older to forget, forgetting would not end
        self._windows = deque(recent, maxlen=MOST_WINDOWS)
        self.slowdowns += 1
        return self.estimate(wall)

    # ------------------------------------------------------------------ over a restart

    def to_state(self) -> dict[str, Any]:
        """Return everything that is learnt, as JSON can hold it."""
        objectives = sorted({objective for window in self._windows for objective in window.margins})[:MOST_OBJECTIVES]
        rows = [
            [
                *(_short(getattr(window, column)) for column in _COLUMNS),
                *(_short(window.margins.get(objective)) for objective in objectives),
            ]
            for window in self._windows
        ]
        return {
            "fingerprint": self._fingerprint,
            "target": self.limits.target,
            "columns": [*_COLUMNS, *objectives],
            "windows": rows,
        }

    @classmethod
    def from_state(cls, state: object, limits: Limits) -> CapacityBook:
        """Return the book that ``to_state`` described; raises ``ValueError`` for anything else.

        The quantiles are those of one target: what was learnt for another one is not taken over.
        """
        book = cls(limits)
        if not isinstance(state, dict):
            _refuse("not an object")
        mark, columns, rows = state.get("fingerprint"), state.get("columns"), state.get("windows")
        if not isinstance(mark, str) or not isinstance(columns, list) or not isinstance(rows, list):
            _refuse("fingerprint, columns or windows is missing or of another kind")
        names = columns[len(_COLUMNS) :]
        if tuple(columns[: len(_COLUMNS)]) != _COLUMNS or len(names) > MOST_OBJECTIVES:
            _refuse("other columns")
        if not all(isinstance(name, str) and 0 < len(name) <= 64 for name in names) or len(set(names)) < len(names):
            _refuse("an objective is not a name")
        if len(rows) > MOST_WINDOWS:
            _refuse(f"{len(rows)} windows")
        windows = sorted((_window(row, names) for row in rows), key=lambda window: window.start)
        if state.get("target") == limits.target:
            book._fingerprint = mark
            book._windows.extend(windows)
        return book


def _short(value: float | None) -> float | None:
    """Round to what the file needs: six digits, but whole milliseconds of a time."""
    if value is None or isinstance(value, int):
        return value
    return round(value, 3) if abs(value) >= 1e6 else float(f"{value:.6g}")


def _refuse(why: str) -> NoReturn:
    raise ValueError(f"no state of a goodput capacity: {why}")


def _window(row: object, objectives: list[str]) -> LoadWindow:
    """Return one window of a state; raises ``ValueError`` for one that cannot have been."""
    if not isinstance(row, list) or len(row) != len(_COLUMNS) + len(objectives):
        _refuse("a window of another length")
    values = dict(zip(_COLUMNS, row, strict=False))
    for column, value in values.items():
        _check(column, value)
    margins = {}
    for objective, value in zip(objectives, row[len(_COLUMNS) :], strict=True):
        _check("severity", value)
        if value is not None:
            margins[objective] = float(value)
    window = LoadWindow(**values, margins=margins)
    if window.seconds <= 0 or not 0 <= window.good <= window.judged <= window.arrivals:
        _refuse("a window that cannot have been")
    return window


def _check(column: str, value: object) -> None:
    if value is None and column in _OPTIONAL:
        return
    wanted = int if column in _INTEGERS else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted) or not 0 <= value <= HIGHEST:
        _refuse(f"{column} is {value!r:.40}")
    if column == "severity" and value == 0:
        _refuse("a severity of 0")
