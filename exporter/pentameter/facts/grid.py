"""The shipped tables about grids: yearly carbon intensities, and where the regions of clouds stand.

``grid_intensity.csv`` holds Ember's life-cycle figures by country and, where clouds have regions, by state (CC BY 4.0),
the United States' own direct figures by state (eGRID, public domain) and Google's of its regions (Apache 2.0).
``grid_zones_odbl.csv`` is another database under another licence, the Open Database License 1.0, and is read only where
that is asked for. ``cloud_regions.csv`` is our own list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.carbon.places import CloudRegion, Gazetteer
from pentameter.carbon.resolution import Factor
from pentameter.facts.tables import rows

if TYPE_CHECKING:
    from pentameter.carbon.places import Place


@dataclass(frozen=True, slots=True)
class GridTables:
    """All that is shipped about grids."""

    places: Gazetteer
    factors: tuple[Factor, ...]

    def near(self, place: Place) -> tuple[Factor, ...]:
        """Return the few rows that can matter for a place."""
        cloud = place.cloud.key if place.cloud else ""
        regions = {place.zone, place.state, place.country, cloud, "WORLD"} - {""}
        return tuple(factor for factor in self.factors if factor.region in regions)


def grid_tables(*, odbl_zones: bool = False) -> GridTables:
    """Return the tables, with Electricity Maps' yearly means by grid zone where they are asked for."""
    table = tuple(rows("grid_intensity.csv"))
    factors = tuple(_factor(row["scope"], row["region"], row) for row in table)
    zones = tuple(_factor("zone", row["zone"], row) for row in rows("grid_zones_odbl.csv")) if odbl_zones else ()
    return GridTables(
        Gazetteer(
            countries={row["region"]: (row["iso2"], row["name"]) for row in table if row["scope"] == "country"},
            states={row["region"]: row["name"] for row in table if row["scope"] == "state"},
            clouds=tuple(_cloud(row) for row in rows("cloud_regions.csv")),
            zones=frozenset(zone.region for zone in zones),
        ),
        factors + zones,
    )


def _factor(scope: str, region: str, row: dict[str, str]) -> Factor:
    return Factor(
        scope,
        region,
        float(row["grams_per_kwh"]),
        row["factor_type"],
        row["source"],
        int(row["year"]),
        row["method"],
        row["licence"],
    )


def _cloud(row: dict[str, str]) -> CloudRegion:
    return CloudRegion(
        row["provider"],
        row["region"],
        row["location"],
        row["country"],
        row["state"],
        row["zone"],
        float(row["pue"]) if row["pue"] else None,
        row["pue_source"],
    )
