"""WattTime version 3: the marginal operating emissions rate (MOER), what one more kilowatt-hour causes.

A marginal rate answers what a shift of load would change. It is no basis of an inventory and is never added to, nor
averaged with, an average one: the same region can differ by a factor of 30.

The current value is the first point of the forecast, which is at most five minutes old; the history is more exact and
too late. Accounts without a subscription get it for the region CAISO_NORTH only.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pentameter.readings import GridReading
from pentameter.sources.grid_fields import grams_per_kwh, malformed, moment, records, same
from pentameter.sources.http_get import StatusError
from pentameter.sources.json_file import parse_object
from pentameter.units import POUNDS_PER_MWH, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.sources.http_get import HttpClient
    from pentameter.sources.secret import Secret

URL = "https://api.watttime.org"

TOKEN_SECONDS = 25 * SECONDS_PER_MINUTE
"""A token is valid for 30 minutes; it is renewed five minutes before."""

_SIGNAL = "co2_moer"
_UNITS = "lbs_co2_per_mwh"
_PERIOD_SECONDS = 300.0
_UNAUTHORIZED = 401
_LONGEST_TOKEN = 8192


class WattTime:
    """One region at WattTime, such as ``CAISO_NORTH``."""

    name = "watttime"

    def __init__(self, client: HttpClient, region: str, username: str, password: Secret) -> None:
        self._client = client
        self._region = region
        self._username = username
        self._password = password
        self._token = ""
        self._token_until = 0.0
        asked = {"region": region, "signal_type": _SIGNAL, "horizon_hours": 0}
        self._path = f"/v3/forecast?{urlencode(asked)}"

    def fetch(self, monotonic: float, wall: float) -> GridReading:
        """Ask for the current value, with a fresh token where the old one has ended; raises ``SourceError``."""
        page = self._page(monotonic)
        about = page.get("meta")
        if not isinstance(about, dict):
            raise malformed("the answer does not say what it is of")
        for key, wanted in (("region", self._region), ("signal_type", _SIGNAL), ("units", _UNITS)):
            same(about, key, wanted)
        begins, value = _current(page, wall)
        return GridReading(
            region=self._region,
            grams_per_kwh=grams_per_kwh(value, POUNDS_PER_MWH),
            source=self.name,
            factor_type="operational",
            average_or_marginal="marginal",
            estimated=True,
            valid_from=begins,
            valid_to=begins + _period(about),
            monotonic=monotonic,
            wall=wall,
        )

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _page(self, monotonic: float) -> dict[str, Any]:
        fresh = monotonic >= self._token_until
        if fresh:
            self._login(monotonic)
        try:
            answer = self._client.get(self._path, {"Authorization": f"Bearer {self._token}"})
        except StatusError as error:
            if error.status != _UNAUTHORIZED or fresh:
                raise
            # The provider may end a token early; one of this very moment it does not take is another matter.
            self._login(monotonic)
            answer = self._client.get(self._path, {"Authorization": f"Bearer {self._token}"})
        return parse_object(answer.body, "the answer")

    def _login(self, monotonic: float) -> None:
        self._token_until = 0.0
        pair = f"{self._username}:{self._password.read()}".encode()
        answer = self._client.get("/login", {"Authorization": f"Basic {base64.b64encode(pair).decode()}"})
        token = parse_object(answer.body, "the answer to the login").get("token")
        if not isinstance(token, str) or not (0 < len(token) <= _LONGEST_TOKEN and _is_header(token)):
            raise malformed("the answer to the login holds no token")
        self._token = token
        self._token_until = monotonic + TOKEN_SECONDS


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _current(page: Mapping[str, Any], wall: float) -> tuple[float, object]:
    """Return the start and the value of the point that covers this moment, or else of the first."""
    found = records(page.get("data"))
    points = sorted(
        ((moment(point.get("point_time")), point.get("value")) for point in found), key=lambda point: point[0]
    )
    begun = [point for point in points if point[0] <= wall]
    return begun[-1] if begun else points[0]


def _period(about: Mapping[str, Any]) -> float:
    period = about.get("data_point_period_seconds")
    if isinstance(period, bool) or not isinstance(period, (int, float)) or not 0 < period <= SECONDS_PER_HOUR:
        return _PERIOD_SECONDS
    return float(period)
