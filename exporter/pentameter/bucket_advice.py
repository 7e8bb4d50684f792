"""Which thresholds of SLOs fall between two bucket bounds of vLLM, and the option that would give them bounds.

Without request records the attainment is known within bounds that count a threshold's whole bucket for and against.
From 0.32 vLLM takes other bounds by ``--custom-histogram-buckets``, by family: the list replaces the bounds of every
histogram of the family, so that the present ones are kept in it.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pentameter.readings import EngineReading
    from pentameter.slo import Slo

SINCE = (0, 32)
"""The first release of vLLM that has the option."""

FAMILIES = {
    "ttft": "time_to_first_token",
    # One family for both, in spite of its name.
    "tpot": "inter_token_latency",
    "inter_token": "inter_token_latency",
    "e2e": "request_latency",
}
"""Objective -> vLLM's name for the bucket bounds of its histogram."""


@dataclass(frozen=True, slots=True)
class OffBound:
    """A threshold between two bounds, in seconds; ``above`` is +Inf beyond the highest."""

    slo: str
    objective: str
    threshold: float
    below: float
    above: float

    def __str__(self) -> str:
        threshold = f"{self.slo} {self.objective} {self.threshold:g} s"
        if math.isinf(self.above):
            return f"{threshold} (highest bound {self.below:g})"
        return f"{threshold} (between {self.below:g} and {self.above:g})"


@dataclass(frozen=True, slots=True)
class BucketAdvice:
    """What is off, and the bounds by family that would put it right."""

    off: tuple[OffBound, ...]
    buckets: Mapping[str, tuple[float, ...]]

    @property
    def option(self) -> str:
        """Return vLLM's option, as a shell takes it."""
        families = {family: [_short(bound) for bound in bounds] for family, bounds in self.buckets.items()}
        return f"--custom-histogram-buckets '{json.dumps(families)}'"


def advise(slos: Iterable[Slo], engine: EngineReading) -> BucketAdvice | None:
    """Return the advice for one engine's page, or None where every threshold of its SLOs is a bound.

    A threshold whose histogram the page does not show is passed over.
    """
    off = tuple(_off_bounds(slos, engine))
    if not off:
        return None
    buckets: dict[str, set[float]] = {}
    for one in off:
        present = engine.histograms[one.objective].bounds
        bounds = buckets.setdefault(FAMILIES[one.objective], set())
        bounds |= {one.threshold, *(bound for bound in present if math.isfinite(bound))}
    return BucketAdvice(off, {family: tuple(sorted(bounds)) for family, bounds in buckets.items()})


def _off_bounds(slos: Iterable[Slo], engine: EngineReading) -> Iterator[OffBound]:
    for slo in slos:
        if not slo.is_for(engine.model_name):
            continue
        for objective, threshold in slo.thresholds.items():
            histogram = engine.histograms.get(objective)
            if histogram is None or threshold in histogram.bounds:
                continue
            place = bisect_left(histogram.bounds, threshold)
            below = histogram.bounds[place - 1] if place else 0.0
            yield OffBound(slo.name, objective, threshold, below, histogram.bounds[place])


def _short(bound: float) -> float:
    """Let a whole number of seconds be written without a fraction."""
    return int(bound) if bound.is_integer() else bound
