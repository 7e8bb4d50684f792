"""Each request is counted once, though the plugin and the spans may both report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.records import FinishedRequest

REMEMBERED = 65_536
"""Request ids kept: half a minute at 2,000 requests per second, which is more than spans lag behind."""

SILENCE_SECONDS = 60.0
"""A plugin that has reported requests without ids within this time has the word over the spans."""


class Duplicates:
    """Decides which records of one server are new.

    Both sources carry the client's request id (the plugin from vLLM 0.20). A client that asks for n sequences makes n
    records with one id, so ids are counted, not just noted: of an id, as many records count as the source with more of
    them has sent. Before 0.20 the plugin knows no id; then spans are left aside while it reports.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        """Hash of an id -> records of the plugin less those of spans."""
        self._nameless_at: float | None = None

    def is_new(self, request: FinishedRequest, now: float) -> bool:
        """Say whether a record counts."""
        from_plugin = request.origin == "plugin"
        if not from_plugin and self._plugin_has_the_word(now):
            return False
        if not request.request_id:
            if from_plugin:
                self._nameless_at = now
            return True
        key = hash(request.request_id)
        ahead = self._seen.pop(key, 0)
        self._seen[key] = ahead + 1 if from_plugin else ahead - 1
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return ahead >= 0 if from_plugin else ahead <= 0

    def _plugin_has_the_word(self, now: float) -> bool:
        return self._nameless_at is not None and now - self._nameless_at <= SILENCE_SECONDS
