"""Carbon for what it bought: grams per token, per request, per 500-word page, and the Software Carbon Intensity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.carbon.sci import operational_grams, sci
from pentameter.dimensions.carbon import EMBODIED, OPERATIONAL, embodied_grams_per_second, widest
from pentameter.dimensions.energy import scoped_watts
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.carbon.embodied import Bounds
    from pentameter.world import Deployment, World

_KIND = (
    "kind=operational: of the server's energy, idle time included, of the widest scope that is known; embodied: of "
    "making its hardware, by the central source. "
)


def _per(what: str, meaning: str, formula: str) -> Metric:
    return Metric(
        f"pentameter_carbon_per_{what}_grams",
        "gauge",
        Unit.GRAMS,
        Dimension.ENERGY,
        f"CO2-equivalent per {meaning}, rolling over the window in the label. {_KIND}Absent while none is produced.",
        formula,
        (*ENGINE, "window", "kind", "region"),
    )


_PACE = "(mean power in kW x grid intensity / 3600, or embodied grams per second)"

CARBON_PER_TOKEN = _per("token", "generated token", f"{_PACE} / tokens per second")
CARBON_PER_REQUEST = _per("request", "finished request", f"{_PACE} / requests per second")
CARBON_PER_PAGE = _per(
    "page",
    "page of 500 words (the unit of Ren et al. 2024)",
    "pentameter_carbon_per_token_grams x tokens per page, 667 unless configured",
)
SCI = Metric(
    "pentameter_sci_per_token_grams",
    "gauge",
    Unit.GRAMS,
    Dimension.ENERGY,
    "Software Carbon Intensity per generated token (ISO/IEC 21031), rolling over the window in the label. "
    "bound=low, central, high: by the source of the embodied part. scope=facility is the standard's; a narrower one "
    "leaves energy out. Needs the embodied carbon; absent while no token is produced.",
    "(energy in kWh x location-based intensity + embodied grams) / generated tokens",
    (*ENGINE, "window", "region", "scope", "bound"),
)
EMBODIED_SHARE = Metric(
    "pentameter_embodied_carbon_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ENERGY,
    "Share of the embodied in all carbon, rolling over the window in the label. bound=low, central, high: by the "
    "source of the embodied part.",
    "embodied grams per second / (embodied + operational grams per second)",
    (*ENGINE, "window", "bound"),
)
METRICS = (CARBON_PER_TOKEN, CARBON_PER_REQUEST, CARBON_PER_PAGE, SCI, EMBODIED_SHARE)


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    region = world.grid.region if world.grid else ""
    for deployment in world.deployments:
        pace = embodied_grams_per_second(world, deployment)
        for window in world.windows:
            used = widest(scoped_watts(deployment, window))
            if used is not None and world.grid is not None:
                scope, watts = used
                grams = operational_grams(watts, world.grid.grams_per_kwh)
                yield from _units(world, deployment, window, (OPERATIONAL, region), grams)
                if pace is not None:
                    yield from _sci(deployment, (window, region, scope), watts, world.grid.grams_per_kwh, pace)
                    yield from _share(deployment, window, grams, pace)
            if pace is not None:
                yield from _units(world, deployment, window, (EMBODIED, region), pace.central)


def _units(
    world: World, deployment: Deployment, window: str, labels: tuple[str, str], grams_per_second: float
) -> Iterator[Sample]:
    tokens = deployment.token_rate(window, "generation_tokens")
    requests = deployment.request_rate(window)
    if tokens:
        each = grams_per_second / tokens
        yield CARBON_PER_TOKEN(each, *deployment.labels, window, *labels)
        yield CARBON_PER_PAGE(each * world.carbon.tokens_per_page, *deployment.labels, window, *labels)
    if requests:
        yield CARBON_PER_REQUEST(grams_per_second / requests, *deployment.labels, window, *labels)


def _sci(
    deployment: Deployment, labels: tuple[str, str, str], watts: float, grams_per_kwh: float, embodied: Bounds
) -> Iterator[Sample]:
    """Yield the SCI of a second's joules, embodied grams and tokens."""
    tokens = deployment.token_rate(labels[0], "generation_tokens")
    for bound, grams in embodied.items():
        per_token = None if tokens is None else sci(watts, grams_per_kwh, grams, tokens)
        if per_token is not None:
            yield SCI(per_token, *deployment.labels, *labels, bound)


def _share(deployment: Deployment, window: str, operational: float, embodied: Bounds) -> Iterator[Sample]:
    for bound, grams in embodied.items():
        if operational + grams > 0:
            yield EMBODIED_SHARE(grams / (operational + grams), *deployment.labels, window, bound)
