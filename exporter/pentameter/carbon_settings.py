"""From the settings to the grid's intensity and what else carbon is reckoned with; reads the shipped tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.places import Place
from pentameter.carbon.resolution import resolve, resolve_of_type
from pentameter.carbon.sci import TOKENS_PER_PAGE
from pentameter.facts.embodied import embodied_table
from pentameter.facts.grid import grid_tables

if TYPE_CHECKING:
    from pentameter.carbon.embodied import Embodied
    from pentameter.carbon.intensity import GridIntensity
    from pentameter.config_carbon import Carbon
    from pentameter.config_grid import Grid
    from pentameter.facts.grid import GridTables


def settings_to_grid(settings: Grid) -> GridIntensity | None:
    """Return the intensity of the configured place, live readings left aside; None where none is configured.

    Raises ``ValueError`` for a region that is unknown or ambiguous. With a figure of the user's own the region is a
    name for labels, and may be any.
    """
    if settings.region is None:
        own = settings.grams_per_kwh
        return None if own is None else resolve(Place("configured"), (), override=own)
    tables = grid_tables(odbl_zones=settings.odbl_zones)
    if settings.grams_per_kwh is not None:
        return resolve(_any_place(tables, settings.region), (), override=settings.grams_per_kwh)
    place = _find(tables, "grid.region", settings.region)
    return resolve(place, tables.near(place), factor_type=settings.factor_type)


def settings_to_carbon(carbon: Carbon, grid: Grid) -> CarbonBasis:
    """Return what carbon is reckoned with; raises ``ValueError`` for a region to compare with that is not known."""
    return CarbonBasis(
        market_grams_per_kwh=grid.market_grams_per_kwh,
        others=_others(carbon.compare_regions, grid),
        embodied=_embodied(carbon) if carbon.embodied else None,
        tokens_per_page=carbon.tokens_per_page or TOKENS_PER_PAGE,
    )


def _embodied(carbon: Carbon) -> Embodied:
    return replace(
        embodied_table(),
        gpu_kg=carbon.gpu_kg,
        server_kg=carbon.server_kg,
        gpus_per_server=carbon.gpus_per_server,
        lifetime_years=carbon.lifetime_years,
    )


def _others(regions: tuple[str, ...], grid: Grid) -> tuple[GridIntensity, ...]:
    """Return the grids to compare with, each once, all from figures of one type."""
    if not regions:
        return ()
    tables = grid_tables(odbl_zones=grid.odbl_zones)
    places = {place.label: place for place in (_find(tables, "carbon.compare_regions", name) for name in regions)}
    found = (resolve_of_type(place, tables.near(place)) for place in places.values())
    return tuple(one for one in found if one is not None)


def _find(tables: GridTables, setting: str, name: str) -> Place:
    try:
        return tables.places.find(name)
    except ValueError as error:
        message = f"{setting}: {error}"
        raise ValueError(message) from None


def _any_place(tables: GridTables, name: str) -> Place:
    """Return a place of the tables, so that its label is spelt one way, or else one that is called so."""
    try:
        return tables.places.find(name)
    except ValueError:
        return Place(name)
