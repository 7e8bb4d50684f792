"""The doctor's look at the SLOs: are their thresholds bounds of vLLM's buckets?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.bucket_advice import SINCE, advise
from pentameter.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pentameter.readings import VllmReading
    from pentameter.slo import Slo

_RECORDS = "pip install pentameter    # where vLLM is installed: its plugin sends request records, which are exact"


def look_at_slos(
    subject: str, reading: VllmReading, slos: Iterable[Slo], release: tuple[int, ...] | None
) -> Iterator[Finding]:
    """Yield what is found about the thresholds of each model that the server serves."""
    engines = {engine.model_name: engine for engine in reading.engines}
    for model_name, engine in sorted(engines.items()):
        own = [slo for slo in slos if slo.is_for(model_name)]
        if not own or not engine.histograms:
            continue
        advice = advise(own, engine)
        if advice is None:
            yield Finding("ok", subject, f"every SLO threshold of {model_name} is a bucket bound")
            continue
        message = (
            f"SLO thresholds between vLLM's bucket bounds: {', '.join(map(str, advice.off))}. Without request records "
            "their whole buckets widen the bounds of the attainment"
        )
        if release is not None and release[:2] < SINCE:
            fix = f"{_RECORDS}; or take bounds as thresholds"
        else:
            since = "" if release else "vLLM 0.32 or newer; "
            fix = f"vllm serve ... {advice.option}    # {since}add what it holds already; or use request records"
        yield Finding("warning", subject, message, fix)
