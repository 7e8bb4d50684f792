"""Carbon: the grid's intensity, what energy and hardware emit (lecture: "Carbon Footprint Measurements").

Operational grams are of the widest energy that is known: GPUs, with the host, with the building.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.carbon.sci import operational_grams
from pentameter.dimensions.energy import scoped_joules
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.carbon.embodied import Bounds
    from pentameter.world import Deployment, World

OPERATIONAL, EMBODIED = "operational", "embodied"


def _intensity(name: str, meaning: str, formula: str, labels: tuple[str, ...]) -> Metric:
    name = f"pentameter_{name}_grams_per_kwh"
    return Metric(name, "gauge", Unit.GRAMS_PER_KWH, Dimension.ENERGY, meaning, formula, labels)


_GRID_LABELS = ("region", "source", "factor_type")

GRID = _intensity(
    "grid_intensity",
    "Carbon intensity of the grid that the figures use, location-based and average. factor_type=lifecycle: with "
    "building the plants and providing fuel; direct: or operational: combustion alone.",
    "the first of: grid.grams_per_kwh, the live provider, the yearly mean of the zone, state, country, world",
    _GRID_LABELS,
)
GRID_INFO = Metric(
    "pentameter_grid_resolution_info",
    "gauge",
    Unit.INFO,
    Dimension.ENERGY,
    "How the grid's intensity was found; always 1. step=override: configured; live: from a provider; zone, state, "
    "country, world: the yearly mean of this.",
    "1",
    ("region", "step", "source", "factor_type"),
)
GRID_QUALITY = Metric(
    "pentameter_grid_intensity_quality",
    "gauge",
    Unit.NONE,
    Dimension.ENERGY,
    "How near the grid's intensity is to the place and the hour: 5 configured or live, 4 live but estimated, or the "
    "zone's year, 3 the state's, 2 the country's, 1 the world's.",
    "by the step of pentameter_grid_resolution_info",
    ("region",),
)
GRID_AGE = Metric(
    "pentameter_grid_intensity_age_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.ENERGY,
    "Age of a live intensity; absent for yearly means and configured figures.",
    "now - end of the period that the figure is of",
    ("region", "source"),
)
MARGINAL = _intensity(
    "grid_marginal_intensity",
    "Carbon intensity of one more kWh, from a live provider that tells it: for shifting load. No other figure uses it.",
    "as the provider tells it",
    _GRID_LABELS,
)
MARKET = _intensity(
    "market_intensity",
    "Carbon intensity of the electricity that was bought, as configured: by contract, certificates or residual mix.",
    "grid.market_grams_per_kwh",
    (),
)
OTHER_GRID = _intensity(
    "other_grid_intensity",
    "Carbon intensity of the grids to compare with, yearly means, all of life cycle.",
    "the yearly mean of the zone, state, country, world",
    ("other_region", "source", "factor_type"),
)
CARBON = Metric(
    "pentameter_carbon_grams_total",
    "counter",
    Unit.GRAMS,
    Dimension.ENERGY,
    "CO2-equivalent since the exporter saw the server. kind=operational: of its energy, location-based, of the widest "
    "scope that is known (pentameter_carbon_scope_info); embodied: the part of making its hardware that falls on this "
    "time, idle or not, by the central source.",
    "operational: energy in kWh x grid intensity at the time of use; embodied: pentameter_embodied_carbon_grams / "
    "lifetime x seconds",
    (*ENGINE, "kind", "region"),
)
SCOPE = Metric(
    "pentameter_carbon_scope_info",
    "gauge",
    Unit.INFO,
    Dimension.ENERGY,
    "Which energy the operational figures are of; always 1. scope=gpu: the GPUs; it: with the host; facility: with the "
    "building.",
    "1",
    (*ENGINE, "scope"),
)
MARKET_CARBON = Metric(
    "pentameter_market_carbon_grams_total",
    "counter",
    Unit.GRAMS,
    Dimension.ENERGY,
    "Operational CO2-equivalent by the electricity that was bought; stands beside the location-based figure, and is no "
    "part of the SCI.",
    "energy in kWh x grid.market_grams_per_kwh",
    ENGINE,
)
OTHER_CARBON = Metric(
    "pentameter_other_region_carbon_grams_total",
    "counter",
    Unit.GRAMS,
    Dimension.ENERGY,
    "Operational CO2-equivalent that the same energy would have emitted on another grid.",
    "energy in kWh x pentameter_other_grid_intensity_grams_per_kwh",
    (*ENGINE, "other_region"),
)
EMBODIED_CARBON = Metric(
    "pentameter_embodied_carbon_grams",
    "gauge",
    Unit.GRAMS,
    Dimension.ENERGY,
    "CO2-equivalent of making the server's GPUs and their part of the machine. bound=low, central, high: published "
    "sources differ by a factor of 3.5. Absent for a GPU that no source knows.",
    "sum over the GPUs of (kg of the GPU + kg of the machine without GPUs / its GPUs) x 1000",
    (*ENGINE, "bound"),
)
EMBODIED_LIFETIME = Metric(
    "pentameter_embodied_lifetime_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.ENERGY,
    "Time over which what making the hardware emitted is spread.",
    "carbon.lifetime_years x 365 days",
    (),
)
METRICS = (
    GRID,
    GRID_INFO,
    GRID_QUALITY,
    GRID_AGE,
    MARGINAL,
    MARKET,
    OTHER_GRID,
    CARBON,
    SCOPE,
    MARKET_CARBON,
    OTHER_CARBON,
    EMBODIED_CARBON,
    EMBODIED_LIFETIME,
)


def widest(by_scope: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the last of the scopes, which hold each other, with its value; None where there is none."""
    return list(by_scope.items())[-1] if by_scope else None


