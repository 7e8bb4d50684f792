"""Whether two pages of a server come from one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.windows import Continuity

if TYPE_CHECKING:
    from pentameter.readings import VllmReading

CLOCK_SLACK_SECONDS = 60.0
"""How far the wall clocks of a server and of the exporter may differ, when a restart is judged."""


def continuity_of(last: VllmReading | None, reading: VllmReading) -> Continuity:
    """Judge whether two pages come from one process, by the start time that vLLM publishes."""
    if last is None or last.start_time is None or reading.start_time is None:
        return Continuity.UNKNOWN
    if reading.start_time == last.start_time:
        return Continuity.SAME
    if reading.start_time > last.wall - CLOCK_SLACK_SECONDS and reading.start_time > last.start_time:
        return Continuity.RESTARTED
    return Continuity.FOREIGN
