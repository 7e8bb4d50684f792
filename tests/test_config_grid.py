"""The grid section: what each provider needs, and what is said about what does not fit."""

import pytest
import yaml
from pydantic import ValidationError

from pentameter.config_grid import Grid
from pentameter.config_input import explain

MAPS = {"provider": "electricity_maps", "zone": "PL", "token": "hidden"}
WATTTIME = {"provider": "watttime", "zone": "CAISO_NORTH", "username": "someone", "password": "hidden"}
UK = {"provider": "uk_carbon_intensity"}


def live(tree):
    return Grid.model_validate({"live": tree}).live


def refusal(tree):
    with pytest.raises(ValidationError) as caught:
        live(tree)
    said = "\n".join(explain(caught.value, Grid))
    assert "hidden" not in said
    return said


def without(tree, key):
    return {name: value for name, value in tree.items() if name != key}


def test_without_anything_there_is_no_region_and_no_provider():
    grid = Grid()
    assert (grid.region, grid.grams_per_kwh, grid.market_grams_per_kwh, grid.live.provider) == (None,) * 4


def test_a_yaml_text_sets_every_key():
    grid = Grid.model_validate(
        yaml.safe_load("""
            region: POL
            grams_per_kwh: 588.6
            market_grams_per_kwh: 0
            live:
              provider: electricity_maps
              zone: US-CAL-CISO
              token_file: /run/secrets/token
              factor_type: direct
              url: https://proxy.example/em/v4
              ca_file: /etc/ca.pem
              interval_seconds: 600
              timeout_seconds: 20
              max_age_seconds: 10800
        """)
    )
    assert (grid.region, grid.grams_per_kwh, grid.market_grams_per_kwh) == ("POL", 588.6, 0.0)
    assert grid.live.model_dump(exclude_none=True) == {
        "provider": "electricity_maps",
        "zone": "US-CAL-CISO",
        "token_file": "/run/secrets/token",
        "factor_type": "direct",
        "url": "https://proxy.example/em/v4",
        "ca_file": "/etc/ca.pem",
        "interval_seconds": 600.0,
        "timeout_seconds": 20.0,
        "max_age_seconds": 10_800.0,
    }


def test_a_request_every_5_minutes_and_a_value_for_2_hours_are_the_defaults():
    found = live(UK)
    assert (found.interval_seconds, found.timeout_seconds, found.max_age_seconds) == (300.0, 10.0, 7200.0)


def test_a_provider_alone_may_be_a_text():
    assert live("uk_carbon_intensity").provider == "uk_carbon_intensity"


@pytest.mark.parametrize("tree", [MAPS, WATTTIME, UK, {**UK, "postcode": "ec1a"}, {**UK, "regionid": "13"}])
def test_what_a_provider_needs_is_enough(tree):
    assert live(tree).provider == tree["provider"]


def test_an_outward_code_is_written_in_capitals():
    assert live({**UK, "postcode": "rg10"}).postcode == "RG10"


def test_secrets_are_in_no_repr_and_lose_the_break_at_their_end():
    assert "hidden" not in repr(Grid.model_validate({"live": MAPS}))
    assert "hidden" not in repr(Grid.model_validate({"live": WATTTIME}))
    assert live({**MAPS, "token": "hidden\n"}).token == "hidden"


def test_a_password_may_have_other_letters_than_ascii():
    assert live({**WATTTIME, "password": "pässwörd"}).password == "pässwörd"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (without(MAPS, "zone"), "live: electricity_maps needs zone"),
        (without(MAPS, "token"), "live: electricity_maps needs one of token and token_file"),
        ({**MAPS, "token_file": "/token"}, "live: electricity_maps needs one of token and token_file"),
        (without(WATTTIME, "zone"), "live: watttime needs zone"),
        (without(WATTTIME, "username"), "live: watttime needs username"),
        (without(WATTTIME, "password"), "live: watttime needs one of password and password_file"),
        ({**WATTTIME, "password_file": "/p"}, "live: watttime needs one of password and password_file"),
        ({**UK, "postcode": "RG10", "regionid": 3}, "live: give postcode or regionid, not both"),
        (
            {**UK, "zone": "GB", "token": "hidden"},
            "live: token, zone: without a meaning for uk_carbon_intensity, which takes postcode, regionid",
        ),
        (
            {**WATTTIME, "factor_type": "direct"},
            "live: factor_type: without a meaning for watttime, which takes zone, username, password, password_file",
        ),
        (
            {"zone": "PL", "interval_seconds": 600},
            "live: interval_seconds, zone: needs a provider: electricity_maps, watttime, uk_carbon_intensity",
        ),
        ({**UK, "postcode": "RG10 9NY"}, "live.postcode: must be the outward part of a postcode alone, such as RG10"),
        ({**UK, "regionid": 18}, "live.regionid: Input should be less than or equal to 17"),
        ({**MAPS, "zone": "PL&zone=IS"}, "live.zone: must be the provider's own name of a region, such as PL"),
        ({**MAPS, "token": "hidden\nhidden"}, "live.token: must be one line of printable text"),
        ({**MAPS, "token": "hiddén"}, "live.token: must be one line of printable ASCII"),
        ({**MAPS, "token": " "}, "live.token: must be one line of printable text"),
        ({**WATTTIME, "password": ""}, "live.password: must be one line of printable text"),
        ({**WATTTIME, "username": "some:one"}, "live.username: must be printable and hold no colon"),
        ({**UK, "url": "http://user:hidden@proxy"}, "live.url: must hold no user, password, query or fragment"),
        ({**UK, "url": "ftp://proxy"}, "live.url: url must be http://HOST:PORT or https://HOST:PORT"),
        ({**UK, "interval_seconds": 59}, "live.interval_seconds: Input should be greater than or equal to 60"),
        (
            {**UK, "interval_seconds": 3600, "max_age_seconds": 7199},
            "live: max_age_seconds 7199 must be two intervals of 3600 s",
        ),
        ({"provider": "co2signal"}, "live.provider: Input should be 'electricity_maps', 'watttime' or 'uk_carbon_int"),
        ({**UK, "max_age": 1}, "live.max_age: unknown key; did you mean 'max_age_seconds'?"),
    ],
)
def test_what_does_not_fit_is_said(tree, said):
    assert refusal(tree).startswith(said)


@pytest.mark.parametrize("key", ["grams_per_kwh", "market_grams_per_kwh"])
@pytest.mark.parametrize("value", [-1, "nan", "inf", "low"])
def test_a_figure_of_ones_own_is_a_number_from_zero(key, value):
    with pytest.raises(ValidationError):
        Grid.model_validate({key: value})
