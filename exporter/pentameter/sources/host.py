"""The machine beside the GPUs: time its processors were busy, its memory, and the energy of both where RAPL tells.

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

    from pentameter.sources.rapl import Rapl

_NOT_BUSY = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")
"""Linux counts the time of guests in ``user`` and ``nice`` as well."""


class HostSource:
    """Reads processors and memory through psutil, and RAPL where it is given; building it does no I/O."""

    name = "host"
    server = ""

    def __init__(
        self,
        rapl: Rapl | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._rapl = rapl
        self._monotonic = monotonic
        self._wall = wall

    def read(self) -> HostReading:
        """Return one reading; raises ``SourceError`` (``unreadable``) where the system does not tell.

        RAPL alone is no reason to fail: most machines keep it from us.
        """
        monotonic, wall = self._monotonic(), self._wall()
        try:
            times = psutil.cpu_times()._asdict()
            cpu_count = psutil.cpu_count()
            memory = psutil.virtual_memory()
        except (OSError, psutil.Error) as error:
            raise SourceError("unreadable", f"psutil, reading processors and memory: {error}") from error
        if cpu_count is None:
            raise SourceError("unreadable", "psutil cannot tell how many processors there are")
        problem = self._count_energy(monotonic)
        energy = self._rapl.energy if self._rapl else None
        return HostReading(
            monotonic=monotonic,
            wall=wall,
            cpu_count=cpu_count,
            cpu_busy_seconds=sum(
                seconds for field, seconds in times.items() if field not in (*_NOT_BUSY, *_COUNTED_TWICE)
            ),
            memory_total_bytes=float(memory.total),
            memory_used_bytes=float(memory.total - memory.available),
            rapl_joules=energy.joules if energy else None,
            rapl_seconds=energy.seconds if energy else 0.0,
            rapl_gaps=energy.gaps if energy else 0,
            rapl_problem=problem,
        )

    def _count_energy(self, monotonic: float) -> str:
        """Let RAPL count on; return what hinders it."""
        if self._rapl is None:
            return ""
        try:
            self._rapl.read(monotonic)
        except SourceError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Do nothing: nothing is held."""
