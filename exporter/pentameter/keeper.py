"""Keeps what the meter has learnt over a restart, in a small file; trouble with it is shown and ends nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pentameter.snapshot import SourceHealth
from pentameter.sources import SourceError
from pentameter.sources.json_file import read_object
from pentameter.sources.state_file import MOST_BYTES, StateFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.meter import Meter

log = logging.getLogger("pentameter")

SAVE_EVERY_SECONDS = 300.0


class Keeper:
    """Restores at the start, saves every five minutes and at the end."""

    def __init__(self, path: str, meter: Meter) -> None:
        self._file = StateFile(path)
        self._meter = meter
        self._health = SourceHealth("state_file")

    def restore(self) -> None:
        """Take over what was saved; a file with something unusable is set aside, and what it spoilt is learnt anew."""

        def restore() -> None:
            state = self._file.load(time.time())
            if state is None:
                return
            try:
                self._meter.requests.capacity.restore(state)
                self._meter.journal.restore(state)
                if "drift" in state:  # older files have none
                    self._meter.drift.restore(state["drift"], time.time())
            except ValueError as error:
                self._file.set_aside(time.time(), str(error))

        self._attempt(restore)

    def save(self) -> None:
        """Save now."""
        self._attempt(partial(self._file.save, self._state()))

    async def run(self, every: float = SAVE_EVERY_SECONDS) -> None:
        """Save again and again, in a thread: a slow disk must not hold the event loop."""
        while True:
            await asyncio.sleep(every)
            save = partial(self._file.save, self._state())
            self._note(await asyncio.to_thread(_outcome, save))

    def _state(self) -> dict[str, Any]:
        drift = self._meter.drift.to_state()
        learnt = self._meter.requests.capacity.to_state() | self._meter.journal.to_state()
        return {**learnt, **({"drift": drift} if drift else {})}

    def _attempt(self, work: Callable[[], None]) -> None:
        self._note(_outcome(work))

    def _note(self, error: SourceError | None) -> None:
        before = self._health
        if error is None:
            changes: dict[str, Any] = {"last_success": time.time(), "successes": before.successes + 1}
            self._health = replace(before, up=True, reason="", message="", **changes)
        else:
            failures = before.failures + 1
            self._health = replace(before, up=False, reason=error.reason, message=str(error), failures=failures)
            if before.reason != error.reason:
                log.warning("state_file: %s", error)
        self._meter.take_health(self._health)


def pin_baseline(path: str, meter: Meter) -> None:
    """Hold the drift against a copy of a state file; trouble with it is shown, and there is no pinned comparison."""

    def pin() -> None:
        try:
            content = read_object(Path(path), MOST_BYTES)
            state = content.get("state")
            meter.drift.pin(state.get("drift") if isinstance(state, dict) else None)
        except ValueError as error:
            raise SourceError("malformed", f"{path}: {error}") from error

    error = _outcome(pin)
    health = SourceHealth("drift_baseline", up=True, reason="", last_success=time.time(), successes=1)
    if error is not None:
        health = SourceHealth("drift_baseline", reason=error.reason, message=str(error), failures=1)
        log.warning("drift_baseline: %s", error)
    meter.take_health(health)


def _outcome(work: Callable[[], None]) -> SourceError | None:
    try:
        work()
    except SourceError as error:
        return error
    except ValueError as error:  # infinity, of a price beyond all bounds, is no JSON
        return SourceError("internal", str(error))
    return None
