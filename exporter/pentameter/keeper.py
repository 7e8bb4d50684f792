"""Keeps what the meter has learnt over a restart, in a small file; trouble with it is shown and ends nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pentameter.snapshot import SourceHealth
from pentameter.sources import SourceError
from pentameter.sources.state_file import StateFile

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
        """Take over what was saved; a file that cannot be used is set aside, and all is learnt anew."""

        def restore() -> None:
            state = self._file.load(time.time())
            if state is None:
                return
            try:
                self._meter.requests.capacity.restore(state)
            except ValueError as error:
                self._file.set_aside(time.time(), str(error))

        self._attempt(restore)

    def save(self) -> None:
        """Save now."""
        self._attempt(partial(self._file.save, self._meter.requests.capacity.to_state()))

    async def run(self, every: float = SAVE_EVERY_SECONDS) -> None:
        """Save again and again, in a thread: a slow disk must not hold the event loop."""
        while True:
            await asyncio.sleep(every)
            save = partial(self._file.save, self._meter.requests.capacity.to_state())
            self._note(await asyncio.to_thread(_outcome, save))

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


def _outcome(work: Callable[[], None]) -> SourceError | None:
    try:
        work()
    except SourceError as error:
        return error
    return None