def embodied_grams_per_second(world: World, deployment: Deployment) -> Bounds | None:
    """Return what a server's hardware accrues; None where it or its making is unknown."""
    embodied = world.carbon.embodied
    return None if embodied is None else embodied.grams_per_second(deployment.gpu_names)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    yield from _grids(world)
    embodied = world.carbon.embodied
    if embodied is not None:
        yield EMBODIED_LIFETIME(embodied.lifetime_seconds)
    for deployment in world.deployments:
        used = widest(scoped_joules(deployment))
        if used is not None:
            yield SCOPE(1, *deployment.labels, used[0])
        grams = embodied.grams(deployment.gpu_names) if embodied else None
        for bound, value in grams.items() if grams else ():
            yield EMBODIED_CARBON(value, *deployment.labels, bound)


def _grids(world: World) -> Iterator[Sample]:
    grid, basis = world.grid, world.carbon
    if grid is not None:
        yield GRID(grid.grams_per_kwh, grid.region, grid.source, grid.factor_type)
        if grid.step:
            yield GRID_INFO(1, grid.region, grid.step, grid.source, grid.factor_type)
        if grid.quality is not None:
            yield GRID_QUALITY(grid.quality, grid.region)
    for live in (grid, basis.marginal):
        if live is not None and live.age_seconds is not None:
            yield GRID_AGE(live.age_seconds, live.region, live.source)
    if basis.marginal is not None:
        yield MARGINAL(
            basis.marginal.grams_per_kwh, basis.marginal.region, basis.marginal.source, basis.marginal.factor_type
        )
    if basis.market_grams_per_kwh is not None:
        yield MARKET(basis.market_grams_per_kwh)
    for other in basis.others:
        yield OTHER_GRID(other.grams_per_kwh, other.region, other.source, other.factor_type)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    grid, basis = world.grid, world.carbon
    for deployment in world.deployments:
        used = widest(scoped_joules(deployment))
        if used is not None:
            joules = used[1]
            if grid is not None:
                grams = operational_grams(joules, grid.grams_per_kwh)
                yield CARBON(grams, *deployment.labels, OPERATIONAL, grid.region)
            if basis.market_grams_per_kwh is not None:
                yield MARKET_CARBON(operational_grams(joules, basis.market_grams_per_kwh), *deployment.labels)
            for other in basis.others:
                grams = operational_grams(joules, other.grams_per_kwh)
                yield OTHER_CARBON(grams, *deployment.labels, other.region)
        pace = embodied_grams_per_second(world, deployment)
        if pace is not None:
            grams = pace.central * (world.elapsed_seconds or 0.0)
            yield CARBON(grams, *deployment.labels, EMBODIED, grid.region if grid else "")
