"""Every metric there is, in the lecture's order: the one list that exposition, docs and tests derive from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter import health
from pentameter.dimensions import (
    attainment,
    bounds,
    carbon,
    computation,
    economics,
    energy,
    goodput,
    memory,
    requests,
    timing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.metric import Metric, Sample
    from pentameter.world import World

CATALOGUE: tuple[Metric, ...] = (
    *computation.METRICS,
    *timing.METRICS,
    *requests.METRICS,
    *attainment.METRICS,
    *bounds.METRICS,
    *goodput.METRICS,
    *memory.METRICS,
    *energy.METRICS,
    *carbon.METRICS,
    *economics.METRICS,
    *health.METRICS,
)


def samples(world: World) -> Iterator[Sample]:
    """Yield every gauge that the world allows."""
    for part in (computation, timing, requests, attainment, bounds, goodput, memory, energy, carbon, economics, health):
        yield from part.samples(world)


def increments(world: World) -> Iterator[Sample]:
    """Yield what every counter grows by, zero included: a counter not named here has lost its source."""
    for part in (computation, requests, attainment, memory, energy, carbon, economics):
        yield from part.increments(world)
