"""New prices at run time: the `economics` settings are read again on SIGHUP and when the file has changed.

Everything else takes a restart, and it is said so. Settings that are wrong change nothing: the old ones stay in force,
and the source ``settings`` is down until they are right.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pentameter.config import ConfigError, Settings
from pentameter.snapshot import SourceHealth

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.meter import Meter

log = logging.getLogger("pentameter")

LOOK_EVERY_SECONDS = 5.0
FIXED = ("prices", "languages", "drift", "labels_file")
"""Keys of `economics` that take a restart too: sources are made of them."""


class Reloader:
    """Reads the settings again."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        apply: Callable[[Settings], None],
        meter: Meter,
        file: str | None = None,
    ) -> None:
        """Watch ``file`` and apply what ``load`` returns.

        Args:
            settings: those in force.
            load: reads them again; may raise ``ConfigError``.
            apply: takes over the new prices; may raise ``ValueError`` before it has changed anything.
            meter: shows how the source ``settings`` is doing.
            file: the configuration file; None where there is none.
        """
        self._settings = settings
        self._load = load
        self._apply = apply
        self._meter = meter
        self._file = file
        self._seen = self._looked = _mark(file)
        self._health = SourceHealth("settings", up=True, reason="", last_success=time.time(), successes=1)
        meter.take_health(self._health)

    async def run(self, every: float = LOOK_EVERY_SECONDS) -> None:
        """Look again and again whether the file has changed."""
        while True:
            await asyncio.sleep(every)
            self.look()

    def look(self) -> None:
        """Read the settings again if their file has changed, and has stood still since the last look.

        A file that is being written may be read half, or empty, which is valid and without a price. Kubernetes changes
        a mounted file by pointing a link elsewhere; the mark sees that.
        """
        mark, before = _mark(self._file), self._looked
        self._looked = mark
        if mark is not None and mark != self._seen and mark == before:
            self.reload()

    def reload(self) -> None:
        """Read the settings again and take over what can change at run time."""
        self._seen = _mark(self._file)
        try:
            found = self._load()
            prices = _with_prices(self._settings, found)
            self._apply(prices)
        except (ConfigError, ValueError, OSError) as error:
            self._note(str(error))
            return
        for key in _needs_restart(self._settings, found):
            log.warning("settings: %s has changed, which takes a restart", key)
        if prices != self._settings:
            log.info("settings: new prices are in force")
        self._settings = prices
        self._note("")

    def _note(self, trouble: str) -> None:
        before = self._health
        if trouble:
            changes: dict[str, Any] = {"up": False, "reason": "invalid", "failures": before.failures + 1}
            log.warning("settings: the old ones stay in force: %s", trouble)
        else:
            changes = {"up": True, "reason": "", "last_success": time.time(), "successes": before.successes + 1}
        self._health = replace(before, message=trouble, **changes)
        self._meter.take_health(self._health)


def _mark(file: str | None) -> tuple[int, int, int] | None:
    """Return what changes when a file does; None while it cannot be looked at."""
    try:
        found = os.stat(file) if file else None  # noqa: PTH116 - one call, one answer
    except OSError:
        return None
    return found and (found.st_ino, found.st_mtime_ns, found.st_size)


def _with_prices(old: Settings, new: Settings) -> Settings:
    """Return the old settings with the new prices: of `economics`, and of each server that is still the same."""
    kept = {key: getattr(old.economics, key) for key in FIXED}
    own = {server.name: server.gpu_dollars_per_hour for server in new.vllm.servers}
    servers = tuple(
        server.model_copy(update={"gpu_dollars_per_hour": own.get(server.name, server.gpu_dollars_per_hour)})
        for server in old.vllm.servers
    )
    return old.model_copy(
        update={
            "economics": new.economics.model_copy(update=kept),
            "vllm": old.vllm.model_copy(update={"servers": servers}),
        }
    )


def _needs_restart(old: Settings, new: Settings) -> list[str]:
    """Return the keys whose change is not taken over."""
    taken = _with_prices(old, new)
    keys = [key for key in Settings.model_fields if key != "economics" and getattr(new, key) != getattr(taken, key)]
    return keys + [f"economics.{key}" for key in FIXED if getattr(new.economics, key) != getattr(old.economics, key)]
