"""Carbon: operational emissions of the GPUs' energy (lecture: "Carbon Footprint Measurements")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.energy import gpu_joules, gpu_joules_per_token
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.units import joules_to_kwh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import World


def operational_grams(joules: float, grams_per_kwh: float) -> float:
    """Return grams of CO2-equivalent: energy in kWh times the grid's intensity.

    >>> operational_grams(40e6, 588.6)  # a million tokens at the lecture's 40 J/token, Poland 2025
    6540.0
    """
    return joules_to_kwh(joules) * grams_per_kwh


GRID = Metric(
    "pentameter_grid_intensity_grams_per_kwh",
    "gauge",
    Unit.GRAMS_PER_KWH,
    Dimension.ENERGY,
    "Carbon intensity of the grid that the figures use.",
    "configured (grid.grams_per_kwh) or the yearly mean of grid.region in the shipped table",
    ("region", "source", "factor_type"),
)
CARBON = Metric(
    "pentameter_carbon_grams_total",
    "counter",
    Unit.GRAMS,
    Dimension.ENERGY,
    "CO2-equivalent since the exporter saw the server. kind=operational: of the GPUs' measured energy, without host "
    "and facility.",
    "GPU energy in kWh x grid intensity at the time of use",
    (*ENGINE, "kind", "region"),
)
CARBON_PER_TOKEN = Metric(
    "pentameter_carbon_per_token_grams",
    "gauge",
    Unit.GRAMS,
    Dimension.ENERGY,
    "CO2-equivalent per generated token, rolling over the window in the label. kind=operational: of the GPUs' "
    "measured energy. Absent while no token is produced.",
    "GPU energy per generated token in kWh x grid intensity",
    (*ENGINE, "window", "kind", "region"),
)
METRICS = (GRID, CARBON, CARBON_PER_TOKEN)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    grid = world.grid
    if grid is None:
        return
    yield GRID(grid.grams_per_kwh, grid.region, grid.source, grid.factor_type)
    for deployment in world.deployments:
        for window in world.windows:
            joules = gpu_joules_per_token(deployment, window, "generation_tokens")
            if joules is not None:
                grams = operational_grams(joules, grid.grams_per_kwh)
                yield CARBON_PER_TOKEN(grams, *deployment.labels, window, "operational", grid.region)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    if world.grid is None:
        return
    for deployment in world.deployments:
        joules = gpu_joules(deployment.gpus)
        if joules is not None:
            grams = operational_grams(joules, world.grid.grams_per_kwh)
            yield CARBON(grams, *deployment.labels, "operational", world.grid.region)
