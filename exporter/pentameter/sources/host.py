"""The machine beside the GPUs: time its processors were busy, and its memory.

In a container this is still the whole machine: the kernel does not narrow what it tells here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from pentameter.readings import HostReading
from pentameter.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_BUSY = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")
"""Linux counts the time of guests in ``user`` and ``nice`` as well."""


class HostSource:
    """Reads processors and memory through psutil; building it does no I/O."""

    name = "host"
    server = ""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def read(self) -> HostReading:
        """Return one reading; raises ``SourceError`` (``unreadable``) where the system does not tell."""
        monotonic, wall = self._monotonic(), self._wall()
        try:
            times = psutil.cpu_times()._asdict()
            cpu_count = psutil.cpu_count()
            memory = psutil.virtual_memory()
        except (OSError, psutil.Error) as error:
            raise SourceError("unreadable", f"psutil, reading processors and memory: {error}") from error
        if cpu_count is None:
            raise SourceError("unreadable", "psutil cannot tell how many processors there are")
        return HostReading(
            monotonic=monotonic,
            wall=wall,
            cpu_count=cpu_count,
            cpu_busy_seconds=sum(
                seconds for field, seconds in times.items() if field not in (*_NOT_BUSY, *_COUNTED_TWICE)
            ),
            memory_total_bytes=float(memory.total),
            memory_used_bytes=float(memory.total - memory.available),
        )

    def close(self) -> None:
        """Do nothing: nothing is held."""
