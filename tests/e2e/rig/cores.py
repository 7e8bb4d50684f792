"""Who runs on which core, where a measurement shall not be the scheduler's."""

from __future__ import annotations

import os

import psutil

ALL_CORES = os.sched_getaffinity(0)
FIRST_CORE = min(ALL_CORES)


def give_it_a_core(pid: int) -> None:
    """Confine a server with all its threads to one core, and whatever we start from now on to the others.

    May be called for several servers: they share the core.
    """
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {FIRST_CORE})
    os.sched_setaffinity(0, ALL_CORES - {FIRST_CORE})
