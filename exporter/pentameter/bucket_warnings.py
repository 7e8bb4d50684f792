"""Warns once, soon after the start, of SLO thresholds that vLLM's buckets cannot judge, where no records come."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pentameter.bucket_advice import advise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pentameter.readings import VllmReading
    from pentameter.slo import Slo

log = logging.getLogger("pentameter")

PATIENCE_SECONDS = 30.0
"""A plugin says hello within seconds; spans come with the first requests."""


class BucketWarnings:
    """Looks at the pages until it has spoken of each model once."""

    def __init__(self, slos: Sequence[Slo], has_records: Callable[[str, str], bool]) -> None:
        self._slos = tuple(slos)
        self._has_records = has_records
        self._since: dict[tuple[str, str], float] = {}
        self._done: set[tuple[str, str]] = set()

    def take(self, reading: VllmReading) -> None:
        """Look at a page."""
        if not self._slos:
            return
        for engine in reading.engines:
            key = (reading.server, engine.model_name)
            since = self._since.setdefault(key, reading.monotonic)
            if key in self._done or reading.monotonic - since < PATIENCE_SECONDS:
                continue
            self._done.add(key)
            own = [slo for slo in self._slos if slo.is_for(engine.model_name)]
            if self._has_records(*key) or not own or not engine.histograms:
                continue
            advice = advise(own, engine)
            if advice is not None:
                log.warning(
                    "vllm %s: no request records, and these SLO thresholds lie between bucket bounds: %s. The bounds "
                    "of the attainment are wide. Install the plugin in vLLM's environment, send spans, or start vLLM "
                    "(0.32 or newer) with %s",
                    reading.server,
                    ", ".join(map(str, advice.off)),
                    advice.option,
                )
