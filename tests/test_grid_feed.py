"""From the settings to the source of the live intensity."""

import pytest

from fakes.grid_providers import NOW, PROVIDERS, Uk, answer
from fakes.http_server import ScriptedServer
from pentameter.config_grid import Live
from pentameter.grid_feed import live_grid, longest_read_seconds


def test_without_a_provider_there_is_no_source():
    assert live_grid(Live()) is None


@pytest.mark.parametrize(
    ("provider", "host"),
    [
        (PROVIDERS[0], "api.electricitymaps.com/v3"),
        (PROVIDERS[1], "api.watttime.org"),
        (PROVIDERS[2], "api.carbonintensity.org.uk"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_provider_has_its_public_address_by_default(provider, host):
    source = live_grid(Live(**provider.settings))
    client = source._provider._client
    assert client._https
    assert f"{client._host}{client._prefix}" == host


def test_a_region_of_great_britain_is_asked_for_under_the_prefix_of_a_proxy():
    path = "/proxy/regional/postcode/RG10"
    with ScriptedServer({path: answer(Uk.regional(NOW, 266, postcode="RG10"))}) as server:
        live = Live(provider="uk_carbon_intensity", postcode="rg10", url=server.url + "/proxy/")
        source = live_grid(live, wall=NOW.timestamp)
        assert source.read().region == "GB-region-3"
        source.close()


def test_a_read_takes_three_requests_at_most():
    assert longest_read_seconds(Live(provider="uk_carbon_intensity", timeout_seconds=7)) == 21.0
