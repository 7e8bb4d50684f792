"""The Carbon Intensity API of Great Britain's system operator (NESO): half-hours, without a key.

Its scope is what power stations and imports emit in operation, losses of the grid included, in CO2: neither life cycle
nor equivalents, so it lies below the life-cycle figures of other sources. The national page is of the latest complete
half-hour, though it is documented as the current one. Regions have forecasts only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pentameter.readings import GridReading
from pentameter.sources.grid_fields import grams_per_kwh, malformed, moment, records, same
from pentameter.sources.json_file import parse_object
from pentameter.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.sources.http_get import HttpClient

URL = "https://api.carbonintensity.org.uk"


class UkCarbonIntensity:
    """Great Britain, or one of its 17 regions by number or by the outward part of a postcode."""

    name = "uk_carbon_intensity"

    def __init__(self, client: HttpClient, *, postcode: str | None = None, regionid: int | None = None) -> None:
        self._client = client
        self._postcode = postcode
        self._regionid = regionid
        self._path = "/intensity"
        if postcode is not None:
            self._path = f"/regional/postcode/{quote(postcode, safe='')}"
        elif regionid is not None:
            self._path = f"/regional/regionid/{regionid}"

    def fetch(self, monotonic: float, wall: float) -> GridReading:
        """Ask for the latest half-hour; raises ``SourceError``."""
        answer = self._client.get(self._path, {"Accept": "application/json"})
        found = records(parse_object(answer.body, "the answer").get("data"))[0]
        region = "GB"
        if self._path != "/intensity":
            region = self._region(found)
            found = records(found.get("data"))[0]
        begins, ends = moment(found.get("from")), moment(found.get("to"))
        if not begins < ends <= begins + SECONDS_PER_DAY:
            raise malformed("the period of the answer ends before it begins, or after a day")
        value, estimated = _value(found.get("intensity"))
        return GridReading(
            region=region,
            grams_per_kwh=value,
            source=self.name,
            factor_type="operational",
            average_or_marginal="average",
            estimated=estimated,
            valid_from=begins,
            valid_to=ends,
            monotonic=monotonic,
            wall=wall,
        )

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _region(self, found: Mapping[str, Any]) -> str:
        """Return the region's name here, by its number: a postcode says where a machine is."""
        number = found.get("regionid")
        if isinstance(number, bool) or not isinstance(number, int):
            raise malformed("the answer does not say which region it is of")
        if self._postcode is not None:
            same(found, "postcode", self._postcode)
        elif number != self._regionid:
            raise malformed(f"the answer is of the region {number}, not of {self._regionid}")
        return f"GB-region-{number}"


def _value(intensity: object) -> tuple[float, bool]:
    """Return the intensity and whether it is a forecast, which it is until the half-hour has been accounted for."""
    if not isinstance(intensity, dict):
        raise malformed("the answer holds no intensity")
    actual = intensity.get("actual")
    if actual is not None:
        return grams_per_kwh(actual), False
    return grams_per_kwh(intensity.get("forecast")), True
