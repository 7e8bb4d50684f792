"""Pentameter's plugin in the simulated vLLM: its own reporter, fed with what vLLM would hand to it.

The simulation stands still unless somebody looks; here a thread looks a few times a second, so that requests finish
(and are reported) whether or not the page is read.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pentameter.simulator.vllm_objects import iteration_stats, scheduler_stats, vllm_config
from pentameter.vllm_plugin_reporter import Reporter

if TYPE_CHECKING:
    from pentameter.simulator.live import LiveSimulation
    from pentameter.simulator.reports import Step

POLL_SECONDS = 0.25
SENDER = "simulator"


class SimulatedPlugin:
    """Reports from its construction until ``close()``; what happened before is nobody's news."""

    def __init__(self, live: LiveSimulation, address: str) -> None:
        self._live = live
        config, engines = vllm_config(live.preset), range(live.preset.engines)
        self._reporter = Reporter(config, engines, address, SENDER, gpus=False)
        self._ended = threading.Event()
        live.watch(self._record)
        self._thread = threading.Thread(target=self._follow, name="simulated-plugin", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a second close does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._live.watch(None)
        self._reporter.stop()

    def _follow(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self._live.advance()

    def _record(self, engine: int, step: Step) -> None:
        """Do what vLLM does after each step."""
        self._reporter.put("step", engine, scheduler_stats(step), iteration_stats(step, self._live.wall_at_zero))
