"""From the settings to the live source of the grid's carbon intensity. Nothing is asked yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pentameter.sources import grid_electricity_maps, grid_uk, grid_watttime
from pentameter.sources.grid_electricity_maps import ElectricityMaps
from pentameter.sources.grid_fields import MOST_PAGE_BYTES
from pentameter.sources.grid_live import LiveGrid
from pentameter.sources.grid_uk import UkCarbonIntensity
from pentameter.sources.grid_watttime import WattTime
from pentameter.sources.http_get import Credentials, HttpClient
from pentameter.sources.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.config_grid import Live
    from pentameter.sources.grid_live import Provider

_URLS = {
    ElectricityMaps.name: grid_electricity_maps.URL,
    WattTime.name: grid_watttime.URL,
    UkCarbonIntensity.name: grid_uk.URL,
}

_MOST_REQUESTS = 3
"""One read of WattTime asks, finds its token ended, logs in and asks again."""


def live_grid(
    live: Live, *, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
) -> LiveGrid | None:
    """Return the source that the settings describe; None where no provider is asked."""
    if live.provider is None:
        return None
    client = HttpClient(
        live.url or _URLS[live.provider],
        timeout=live.timeout_seconds,
        max_bytes=MOST_PAGE_BYTES,
        credentials=Credentials(ca_file=live.ca_file),
    )
    return LiveGrid(
        _provider(live, client),
        interval=live.interval_seconds,
        max_age=live.max_age_seconds,
        monotonic=monotonic,
        wall=wall,
    )


def longest_read_seconds(live: Live) -> float:
    """Return how long one read may take."""
    return _MOST_REQUESTS * live.timeout_seconds


def _provider(live: Live, client: HttpClient) -> Provider:
    if live.provider == UkCarbonIntensity.name:
        return UkCarbonIntensity(client, postcode=live.postcode, regionid=live.regionid)
    zone = live.zone or ""
    if live.provider == WattTime.name:
        password = Secret("password of WattTime", live.password, live.password_file, ascii_only=False)
        return WattTime(client, zone, live.username or "", password)
    token = Secret("token of Electricity Maps", live.token, live.token_file)
    return ElectricityMaps(client, zone, token, live.factor_type)
