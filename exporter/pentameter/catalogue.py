"""Every metric there is, in the lecture's order: the one list that exposition, docs and tests derive from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter import health
from pentameter.dimensions import (
    attainment,
    bandwidth,
    bounds,
    carbon,
    carbon_units,
    computation,
    cost_by_adapter,
    cost_per_request,
    cost_per_token,
    drift,
    economics,
    energy,
    energy_intensity,
    energy_split,
    goodput,
    gpu_energy,
    kv_cache,
    languages,
    market,
    memory,
    prefix_cache,
    prices,
    quantization,
    requests,
    roofline,
    served_model,
    timing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.metric import Metric, Sample
    from pentameter.world import World

_GAUGES = (
    served_model,
    computation,
    roofline,
    timing,
    requests,
    attainment,
    bounds,
    goodput,
    memory,
    bandwidth,
    kv_cache,
    prefix_cache,
    quantization,
    energy,
    energy_intensity,
    energy_split,
    gpu_energy,
    carbon,
    carbon_units,
    economics,
    prices,
    cost_per_token,
    cost_per_request,
    cost_by_adapter,
    market,
    languages,
    drift,
    health,
)
_COUNTERS = (
    computation,
    timing,
    requests,
    attainment,
    bandwidth,
    kv_cache,
    prefix_cache,
    energy,
    energy_split,
    gpu_energy,
    carbon,
    economics,
    cost_by_adapter,
)

CATALOGUE: tuple[Metric, ...] = tuple(metric for part in _GAUGES for metric in part.METRICS)


def samples(world: World) -> Iterator[Sample]:
    """Yield every gauge that the world allows."""
    for part in _GAUGES:
        yield from part.samples(world)


def increments(world: World) -> Iterator[Sample]:
    """Yield what every counter grows by, zero included: a counter not named here has lost its source."""
    for part in _COUNTERS:
        yield from part.increments(world)
