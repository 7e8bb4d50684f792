"""The carbon intensity of a place: the best that is known, and how near to the place it is.

Order: your own figure, a live reading, the yearly mean of the grid zone, of the state, of the country, of the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.carbon.intensity import GridIntensity
from pentameter.carbon.places import WORLD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pentameter.carbon.places import Place
    from pentameter.readings import GridReading

LIFECYCLE = "lifecycle"
"""With building the plants and providing their fuel: what Ember and Electricity Maps publish."""
DIRECT = "direct"
"""Combustion alone: what the Greenhouse Gas Protocol's Scope 2 asks for, and eGRID and Google publish."""

OVERRIDE, LIVE = "override", "live"
MARGINAL = "marginal"

QUALITY = {OVERRIDE: 5, LIVE: 5, "zone": 4, "state": 3, "country": 2, "world": 1}
"""5: of this place and this hour, or the user's own; 4: of the grid zone and the year; 3: of the state; 2: of the
country; 1: of the whole world."""
ESTIMATED_QUALITY = 4
"""Of a live reading that its provider has modelled rather than measured."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A row of a table: grams of CO2-equivalent per kWh of one region, the mean of a year."""

    scope: str
    """``world``, ``country``, ``state``, ``zone`` or ``cloud``."""
    region: str
    grams_per_kwh: float
    factor_type: str
    source: str
    year: int
    method: str = ""
    licence: str = ""


def resolve(
    place: Place, factors: Iterable[Factor], *, override: float | None = None, factor_type: str = LIFECYCLE
) -> GridIntensity:
    """Return the carbon intensity of a place in g/kWh with the step that found it, live readings left aside.

    A nearer place is preferred to the wanted type of factor, since neighbouring states differ by factors of ten and the
    two types by tenths; among figures equally near the wanted type wins. Google's direct figures of its own regions
    are used only where ``direct`` is wanted: beside Ember's life-cycle figures for all others they would make one cloud
    look cleaner than it is.

    Raises ``LookupError`` where the tables know neither the place nor the world.

    >>> from pentameter.carbon.places import Place
    >>> table = [Factor("country", "POL", 588.6, "lifecycle", "Ember", 2025)]
    >>> found = resolve(Place("gcp:europe-central2", "POL"), table)
    >>> found.grams_per_kwh, found.step, found.quality
    (588.6, 'country', 2)
    """
    if override is not None:
        return GridIntensity(place.label, override, "configured", "configured", OVERRIDE, QUALITY[OVERRIDE])
    rows = tuple(factors)
    for step, wanted in _steps(place, factor_type):
        near = [row for row in rows if row.region and (row.scope, row.region) in wanted]
        if near:
            best = min(near, key=lambda row: row.factor_type != factor_type)
            source = f"{best.source} {best.year}"
            return GridIntensity(place.label, best.grams_per_kwh, source, best.factor_type, step, QUALITY[step])
    message = f"the tables know neither {place.label} nor the world"
    raise LookupError(message)


def resolve_of_type(place: Place, factors: Iterable[Factor], factor_type: str = LIFECYCLE) -> GridIntensity | None:
    """Return the yearly intensity of a place from figures of one type alone, for comparing places; None without any."""
    rows = [row for row in factors if row.factor_type == factor_type]
    try:
        return resolve(place, rows, factor_type=factor_type)
    except LookupError:
        return None


def with_live(static: GridIntensity | None, live: GridReading | None, monotonic: float) -> GridIntensity | None:
    """Return the live average where there is one and the user gave no figure of their own, else what is known without.

    The label of the region stays the configured place's, so that counters keep their series when a provider fails;
    where no place is configured it is the provider's zone. The source hands out no reading that is too old.
    """
    if live is None or live.average_or_marginal == MARGINAL or (static is not None and static.step == OVERRIDE):
        return static
    return _told(live, live.region if static is None else static.region, monotonic)


def marginal(live: GridReading | None, monotonic: float) -> GridIntensity | None:
    """Return the live marginal rate, that of one more kWh; it stands beside the average and is never mixed with it."""
    return None if live is None or live.average_or_marginal != MARGINAL else _told(live, live.region, monotonic)


def _told(live: GridReading, region: str, monotonic: float) -> GridIntensity:
    quality = ESTIMATED_QUALITY if live.estimated else QUALITY[LIVE]
    age = live.age_seconds(monotonic)
    return GridIntensity(region, live.grams_per_kwh, live.source, live.factor_type, LIVE, quality, age)


def _steps(place: Place, factor_type: str) -> Iterator[tuple[str, set[tuple[str, str]]]]:
    zone = {("zone", place.zone)}
    if factor_type == DIRECT and place.cloud is not None:
        zone.add(("cloud", place.cloud.key))
    yield "zone", zone
    yield "state", {("state", place.state)}
    yield "country", {("country", place.country)}
    yield "world", {("world", WORLD)}
