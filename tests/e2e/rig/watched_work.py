"""An exporter that hears of every request of a server whose steps are known, and what it makes of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e.rig.exporter import ExporterProcess
from e2e.rig.known_steps import COUNTERS
from e2e.rig.page import sample
from e2e.rig.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from e2e.rig.known_steps import Answered, Served
    from e2e.rig.work_terms import Request

MODEL_KNOWN = "pentameter_engine_steps_total"
UP = "pentameter_source_up"
LAST_READ = "pentameter_source_last_success_timestamp_seconds"
RECORDS = "pentameter_request_records_total"


@dataclass(frozen=True)
class Watched:
    """Requests, what vLLM's counters grew by because of them, and what an exporter said before and after."""

    requests: Sequence[Request]
    answers: list[Answered]
    """Where they were sent one by one."""
    grown: dict[str, float]
    before: str
    after: str

    def added(self, name: str, **labels: str) -> float:
        """Return what a counter of the exporter grew by; one that was not there yet begins at 0."""
        after = sample(self.after, name, **labels)
        assert after is not None, f"{name} {labels} is not on the page"
        return after - (sample(self.before, name, **labels) or 0.0)

    def flops(self, phase: str, basis: str = "model") -> float:
        """Return the FLOPs of a phase."""
        return self.added("pentameter_model_flops_total", phase=phase, basis=basis)

    def read(self, phase: str, what: str) -> float:
        """Return the bytes of ``weights`` or ``kv`` read in a phase."""
        return self.added("pentameter_memory_read_bytes_total", phase=phase, basis="model", what=what)


def exporter_beside(served: Served) -> ExporterProcess:
    """Return an exporter, not started, that reads a server's page and listens to its plugin."""
    settings = {
        "vllm": {"servers": [served.server.url]},
        "plugin": {"socket": served.socket},
        "nvml": {"enabled": False},
        "host": {"enabled": False},
    }
    return ExporterProcess(settings=settings)


def start_and_wait(exporter: ExporterProcess) -> None:
    """Start an exporter and wait until it knows the model and hears the plugin."""
    exporter.start()
    wait_until("Pentameter knows the model", lambda: sample(exporter.metrics(), MODEL_KNOWN) is not None)
    wait_until("Pentameter hears the plugin", lambda: sample(exporter.metrics(), UP, source="plugin") == 1.0)


def look_on(
    served: Served, exporter: ExporterProcess, asked: Sequence[Request], ask: Callable[[], list[Answered]]
) -> Watched:
    """Send requests and wait until the exporter has taken in all that came of them."""
    before, page_before = served.counters(), exporter.metrics()
    answers = ask()
    expected = records(page_before) + len(asked)
    wait_until("Pentameter has every record", lambda: records(exporter.metrics()) == expected)
    # A page of vLLM's that it reads after the records settles the account.
    now = time.time()
    wait_until("Pentameter is done", lambda: (sample(exporter.metrics(), LAST_READ, source="vllm") or 0.0) > now)
    after = served.counters()
    grown = {name: after[name] - before[name] for name in COUNTERS}
    return Watched(asked, answers, grown, page_before, exporter.metrics())


def records(page: str) -> float:
    """Return how many requests the exporter has heard of."""
    return sample(page, RECORDS, outcome="counted") or 0.0
