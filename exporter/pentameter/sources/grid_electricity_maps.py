"""Electricity Maps: ``GET /carbon-intensity/latest``, the average intensity of what a zone consumes, flow-traced.

Versions 3 and 4 of the API answer with the same fields. Hourly; for the current hour most values are estimates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pentameter.readings import GridReading
from pentameter.sources import SourceError
from pentameter.sources.grid_fields import grams_per_kwh, malformed, moment, same
from pentameter.sources.json_file import parse_object
from pentameter.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE

if TYPE_CHECKING:
    from pentameter.sources.http_get import HttpClient
    from pentameter.sources.secret import Secret

URL = "https://api.electricitymaps.com/v3"

_SANDBOX = "SANDBOX"
_PERIODS = {
    "hourly": SECONDS_PER_HOUR,
    "15_minutes": 15 * SECONDS_PER_MINUTE,
    "5_minutes": 5 * SECONDS_PER_MINUTE,
}


class ElectricityMaps:
    """One zone at Electricity Maps, such as ``PL`` or ``US-CAL-CISO``."""

    name = "electricity_maps"

    def __init__(self, client: HttpClient, zone: str, token: Secret, factor_type: str = "lifecycle") -> None:
        self._client = client
        self._zone = zone
        self._token = token
        self._factor_type = factor_type
        # Without the last one the provider answers an unknown zone with that of the caller's address.
        asked = {"zone": zone, "emissionFactorType": factor_type, "disableCallerLookup": "true"}
        self._path = f"/carbon-intensity/latest?{urlencode(asked)}"

    def fetch(self, monotonic: float, wall: float) -> GridReading:
        """Ask for the latest value; raises ``SourceError``."""
        token = self._token.read()
        if not token:
            raise SourceError("credentials", f"the {self._token.what} is empty")
        answer = self._client.get(self._path, {"auth-token": token, "Accept": "application/json"})
        page = parse_object(answer.body, "the answer")
        same(page, "zone", self._zone)
        if page.get("emissionFactorType") is not None:
            same(page, "emissionFactorType", self._factor_type)
        if _SANDBOX in f"{page.get('estimationMethod')} {page.get('_disclaimer')}".upper():
            raise malformed("the token is of the sandbox, whose figures are invented")
        begins = moment(page.get("datetime"))
        estimated = page.get("isEstimated")
        return GridReading(
            region=self._zone,
            grams_per_kwh=grams_per_kwh(page.get("carbonIntensity")),
            source=self.name,
            factor_type=self._factor_type,
            average_or_marginal="average",
            estimated=estimated if isinstance(estimated, bool) else None,
            valid_from=begins,
            valid_to=begins + _PERIODS.get(str(page.get("temporalGranularity")), SECONDS_PER_HOUR),
            monotonic=monotonic,
            wall=wall,
        )

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()
