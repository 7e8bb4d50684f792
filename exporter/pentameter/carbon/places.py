"""Which grid a name means: a country, a state, a zone or the region of a cloud.

Names are ISO 3166 codes (``POL``, ``PL``, ``US-VA``), English names (``Poland``, ``Virginia``), cloud regions with
their provider or without (``aws:us-east-1``, ``us-east-1``), zones of Electricity Maps (``SE-SE3``) and ``WORLD``; the
case of letters does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WORLD = "WORLD"

ALIASES = {
    "UK": "GBR",
    "GREAT BRITAIN": "GBR",
    "UNITED STATES OF AMERICA": "USA",
    "CZECH REPUBLIC": "CZE",
    "TÜRKIYE": "TUR",
    "REPUBLIC OF KOREA": "KOR",
    "CÔTE D'IVOIRE": "CIV",
    "HOLLAND": "NLD",
    "EL": "GRC",
    "WORLDWIDE": WORLD,
    "GLOBAL": WORLD,
}
"""Names in common use that the tables do not have."""


class UnknownPlaceError(ValueError):
    """No table knows this name."""


class AmbiguousPlaceError(ValueError):
    """A name means several places."""

    def __init__(self, name: str, candidates: Iterable[str]) -> None:
        self.candidates = tuple(sorted(candidates))
        super().__init__(f"{name!r} may mean {' or '.join(self.candidates)}; write one of these")


@dataclass(frozen=True, slots=True)
class CloudRegion:
    """A region of a cloud, and where it stands."""

    provider: str
    """``aws``, ``gcp`` or ``azure``."""
    region: str
    location: str
    country: str
    """ISO 3166 alpha-3."""
    state: str = ""
    """ISO 3166-2, where the tables have states of the country."""
    zone: str = ""
    """Of Electricity Maps, where the country has several and it is known which."""
    pue: float | None = None
    """Facility energy over IT energy, as the provider publishes it."""
    pue_source: str = ""

    @property
    def key(self) -> str:
        """Return the name with the provider, which only this region has."""
        return f"{self.provider}:{self.region}"


@dataclass(frozen=True, slots=True)
class Place:
    """A place with everything larger that it lies in; empty where it is not known."""

    label: str
    """One spelling per place: what stands in labels."""
    country: str = ""
    state: str = ""
    zone: str = ""
    cloud: CloudRegion | None = None


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """The places that there are."""

    countries: Mapping[str, tuple[str, str]]
    """ISO alpha-3 -> (alpha-2, English name)."""
    states: Mapping[str, str]
    """ISO 3166-2 -> English name."""
    clouds: tuple[CloudRegion, ...] = ()
    zones: frozenset[str] = frozenset()
    _names: dict[str, dict[str, Place]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Collect every spelling; one spelling of several places keeps them all."""
        alpha3 = {alpha2: country for country, (alpha2, _) in self.countries.items()}
        self._add(Place(WORLD), WORLD)
        for country, (alpha2, name) in self.countries.items():
            self._add(Place(country, country, zone=alpha2), country, alpha2, name)
        for state, name in self.states.items():
            self._add(Place(state, alpha3.get(state[:2], ""), state), state, name)
        for cloud in self.clouds:
            place = Place(cloud.key, cloud.country, cloud.state, self._zone(cloud), cloud)
            self._add(place, cloud.key, cloud.region)
        for zone in self.zones | {cloud.zone for cloud in self.clouds if cloud.zone}:
            if zone.upper() not in self._names:
                self._add(Place(zone, alpha3.get(zone[:2], ""), zone=zone), zone)

    def _zone(self, cloud: CloudRegion) -> str:
        """Return the zone of a cloud region; that of the country only where nothing smaller is known of it."""
        if cloud.zone or cloud.state or cloud.country not in self.countries:
            return cloud.zone
        return self.countries[cloud.country][0]

    def _add(self, place: Place, *spellings: str) -> None:
        for spelling in spellings:
            self._names.setdefault(spelling.upper(), {})[place.label] = place

    def find(self, name: str) -> Place:
        """Return the place that a name means.

        Raises ``AmbiguousPlaceError`` with the candidates where several are called so (``Georgia``), and
        ``UnknownPlaceError`` with the nearest names where none is.
        """
        wanted = " ".join(name.split()).upper()
        wanted = ALIASES.get(wanted, wanted)
        found = self._names.get(wanted, {})
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise AmbiguousPlaceError(name, found)
        near = get_close_matches(wanted, self._names, n=3)
        hint = "write a country such as POL, a state such as US-VA, a cloud's region such as aws:us-east-1, or WORLD"
        if near:
            hint = f"near it are {', '.join(sorted({label for key in near for label in self._names[key]}))}"
        message = f"no grid is known for {name!r}; {hint}"
        raise UnknownPlaceError(message)
